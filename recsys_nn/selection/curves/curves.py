"""Curves of training and validation error as something changes: epochs, complexity, training size, step and batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median_low
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recsys_nn.data import Ratings, Split
from recsys_nn.errors import ConfigError, TrainingError
from recsys_nn.evaluation import rmse_of
from recsys_nn.plots import GREY, Scale, draw_heat_map, draw_lines, label, new_figure
from recsys_nn.prediction import Predictor
from recsys_nn.selection.curves.result import Curve
from recsys_nn.selection.curves.runs import AnyConfig, Point, alone, measured, named, points
from recsys_nn.selection.processes import in_order

if TYPE_CHECKING:
    from recsys_nn.selection.curves.watched_training import Followed

RMSE = "RMSE (rating units)"
ERRORS = {"training": "training_rmse", "validation": "validation_rmse"}
WITH_BASELINE = {**ERRORS, "bias baseline": "bias_rmse"}


def epoch_curve(
    config: AnyConfig,
    data: Split | Ratings | None = None,
    *,
    seeds: int = 1,
    overrides: Sequence[str] = (),
    workers: int = 1,
    progress: bool = True,
) -> Curve:
    """Training and validation RMSE after each epoch, trained on past the point where early stopping would have ended.

    Both are the error of the predictor as it is after the epoch, on all of the part: without penalties, without
    dropout, predictions within the rating scale. (The training loss in a history is another quantity: it has the
    penalties in it, and is an average over an epoch in which the weights changed.)

    Args:
        config: a RunConfig, a mapping, the path of a YAML file, or a model's config with defaults for all else; it is
            trained for all its ``training.epochs``.
        data: ratings in memory, split as the config says, or a split of them; the config then names no source.
        seeds: number of runs, with the config's own seed and those that follow it.
        overrides: ``"training.epochs=50"`` and the like, for a mapping or a file.
        workers: the processes that runs are made in.
        progress: whether to print a line a run.

    Returns:
        A table of seed, epoch, training_rmse, validation_rmse, and whether the epoch is the one whose weights early
        stopping keeps (``kept``) and the one after which it stops (``stopped``). Marked are both, over several seeds
        the median; ``stopped`` is None where it goes on to the end.

    Raises:
        ConfigError: where there is no validation part, or the model has no epochs.
        RecsysError: as :func:`run_experiment` does.

    Example:
        >>> curve = rn.epoch_curve({"training": {"epochs": 3}}, ratings, progress=False)
        >>> curve.table["epoch"].tolist(), list(curve.marks)
        ([1, 2, 3], ['kept', 'stopped'])
    """
    config = alone(config, overrides)
    runs = list(points(config, data, [({}, {})], seeds))
    found = in_order(_followed, runs, told=_ended, workers=workers, progress=progress)
    stopped = [one.stopped for one in found if one.stopped is not None]
    marks = {
        "kept": median_low(one.kept for one in found if one.kept is not None),
        "stopped": median_low(stopped) if stopped else None,
    }
    table = pd.DataFrame(
        {**run.at, "epoch": epoch, **errors, "kept": epoch == one.kept, "stopped": epoch == one.stopped}
        for run, one in zip(runs, found, strict=True)
        for epoch, errors in enumerate(one.seen, 1)
    )
    with new_figure(f"{config.model.kind}: error by epoch", "epoch", RMSE) as (figure, axes):
        draw_lines(axes, Scale(range(1, config.training.epochs + 1)), table, "epoch", ERRORS)
        for name, told, style in (("kept", "kept by early stopping", "--"), ("stopped", "where it stops", ":")):
            if (epoch := marks[name]) is not None:
                axes.axvline(epoch, color=GREY, linestyle=style, label=f"{told} (epoch {epoch})")
    return Curve(table, marks, figure)


def _followed(point: Point) -> Followed[dict[str, float]]:
    from recsys_nn.selection.curves.watched_training import followed

    def errors(predictor: Predictor) -> dict[str, float]:
        parts = {"training_rmse": point.split.train, "validation_rmse": point.split.validation}
        return {name: rmse_of(predictor, part) for name, part in parts.items()}

    return followed(point.config, point.split, point.config.training.epochs, errors)


def _ended(point: Point, found: Followed[dict[str, float]]) -> str:
    return f"{point}: epoch {found.kept} is kept, {found.seen[(found.kept or 1) - 1]['validation_rmse']:.4f}"


def validation_curve(
    config: AnyConfig,
    data: Split | Ratings | None = None,
    *,
    key: str,
    values: Sequence[Any] | Mapping[str, Any],
    seeds: int = 3,
    overrides: Sequence[str] = (),
    workers: int = 1,
    progress: bool = True,
) -> Curve:
    """Training and validation RMSE by one setting, such as one of complexity.

    Settings of complexity are ``model.embedding_dim`` (2, 4, 8, 16, 32), ``model.l2`` (1e-2, 1e-3, 1e-4, 1e-5), and
    of a tower ``model.widths`` ([64], [64, 32], [64, 32, 16]).

    Two values are marked: the best, and the first, which is the simplest, whose validation error is within one standard
    error of the best one's (Breiman, Friedman, Olshen & Stone 1984, section 3.4.3); their means over the seeds count.

    Args:
        config: a RunConfig, a mapping, the path of a YAML file, or a model's config with defaults for all else.
        data: ratings in memory, split as the config says, or a split of them; the config then names no source.
        key: the setting's dotted key, as in ``--set``.
        values: values to try, from the simplest to the most complex; a mapping gives them names.
        seeds: number of runs a value, with the config's own seed and those that follow it: of the split, where it is
            drawn at random, the initial weights and the training order. Bands go from the least error to the greatest.
        overrides: ``"training.epochs=50"`` and the like, for a mapping or a file.
        workers: the processes that runs are made in.
        progress: whether to print a line a run.

    Returns:
        A table of the key, seed, training_rmse, validation_rmse, standard_error (of the latter, see
        ``selection/curves/runs.py``), bias_rmse (the baseline of biases), best_epoch, epochs, seconds, diverged. Marked
        are ``best`` and ``within one standard error``.

    Raises:
        ConfigError: for a wrong key or value, before the first run; where there is no validation part.
        TrainingError: where the runs of every value have diverged.
        RecsysError: as :func:`run_experiment` does.

    Example:
        >>> config = {"model": {"kind": "svd"}, "training": {"epochs": 2}}
        >>> curve = rn.validation_curve(
        ...     config, ratings, key="model.embedding_dim", values=[1, 2], seeds=1, progress=False
        ... )
        >>> curve.table["model.embedding_dim"].tolist(), list(curve.marks)
        ([1, 2], ['best', 'within one standard error'])
    """
    config, values = alone(config, overrides), named(values)
    changes = [({key: name}, {key: value}) for name, value in values.items()]
    table = measured(points(config, data, changes, seeds), workers=workers, progress=progress)
    means = table.groupby(key, sort=False)[["validation_rmse", "standard_error"]].agg(_mean_of_all)
    errors = means["validation_rmse"]
    if errors.isna().all():
        raise TrainingError(f"{key}: all runs diverged; lower training.learning_rate")
    best, names = int(errors.argmin()), list(values)
    bound = float(means.iloc[best].sum())
    simplest = int(np.argmax(errors <= bound))
    marks = {"best": names[best], "within one standard error": names[simplest]}
    with new_figure(f"{config.model.kind}: error by {key}", key, RMSE) as (figure, axes):
        scale = Scale(names)
        draw_lines(axes, scale, table, key, WITH_BASELINE)
        axes.axhline(bound, color=GREY, linewidth=1, linestyle="-.", label="best + one standard error")
        for name, place, marker in zip(marks, (best, simplest), ("*", "D"), strict=True):
            where, told = (scale.positions[place], errors.iloc[place]), f"{name} ({label(names[place])})"
            axes.plot(*where, marker, markersize=13, fillstyle="none", color="black", linestyle="none", label=told)
    return Curve(table, marks, figure)


def learning_curve(
    config: AnyConfig,
    data: Split | Ratings | None = None,
    *,
    fractions: Sequence[float] = (0.1, 0.2, 0.4, 0.6, 0.8, 1.0),
    seeds: int = 3,
    overrides: Sequence[str] = (),
    workers: int = 1,
    progress: bool = True,
) -> Curve:
    """Training and validation RMSE by the number of training ratings, beside that of the baseline of biases.

    The training parts are random and nested: each holds the smaller ones. The validation part is the same for all of a
    seed. What λ a model takes by itself where none is given goes by the number of ratings, as it always does.

    Args:
        config: a RunConfig, a mapping, the path of a YAML file, or a model's config with defaults for all else.
        data: ratings in memory, split as the config says, or a split of them; the config then names no source.
        fractions: shares of the training part, ascending.
        seeds: number of runs a fraction, with the config's own seed and those that follow it. Bands go from the least
            error to the greatest.
        overrides: ``"training.epochs=50"`` and the like, for a mapping or a file.
        workers: the processes that runs are made in.
        progress: whether to print a line a run.

    Returns:
        A table of fraction, ratings (in the training part), and then as of :func:`validation_curve`; nothing is marked.

    Raises:
        ConfigError: where fractions are not ascending within (0, 1], or there is no validation part.
        RecsysError: as :func:`run_experiment` does.

    Example:
        >>> curve = rn.learning_curve(rn.BiasConfig(), ratings, fractions=[0.25, 0.5, 1], seeds=1, progress=False)
        >>> curve.table[["fraction", "ratings"]]
           fraction  ratings
        0      0.25       61
        1      0.50      122
        2      1.00      243
    """
    if list(fractions) != sorted({*fractions}) or not 0 < min(fractions, default=0) <= max(fractions) <= 1:
        raise ConfigError(f"fractions must be ascending numbers above 0 and up to 1, not {tuple(fractions)}")
    config = alone(config, overrides)
    runs = (  # as they are asked for, or many parts would be in memory at once
        Point(
            {"fraction": fraction, "ratings": len(part), "seed": point.config.seed},
            point.config,
            Split(part, point.split.validation),
        )
        for point in points(config, data, [({}, {})], seeds)
        for fraction, part in nested(point.split.train, fractions, seed=point.config.seed).items()
    )
    table = measured(runs, workers=workers, progress=progress)
    sizes = table.groupby("fraction")["ratings"].mean().round().astype(int)
    with new_figure(f"{config.model.kind}: error by training size", "training ratings", RMSE) as (figure, axes):
        draw_lines(axes, Scale(sizes.tolist()), table, "fraction", WITH_BASELINE)
    return Curve(table, {}, figure)


def nested(ratings: Ratings, fractions: Sequence[float], *, seed: int) -> dict[float, Ratings]:
    """Draws random shares of the ratings, in the order of the table, each within those that are larger."""
    order = np.random.default_rng(seed).permutation(len(ratings))
    return {fraction: ratings.take(np.sort(order[: round(fraction * len(ratings))])) for fraction in fractions}


def sensitivity(
    config: AnyConfig,
    data: Split | Ratings | None = None,
    *,
    learning_rates: Sequence[float] = (3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
    batch_sizes: Sequence[int] = (64, 256, 1024),
    seeds: int = 1,
    overrides: Sequence[str] = (),
    workers: int = 1,
    progress: bool = True,
) -> Curve:
    """Validation RMSE by learning rate and batch size, as a heat map with the figures in its cells.

    A training whose loss is no longer a number is a finding here: its cell says ``diverged``.

    Args:
        config: a RunConfig, a mapping, the path of a YAML file, or a model's config with defaults for all else.
        data: ratings in memory, split as the config says, or a split of them; the config then names no source.
        learning_rates: learning rates to try, each with each of the batch sizes.
        batch_sizes: batch sizes to try.
        seeds: number of runs a cell, with the config's own seed and those that follow it; a cell shows their mean.
        overrides: ``"training.epochs=50"`` and the like, for a mapping or a file.
        workers: the processes that runs are made in.
        progress: whether to print a line a run.

    Returns:
        A table of learning_rate, batch_size, and then as of :func:`validation_curve`. Marked is the ``best``, a mapping
        of both; None where all have diverged.

    Raises:
        ConfigError: for a wrong value, before the first run; where there is no validation part.
        RecsysError: as :func:`run_experiment` does.

    Example:
        >>> config = {"training": {"optimizer": "sgd", "epochs": 2}}
        >>> curve = rn.sensitivity(config, ratings, learning_rates=[0.01, 1e12], batch_sizes=[64], progress=False)
        >>> curve.table["diverged"].tolist(), curve.marks["best"]
        ([False, True], {'learning_rate': 0.01, 'batch_size': 64})
    """
    config = alone(config, overrides)
    changes = [
        ({"learning_rate": rate, "batch_size": size}, {"training.learning_rate": rate, "training.batch_size": size})
        for rate in named(learning_rates)
        for size in named(batch_sizes)
    ]
    table = measured(points(config, data, changes, seeds), workers=workers, progress=progress)
    errors = table.groupby(["learning_rate", "batch_size"], sort=False)["validation_rmse"].agg(_mean_of_all)
    best = None if errors.isna().all() else changes[int(errors.argmin())][0]
    title = f"{config.model.kind}: validation RMSE by learning rate and batch size"
    with new_figure(title, "batch size", "learning rate") as (figure, axes):
        draw_heat_map(axes, errors.unstack(sort=False), missing="diverged", unit=RMSE)
    return Curve(table, {"best": best}, figure)


def _mean_of_all(values: pd.Series) -> float:
    """Mean of the values; NaN where one of them is."""
    return float(values.mean(skipna=False))
