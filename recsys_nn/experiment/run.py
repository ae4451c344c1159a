"""Execution of one run from its config: read, split, encode, build, train, judge, save."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.console import Console

from recsys_nn.advice import diagnose
from recsys_nn.cluster import connected
from recsys_nn.config import RunConfig, as_run_config
from recsys_nn.data import AnySplit, Ratings, Split
from recsys_nn.errors import ConfigError
from recsys_nn.evaluation import evaluate
from recsys_nn.experiment.train import averaged, check_ensemble, rates_of, train_on_split
from recsys_nn.models import ModelConfig, build_model
from recsys_nn.prediction import HELD_OUT, JUDGED, Calibration, Predictor, predict_held_out, write_run_folder
from recsys_nn.runs import (
    ITEM_FEATURES,
    NOTHING_KEPT,
    ExperimentResult,
    Findings,
    FinishedRun,
    Unfinished,
    as_json,
    as_result,
    by_part,
    described,
    fit_encoder,
    identity,
    load_parts,
    provenance,
    related,
    run_before,
    undisturbed,
    unfinished_run,
)
from recsys_nn.tracking import Tell, tracked
from recsys_nn.training import TrainingRun


def run_experiment(
    config: RunConfig | ModelConfig | str | Path | Mapping[str, Any],
    data: Split | Ratings | None = None,
    *,
    overrides: Sequence[str] = (),
    overwrite: bool = False,
    resume: bool = False,
    progress: bool = True,
) -> ExperimentResult:
    """Carries out one run.

    What Ctrl-C cuts short keeps its best epoch so far, and is neither averaged nor refitted. It and what was killed can
    go on (``resume``) from the last finished epoch, to the same weights bit for bit as without the interruption: until
    it is finished, a run with an output keeps the states of its last two epochs beside it, in ``OUTPUT.unfinished``.

    Args:
        config: a RunConfig, a mapping, the path of a YAML file, or a model's config with defaults for all else.
        data: ratings in memory, split as the config says, or a split of them; the config then names no source.
        overrides: ``"training.epochs=5"`` and the like, for a mapping or a file.
        overwrite: whether a run that already stands in ``output``, or an unfinished one, is replaced.
        resume: whether an unfinished run of this config and these ratings is gone on with, if there is one. Where it
            is finished, it is not repeated; unfinished ones of other configs or ratings are errors.
        progress: whether to print a line an epoch, and one where the doctor (:func:`diagnose`) finds something wrong.

    Raises:
        RecsysError: what is wrong and where; nothing is written then.

    Example:
        >>> result = rn.run_experiment("run.yaml", overrides=["training.epochs=2", "output=runs/short"], progress=False)
        >>> sorted(file.name for file in result.path.iterdir())
        ['calibration.json', 'config.yaml', ..., 'weights.safetensors']
        >>> baseline = rn.run_experiment(rn.BiasConfig(), ratings, progress=False)  # nothing is written
        >>> baseline.predictor.predict([("u0", "i0")])["source"].item()
        'model'
    """
    config = as_run_config(config, overrides=overrides)
    place = unfinished_run(config.output, resume=resume, overwrite=overwrite)
    with connected(config.cluster), place as unfinished:
        split = load_parts(config.data, config.seed, data)
        of_run = identity(config, split)
        before = run_before(config.output, of_run, overwrite=overwrite) if resume and config.output else None
        if before is not None:
            if before.training is not None and before.training.stop_reason != "interrupted":
                return as_result(config, split, before)
            overwrite = True
        unfinished.take_up(of_run, anew=overwrite)
        result = run_on_split(config, split, unfinished=unfinished, overwrite=overwrite, progress=progress)
        unfinished.is_to_stay = result.run.stop_reason == "interrupted"
    if progress and (found := diagnose(result)):
        Console().print(f"The doctor found {found.summary}", soft_wrap=True, highlight=False, markup=False)
    return result


def run_on_split(
    config: RunConfig,
    split: AnySplit,
    *,
    callbacks: Sequence[Any] = (),
    unfinished: Unfinished = NOTHING_KEPT,
    overwrite: bool = False,
    progress: bool = False,
) -> ExperimentResult:
    """Carries out the run of a config on given parts, of which an empty test part is not judged on.

    Args:
        config: config of the run; of its data section only the features are looked at.
        split: the training, validation and test parts.
        callbacks: Keras callbacks of the first training, beside those that the config names.
        unfinished: folder where the run keeps its states.
        overwrite: whether a run that already stands in ``output`` is replaced.
        progress: whether to print a line an epoch.

    Raises:
        RecsysError: what is wrong and where; nothing is written then.
    """
    with tracked(config, split) as tracking:
        result = _carried_out(
            config,
            split,
            callbacks=callbacks,
            tell=tracking.tell,
            unfinished=unfinished,
            overwrite=overwrite,
            progress=progress,
        )
        tracking.conclude(result.run, result.metrics, result.path)
    return result


def _carried_out(
    config: RunConfig,
    split: AnySplit,
    *,
    callbacks: Sequence[Any],
    tell: Tell | None,
    unfinished: Unfinished,
    overwrite: bool,
    progress: bool,
) -> ExperimentResult:
    validation, began = split.validation, time.perf_counter() - unfinished.seconds
    if config.refit and not len(validation):
        raise ConfigError("refit needs a validation part: set data.split.validation above 0, or leave refit out")
    encoder = fit_encoder(split, config.data.features)
    model = build_model(config.model, encoder, seed=config.seed)
    kept = unfinished.checkpoints("training")
    run = train_on_split(
        model,
        encoder,
        split,
        config.training,
        callbacks=callbacks,
        tell=tell,
        cluster=config.cluster,
        checkpoints=kept,
        progress=progress,
    )
    if run.stop_reason in ("interrupted", "callback"):
        config = config.model_copy(update={"ensemble": None, "refit": False})
    kept = unfinished.checkpoints("posterior")
    run, predictor, chosen = averaged(config, run, encoder, split, checkpoints=kept, progress=progress)
    held_out = predict_held_out(predictor, validation) if len(validation) else None
    findings = Findings(run, chosen, held_out, by_part(split), time.perf_counter() - began)
    if config.ensemble is not None and held_out is not None:
        check_ensemble(run, predictor, validation, findings.metrics["validation_rmse"])
    if config.refit:
        return refit_on_split(
            config,
            split.without_validation(),
            findings,
            refitted=described(validation) | related(validation, split.train),
            unfinished=unfinished,
            overwrite=overwrite,
            progress=progress,
        )
    data = provenance(config.data.source, split) | {"run": unfinished.run}
    return _concluded(config, split, run, predictor, findings, data, overwrite=overwrite)


def refit_on_split(
    config: RunConfig,
    split: AnySplit,
    findings: Findings,
    *,
    refitted: Mapping[str, Any] | None = None,
    documents: Mapping[str, str | bytes] = MappingProxyType({}),
    unfinished: Unfinished = NOTHING_KEPT,
    overwrite: bool = False,
    progress: bool = False,
) -> ExperimentResult:
    """Carries out the run of a config on all rows of ``split.train``, for as many epochs as validation found best.

    Nothing is left to judge it by, so the learning rates, the noise and the temperature of the posterior and the
    intervals are those of the validation too, and the history is that of its training.

    Args:
        config: config of the run.
        split: training and test parts, without a validation part.
        findings: findings of the validation before.
        refitted: record of the validation part, where the training part has been joined by one.
        documents: further files of the run folder.
        unfinished: folder where the run keeps its states.
        overwrite: whether a run that already stands in ``output`` is replaced.
        progress: whether to print a line an epoch.

    Raises:
        KeyboardInterrupt: by Ctrl-C, since nothing has judged a network of fewer epochs.
    """
    encoder, began = fit_encoder(split, config.data.features), time.perf_counter()
    model = build_model(config.model, encoder, seed=config.seed)
    training = config.training.until(findings.run.best_epoch)
    again = train_on_split(
        model,
        encoder,
        split,
        training,
        callbacks=rates_of(findings.run),
        cluster=config.cluster,
        checkpoints=unfinished.checkpoints("refit"),
        progress=progress,
    )
    if again.stop_reason == "interrupted":
        raise KeyboardInterrupt
    run = replace(findings.run, model=model, seconds=findings.run.seconds + again.seconds)
    kept = unfinished.checkpoints("refit-posterior")
    run, predictor, _ = averaged(config, run, encoder, split, findings.chosen, checkpoints=kept, progress=progress)
    findings = replace(findings, seconds=findings.seconds + time.perf_counter() - began)
    data = provenance(config.data.source, split) | {"run": unfinished.run}
    data["refit"] = {"epochs": run.best_epoch, "chosen_by": findings.means}
    if refitted is not None:
        data["parts"]["refitted"] = refitted
    return _concluded(config, split, run, predictor, findings, data, documents=documents, overwrite=overwrite)


def _concluded(
    config: RunConfig,
    split: AnySplit,
    run: TrainingRun,
    predictor: Predictor,
    findings: Findings,
    data: Mapping[str, Any],
    *,
    documents: Mapping[str, str | bytes] = MappingProxyType({}),
    overwrite: bool,
) -> ExperimentResult:
    """Calibrates a predictor by validation's findings, judges it on the test part, and saves it with its record."""
    if config.keep_ratings:
        predictor = predictor.with_seen(split.train, split.validation)
    if findings.held_out is not None:
        predictor.calibration = Calibration.of(findings.held_out, predictor.encoder.scale)
        documents = {**documents, HELD_OUT: findings.held_out.to_parquet(index=False)}
    evaluation = evaluate(predictor, split.test) if len(split.test) else None
    metrics = findings.metrics
    if evaluation is not None:
        metrics |= evaluation.metrics
        documents = {**documents, JUDGED: evaluation.table.to_parquet(index=False)}
    metrics |= {"best_epoch": float(run.best_epoch), "seconds": findings.seconds}
    documents = {
        **documents,
        "config.yaml": config.to_yaml(),
        "history.csv": run.history.to_csv(index=False, lineterminator="\n"),
        "training.json": as_json(run.record),
        "metrics.json": as_json(metrics),
        "data.json": as_json(data),
    }
    if (items := split.train.item_features) is not None:
        plain = [name for name in items.columns if items[name].dtype != object]
        documents[ITEM_FEATURES] = items[plain].to_parquet(index=False)
    path = None
    if config.output is not None:
        with undisturbed():
            path = write_run_folder(config.output, predictor, documents=documents, overwrite=overwrite)
    finished = FinishedRun(predictor, path, documents)
    return ExperimentResult(config, split, run, predictor, evaluation, metrics, path, findings, finished)
