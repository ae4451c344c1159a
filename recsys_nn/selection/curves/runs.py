"""The runs of a curve: one config with some of its values changed, for some seeds, each run judged alike."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_nn.config import RunConfig, as_run_config
from recsys_nn.data import Ratings, Split
from recsys_nn.errors import ConfigError, TrainingError
from recsys_nn.evaluation import evaluate, rmse_of
from recsys_nn.experiment import run_on_split
from recsys_nn.models import ModelConfig
from recsys_nn.plots import label
from recsys_nn.runs import load_split
from recsys_nn.selection.processes import in_order

AnyConfig = RunConfig | ModelConfig | str | Path | Mapping[str, Any]


@dataclass(frozen=True, eq=False, repr=False)
class Point:
    """One run of a curve.

    Attributes:
        at: the columns that say where on the curve it stands.
        config: config of the run.
        split: parts that it is trained on and, in the validation part, judged on.
    """

    at: Mapping[str, Any]
    config: RunConfig
    split: Split

    def __str__(self) -> str:
        return ", ".join(f"{name} {label(value)}" for name, value in self.at.items())


def points(
    config: RunConfig,
    data: Split | Ratings | None,
    changes: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]],
    seeds: int,
) -> Iterator[Point]:
    """Yields a point for each of the ``changes`` and each seed, the config's own and those that follow it.

    Args:
        config: config to be changed.
        data: ratings or a split in memory, or None for those of the config.
        changes: for each point the columns that it stands at, and the values of its dotted keys.
        seeds: number of the seeds.

    Raises:
        ConfigError: for each wrong key or value, before the first run.
    """
    if seeds < 1:
        raise ConfigError(f"seeds must be a positive integer such as 3, not {seeds}")
    changed = [(at, config.with_values(values)) for at, values in changes]
    for seed in range(config.seed, config.seed + seeds):
        read: tuple[Any, Split] | None = None
        for at, one in changed:
            if read is None or read[0] != one.data:
                read = one.data, judged_split(one, seed, data)
            yield Point({**at, "seed": seed}, seeded(one, seed), read[1])


def alone(config: AnyConfig, overrides: Sequence[str] = ()) -> RunConfig:
    """Makes the config of a run whose validation error is all that is asked for: no folder, no refit."""
    return unwritten(config, overrides).model_copy(update={"refit": False})


def unwritten(config: AnyConfig, overrides: Sequence[str] = ()) -> RunConfig:
    """Makes the config of one run among others, which writes nothing and searches for nothing itself."""
    return as_run_config(config, overrides=overrides).model_copy(
        update={"output": None, "search": None, "tracking": None}
    )


def named(values: Sequence[Any] | Mapping[str, Any]) -> dict[Any, Any]:
    """Names the values to try: by their own names, else numbers and texts themselves and lists as 64-32-16.

    Raises:
        ConfigError: where there are none.
    """
    if not len(values):
        raise ConfigError("values must not be empty: give one value or more to try")
    if isinstance(values, Mapping):
        return dict(values)
    plain = [value.item() if isinstance(value, np.generic) else value for value in values]
    return {value if isinstance(value, int | float | str) else label(value): value for value in plain}


def seeded(config: RunConfig, seed: int) -> RunConfig:
    """Copies the config with another seed, also of its training."""
    return config.model_copy(update={"seed": seed, "training": config.training.model_copy(update={"seed": seed})})


def judged_split(config: RunConfig, seed: int, data: Split | Ratings | None) -> Split:
    """Loads the training and validation parts of a config; the test part is for another day."""
    split = load_split(config.data, seed, data)
    if not len(split.validation):
        raise ConfigError("a curve needs a validation part: set data.split.validation above 0")
    return Split(split.train, split.validation)


def measured(points: Iterable[Point], *, workers: int, progress: bool) -> pd.DataFrame:
    """Carries out the runs of a curve and tabulates them, a row a run.

    Its columns are where it stands, training_rmse, validation_rmse, standard_error, bias_rmse, best_epoch, epochs,
    seconds, diverged.

    Both errors are those of the same trained predictor, without penalties and dropout. ``standard_error`` is that of
    the validation error, of n ratings r with predictions p: sd((r - p)²) / (2 RMSE √n). ``bias_rmse`` is the validation
    error of the baseline of biases. A run whose loss was no longer a number has no errors, and ``diverged``.
    """
    rows: list[dict[str, Any]] = in_order(_row, points, told=_told, workers=workers, progress=progress)
    return pd.DataFrame(rows)


def _row(point: Point) -> dict[str, Any]:
    return {**point.at, **_errors(point)}


def _errors(point: Point) -> dict[str, Any]:
    try:
        result = run_on_split(point.config, point.split)
    except TrainingError:
        unknown = ("training_rmse", "validation_rmse", "standard_error", "bias_rmse", "best_epoch", "epochs", "seconds")
        return {**dict.fromkeys(unknown, math.nan), "diverged": True}
    if result.run.stop_reason == "interrupted":
        raise KeyboardInterrupt
    held_out = result.findings.held_out
    assert held_out is not None
    squared = np.square(held_out["rating"] - held_out["prediction"])
    error = result.metrics["validation_rmse"]
    return {
        "training_rmse": rmse_of(result.predictor, point.split.train),
        "validation_rmse": error,
        "standard_error": float(squared.std() / (2 * error * math.sqrt(len(squared)))) if error else 0.0,
        "bias_rmse": evaluate(result.predictor, point.split.validation).baselines["bias"],
        "best_epoch": result.run.best_epoch,
        "epochs": len(result.run.history),
        "seconds": result.findings.seconds,
        "diverged": False,
    }


def _told(point: Point, row: dict[str, Any]) -> str:
    if row["diverged"]:
        return f"{point}: diverged"
    return (
        f"{point}: training RMSE {row['training_rmse']:.4f}, validation RMSE {row['validation_rmse']:.4f}, "
        f"best epoch {row['best_epoch']} of {row['epochs']}, {row['seconds']:.1f} s"
    )
