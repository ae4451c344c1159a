"""One run from its config: read, split, encode, build, train, judge, save."""

from __future__ import annotations

import hashlib
import json
import signal
import threading
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pandas as pd

from recsys_nn.config import DataConfig, FilesSplitConfig, RunConfig, load_config
from recsys_nn.data.datasets import get_dataset
from recsys_nn.data.encoding import Encoder
from recsys_nn.data.features import FeaturesConfig
from recsys_nn.data.ids import id_type
from recsys_nn.data.loading import is_dataset, load_ratings
from recsys_nn.data.ratings import Ratings
from recsys_nn.data.readers import read_features, read_ratings
from recsys_nn.data.splits import Split
from recsys_nn.ensembling import tempered
from recsys_nn.errors import ConfigError
from recsys_nn.evaluation.evaluate import Evaluation, check_scale, evaluate
from recsys_nn.evaluation.metrics import rmse
from recsys_nn.models import build_model
from recsys_nn.prediction.calibration import Calibration
from recsys_nn.prediction.held_out import HELD_OUT, predict_held_out
from recsys_nn.prediction.predictor import Predictor
from recsys_nn.prediction.run_folder import check_place, write_run_folder
from recsys_nn.training.config import TrainConfig
from recsys_nn.training.run import TrainingRun
from recsys_nn.training.trainer import Trainer

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class ExperimentResult:
    """What a run gave.

    Attributes:
        config: the resolved config.
        split: the parts that it was trained and judged on.
        run: the training.
        predictor: predicts for raw ids.
        evaluation: of the test part; None where there is none.
        metrics: flat: the test part's ``rmse``, ``mae``, ``r2``, ``lift`` and baselines, the validation part's
            ``validation_rmse``, an ensemble's ``temperature``, and ``best_epoch``, ``seconds``.
        path: the run folder, where one was asked for.
    """

    config: RunConfig
    split: Split = field(repr=False)
    run: TrainingRun
    predictor: Predictor = field(repr=False)
    evaluation: Evaluation | None
    metrics: dict[str, float] = field(repr=False)
    path: Path | None


def run_experiment(
    config: RunConfig | str | Path | Mapping[str, Any],
    *,
    overrides: Sequence[str] = (),
    overwrite: bool = False,
    progress: bool = True,
) -> ExperimentResult:
    """Carries out one run.

    Args:
        config: a RunConfig, a mapping, or the path of a YAML file.
        overrides: ``"training.epochs=5"`` and the like, for a mapping or a file.
        overwrite: whether a run that already stands in ``output`` is replaced.
        progress: whether to print a line an epoch.

    Raises:
        RecsysError: what is wrong and where; nothing is written then.
    """
    if not isinstance(config, RunConfig):
        config = load_config(config, overrides=overrides)
    elif overrides:
        raise ConfigError("overrides are for a file or a mapping; change a RunConfig with model_copy")
    if config.output is not None:
        check_place(config.output, overwrite=overwrite)
    split, began = load_split(config.data, config.seed), time.perf_counter()
    if config.refit and not len(split.validation):
        raise ConfigError("refit: there is no validation part to join to the training part; leave it out")
    run, predictor, chosen = _trained(config, split, progress=progress)
    metrics, validation = dict(chosen), split.validation
    documents: dict[str, str | bytes] = {}
    if len(validation):
        held_out = predict_held_out(predictor, validation)
        predictor.calibration = Calibration.of(held_out, predictor.encoder.scale)
        metrics["validation_rmse"] = rmse(held_out["rating"], held_out["prediction"])
        documents[HELD_OUT] = held_out.to_parquet(index=False)
        if config.ensemble is not None:
            _check_ensemble(run, predictor, validation, metrics["validation_rmse"])
    if config.refit:
        split, calibration = split.without_validation(), predictor.calibration
        run, predictor, _ = _trained(config, split, progress=progress, validated=run, chosen=chosen)
        predictor.calibration = calibration
    evaluation = evaluate(predictor, split.test) if len(split.test) else None
    metrics |= {} if evaluation is None else evaluation.metrics
    metrics |= {"best_epoch": float(run.best_epoch), "seconds": time.perf_counter() - began}
    path = None
    if config.output is not None:
        documents |= {
            "config.yaml": config.to_yaml(),
            "history.csv": run.history.to_csv(index=False),
            "metrics.json": as_json(metrics),
            "data.json": as_json(_provenance(config.data, split, refitted=validation if config.refit else None)),
        }
        with _undisturbed():
            path = write_run_folder(config.output, predictor, documents=documents, overwrite=overwrite)
    return ExperimentResult(config, split, run, predictor, evaluation, metrics, path)


def load_split(data: DataConfig, seed: int) -> Split:
    """The training, validation and test parts that a config's data section describes."""
    if isinstance(data.split, FilesSplitConfig):
        return _split_of_files(data, data.split, seed)
    assert data.source is not None
    if is_dataset(data.source):
        ratings = load_ratings(data.source, **data.options)
    else:
        ratings = _with_features(data, _read(data, data.source))
    return data.split.apply(_targets(data, ratings), seed)


def fit_encoder(split: Split, features: FeaturesConfig | Mapping[str, Any] | None = None) -> Encoder:
    """The encoder of the training part, on whose scale the other parts have to be."""
    for part in (split.validation, split.test):
        check_scale(part, split.train.scale)
    return Encoder.fit(split.train, features=features)


def train_on_split(
    model: keras.Model, encoder: Encoder, split: Split, training: TrainConfig, *, progress: bool
) -> TrainingRun:
    """Trains ``model`` in place; the split has the last word on what is held out, the Trainer adds nothing to it."""
    validation = encoder.encode(split.validation) if len(split.validation) else None
    training = training.model_copy(update={"validation": 0.0})
    return Trainer(training, progress=progress).fit(model, encoder.encode(split.train), validation)


def _trained(
    config: RunConfig,
    split: Split,
    *,
    progress: bool,
    validated: TrainingRun | None = None,
    chosen: Mapping[str, float] = MappingProxyType({}),
) -> tuple[TrainingRun, Predictor, dict[str, float]]:
    """The training on a split, the predictor of its network or of the average over samples of its posterior, and what
    of the ensemble was ``chosen`` on validation.

    After a ``validated`` training this is one for as many epochs as were best there, whose findings stay: the history
    and, for the posterior, the variance of the noise and what was chosen.
    """
    encoder = fit_encoder(split, config.data.features)
    model = build_model(config.model, encoder, seed=config.seed)
    training = config.training if validated is None else config.training.until(validated.best_epoch)
    run = train_on_split(model, encoder, split, training, progress=progress)
    if validated is not None:
        if run.stop_reason == "interrupted":  # nothing has judged a network of fewer epochs
            raise KeyboardInterrupt
        run = replace(validated, model=model, seconds=validated.seconds + run.seconds)
    if config.ensemble is not None:
        ensemble = config.ensemble.model_copy(update=chosen)
        validation = encoder.encode(split.validation) if len(split.validation) else None
        began = time.perf_counter()
        temperature, model = tempered(run, encoder.encode(split.train), ensemble, validation, progress=progress)
        chosen = {"temperature": temperature}
        run = replace(run, seconds=run.seconds + time.perf_counter() - began)
    return run, Predictor(model, encoder, config=config.model), dict(chosen)


def _check_ensemble(run: TrainingRun, average: Predictor, validation: Ratings, rmse_of_average: float) -> None:
    """Warns where the network alone is better: stopped early, it can be so in spite of too weak a penalty."""
    alone = rmse_of(Predictor(run.model, average.encoder), validation)
    if alone < rmse_of_average:
        warnings.warn(
            f"ensemble: on validation the average (RMSE {rmse_of_average:.4f}) is worse than the network alone "
            f"({alone:.4f}): try more samples, a longer burn_in, or penalties where there are none "
            "(model.bias_l2: null)",
            stacklevel=3,
        )


def _read(data: DataConfig, file: str) -> Ratings:
    return read_ratings(file, data.format, scale=data.scale, duplicates=data.duplicates)


def _with_features(data: DataConfig, ratings: Ratings) -> Ratings:
    """With the features in files of one's own, whose ids are read as those of the ratings."""
    files: dict[str, str | None] = {"user": data.user_features, "item": data.item_features}
    tables = {
        f"{side}_features": read_features(file, side, id_type(ratings.frame[side]))
        for side, file in files.items()
        if file is not None
    }
    return ratings.with_features(**tables)


def _targets(data: DataConfig, ratings: Ratings) -> Ratings:
    return ratings if data.liked is None else ratings.liked(data.liked)


def _split_of_files(data: DataConfig, files: FilesSplitConfig, seed: int) -> Split:
    of_format = get_dataset(data.source).read if data.source else partial(_read, data)

    def read(file: str) -> Ratings:
        return _targets(data, of_format(file))

    train, test = _with_features(data, read(files.train)), read(files.test) if files.test else None
    if isinstance(files.validation, str):
        return Split(train, read(files.validation), test)
    return Split(train, test=test).with_validation(files.validation, seed=seed)


def rmse_of(predictor: Predictor, ratings: Ratings) -> float:
    """The RMSE of a predictor, where nothing else of an :func:`evaluate` is asked for."""
    return rmse(ratings.frame["rating"], predictor.predict(ratings)["prediction"])


def _provenance(data: DataConfig, split: Split, *, refitted: Ratings | None) -> dict[str, Any]:
    """What data.json says: of the parts, and of the validation part that a refit has joined to the training part."""
    parts = {name: getattr(split, name) for name in ("train", "validation", "test")}
    parts |= {} if refitted is None else {"refitted": refitted}
    return {
        "source": data.source,
        "parts": {name: described(part) for name, part in parts.items()},
    }


def described(part: Ratings) -> dict[str, Any]:
    """What data.json says of a part."""
    return {"ratings": len(part), "users": part.n_users, "items": part.n_items, "sha256": fingerprint(part)}


def as_json(values: Mapping[str, Any]) -> str:
    """JSON, in which a figure that is not a number (R² of one rating) is null."""
    finite = {name: None if value != value else value for name, value in values.items()}
    return json.dumps(finite, indent=2, allow_nan=False) + "\n"


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits: saving takes a moment, and the training before it took long."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def fingerprint(ratings: Ratings) -> str:
    """SHA-256 over 64-bit hashes of the rows (ids, ratings, timestamps and features of ratings) in their order."""
    hashes = pd.util.hash_pandas_object(ratings.frame, index=False).to_numpy()
    return hashlib.sha256(hashes.astype("<u8").tobytes()).hexdigest()
