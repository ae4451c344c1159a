"""Comparison of models that are trained on the same ratings, seed and budget, or of runs that are finished."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rich.console import Console

from recsys_nn.config import RunConfig
from recsys_nn.data import Ratings, Split, random_split
from recsys_nn.encoding import Encoder, FeaturesConfig
from recsys_nn.errors import ConfigError, DataError, did_you_mean, must_be
from recsys_nn.evaluation import Comparison, compare_predictors
from recsys_nn.experiment.models_by_name import Model, all_of, opened_by_name, sorts
from recsys_nn.experiment.run import train_on_split
from recsys_nn.models import ModelConfig, build_model
from recsys_nn.prediction import Predictor
from recsys_nn.runs import FinishedRun, common_part, fit_encoder, load_split, unseen
from recsys_nn.training import TrainConfig


class _Field(NamedTuple):
    """The models to compare, the seconds that their trainings took, and the ratings to compare them on."""

    predictors: dict[str, Predictor]
    seconds: dict[str, float]
    test: Ratings


def compare(
    models: Mapping[str, Model] | Sequence[Model],
    data: Split | Ratings | None = None,
    *,
    training: TrainConfig | None = None,
    features: FeaturesConfig | Mapping[str, Any] | None = None,
    seed: int = 0,
    resamples: int = 2000,
    reference: str | None = None,
    progress: bool = True,
) -> Comparison:
    """Compares models: which is best, by how much, and whether the ratings suffice to tell.

    All models are of one sort: model configs, which are trained alike; configs of runs or their files, trained as they
    say, on the same data and seed; or finished runs, on the test part that they share, and predictors, on ratings that
    none was trained on.

    Trained models are in ``comparison.predictors``; nothing is written.

    Args:
        models: two or more, by name or in a list: names are then kinds, files or folders, numbered where repeated.
        data: for model configs a split, or ratings of which a tenth is held out for testing and a tenth of the rest for
            validation; for finished runs the ratings, or the split whose test part is, to compare on.
        training: the settings of every model config's training; its ``seed`` is ``seed`` unless given, and what is held
            out for validation is the split's.
        features: what model configs see beside ids, as in ``Encoder.fit``.
        seed: seed of the split, the initial weights and the training order of model configs, and of the resamples.
        resamples: number of resamples of users, for the 95% intervals.
        reference: the name of the model to which differences are told; the best by default.
        progress: whether to print a line an epoch.

    Raises:
        ConfigError: where the models are not of one sort, or their configs are not of the same data and seed.
        DataError: where finished runs do not share their test part, or some of the given ratings are known to be in the
            training part of one.

    Example:
        >>> _ = rn.run_experiment("run.yaml", overrides=["model={kind: bias}", "output=runs/bias"], progress=False)
        >>> rn.compare(["runs/bias", "runs/svd"], progress=False).table["model"].tolist()  # the best first
        ['svd', 'bias']
        >>> kinds = [rn.SVDConfig(), rn.GlobalMeanConfig()]  # trained alike
        >>> sorted(rn.compare(kinds, split, training=rn.TrainConfig(epochs=2), progress=False).predictors)
        ['global_mean', 'svd']
    """
    opened = opened_by_name(models)
    if len(opened) < 2:
        raise ConfigError(f"a comparison needs two models or more, not {len(opened)}")
    if reference is not None and reference not in opened:
        raise ConfigError(f"reference: there is no model {reference!r}{did_you_mean(reference, opened)}")
    if resamples < 1:
        raise ConfigError(f"resamples must be a positive integer such as 1000, not {resamples}")
    configs = all_of(ModelConfig, opened)
    for name, setting in (("training", training), ("features", features)):
        if setting is not None and not configs:
            raise ConfigError(f"{name} must be left out, as it is for model configs, and these models have their own")
    if configs:
        field = _trained_alike(configs, data, training or TrainConfig(), features, seed, progress=progress)
    elif runs := all_of(RunConfig, opened):
        field = _trained_as_configured(runs, data, progress=progress)
    elif finished := all_of(FinishedRun, opened):
        field = _finished(finished, data)
    else:
        raise ConfigError(
            f"the models must be all model configs, all configs of runs, or all finished runs: {sorts(opened)}"
        )
    return compare_predictors(
        field.predictors, field.test, reference=reference, resamples=resamples, seed=seed, seconds=field.seconds
    )


def _trained_alike(
    configs: Mapping[str, ModelConfig],
    data: Split | Ratings | None,
    training: TrainConfig,
    features: FeaturesConfig | Mapping[str, Any] | None,
    seed: int,
    *,
    progress: bool,
) -> _Field:
    if not isinstance(data, Split | Ratings):
        raise DataError(must_be("data", "a Split or Ratings, on which the model configs are trained", data))
    split = data if isinstance(data, Split) else random_split(data, seed=seed)
    if "seed" not in training.model_fields_set:
        training = training.model_copy(update={"seed": seed})
    encoder = fit_encoder(split, features)
    return _trained(configs, dict.fromkeys(configs, training), split, encoder, seed, progress=progress)


def _trained_as_configured(runs: Mapping[str, RunConfig], data: object, *, progress: bool) -> _Field:
    if data is not None:
        raise ConfigError("data must be left out, as the configs of runs name their own")
    first, *others = runs
    common = runs[first]
    for name in others:
        for part in ("seed", "data"):
            if getattr(runs[name], part) != getattr(common, part):
                raise ConfigError(
                    f"{name}: its {part} differs from that of {first}, so that their errors cannot be compared"
                )
    for name, run in runs.items():
        for setting in ("ensemble", "refit"):
            if getattr(run, setting):
                raise ConfigError(
                    f"{name}: {setting} must be left out, as a comparison trains single networks: leave it out, or "
                    "train the run and compare its folder"
                )
    models = {name: run.model for name, run in runs.items()}
    trainings = {name: run.training for name, run in runs.items()}
    split = load_split(common.data, common.seed)
    encoder = fit_encoder(split, common.data.features)
    return _trained(models, trainings, split, encoder, common.seed, progress=progress)


def _trained(
    configs: Mapping[str, ModelConfig],
    trainings: Mapping[str, TrainConfig],
    split: Split,
    encoder: Encoder,
    seed: int,
    *,
    progress: bool,
) -> _Field:
    test = _ratings_to_compare_on(split.test)
    # All are built before the first is trained, so that one that cannot be costs no training.
    models = {name: build_model(config, encoder, seed=seed) for name, config in configs.items()}
    predictors, seconds = {}, {}
    for name, model in models.items():
        if progress:
            Console().print(name, style="bold", highlight=False, markup=False)
        run = train_on_split(model, encoder, split, trainings[name], progress=progress)
        if run.stop_reason == "interrupted":  # its error would not compare with those of the others
            raise KeyboardInterrupt
        predictors[name] = Predictor(run.model, encoder, config=configs[name])
        seconds[name] = run.seconds
    return _Field(predictors, seconds, test)


def _finished(runs: Mapping[str, FinishedRun], data: Split | Ratings | None) -> _Field:
    if data is None:
        test = common_part(runs, "test")
    else:
        test = unseen(_ratings_to_compare_on(data.test if isinstance(data, Split) else data), runs)
    predictors = {name: run.predictor for name, run in runs.items()}
    return _Field(predictors, {name: run.seconds for name, run in runs.items()}, test)


def _ratings_to_compare_on(ratings: object) -> Ratings:
    if not isinstance(ratings, Ratings):
        raise DataError(must_be("data", "Ratings (rn.load_ratings makes them)", ratings))
    if not len(ratings):
        raise DataError("the test part has no ratings to compare models on: hold some out, or give other ratings")
    return ratings
