"""Evaluation of a predictor: its errors, beside the baselines', and by how often users and items were rated."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data import Ratings
from recsys_nn.encoding import Side, kept_counts
from recsys_nn.errors import DataError, must_be
from recsys_nn.evaluation.metrics import auc, coverage, mae, r2, rmse, width
from recsys_nn.prediction import BASELINES, Calibration, Predictor, predict_ratings

MIN_PROBABILITY = float(np.finfo(np.float32).tiny)
"""Probability, for the log loss, of a rating that has none: it is no level of the training, or float32 cannot tell it
from 0. It costs 87.3 nats, so that the mean stays a number."""
SEGMENTS = {"0": (0, 0), "1-4": (1, 4), "5-19": (5, 19), "20+": (20, np.inf)}
"""Segments by how often the user or the item was rated in training: (least, most)."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The errors of a predictor on one table of ratings.

    Attributes:
        n: number of the ratings.
        rmse, mae, r2: errors of the predictor.
        baselines: RMSE of the closed-form predictors ``global``, ``user``, ``item`` and ``bias``, fitted on the
            same training part.
        of_probabilities: where the model gives every rating a probability, the mean -log P of the ratings
            (``log_loss``; a rating that has none costs 87.3), the share whose most probable level they are
            (``accuracy``), and of two levels the area under the ROC curve (``auc``).
        interval: of a calibrated predictor, the share of the ratings that shall lie in their intervals.
        coverage, width: the share that do, and the mean width of the intervals, in rating units.
        oracle: RMSE of the best possible predictor, where the data are generated and it is known.
        segments: a row for each side (user, item) and how often it was rated in training: side, ratings (in
            training), n, rmse, mae, bias (the bias baseline's RMSE), and of a calibrated predictor coverage and width.
        table: the prediction of each rating (``prediction/held_out.py``).

    Example:
        >>> evaluation = rn.evaluate(predictor, split.test)
        >>> evaluation.n, evaluation.best_baseline, evaluation.lift > 0.4
        (60, 'item', True)
        >>> evaluation.segments[["side", "ratings", "n"]].query("n > 0")
           side ratings   n
        1  user     1-4   8
        2  user    5-19  52
        6  item    5-19  60
    """

    n: int
    rmse: float
    mae: float
    r2: float
    baselines: dict[str, float]
    of_probabilities: dict[str, float]
    oracle: float | None
    segments: pd.DataFrame = field(repr=False)
    table: pd.DataFrame = field(repr=False)
    interval: float | None = None
    coverage: float | None = None
    width: float | None = None

    @property
    def best_baseline(self) -> str:
        """The name of the best baseline."""
        return min(self.baselines, key=self.baselines.__getitem__)

    @property
    def lift(self) -> float:
        """Share by which the RMSE is below the best baseline's; NaN where that is 0."""
        best = self.baselines[self.best_baseline]
        return 1.0 - self.rmse / best if best else math.nan

    @property
    def metrics(self) -> dict[str, float]:
        """All figures of the evaluation by name, flat."""
        figures = {"n": float(self.n), "rmse": self.rmse, "mae": self.mae, "r2": self.r2, "lift": self.lift}
        figures |= {f"{name}_rmse": value for name, value in self.baselines.items()} | self.of_probabilities
        beside = {"interval_coverage": self.coverage, "interval_width": self.width, "oracle_rmse": self.oracle}
        return figures | {name: value for name, value in beside.items() if value is not None}

    @property
    def summary(self) -> pd.DataFrame:
        """Table of the model among the baselines (and the oracle), best first: predictor, rmse."""
        rows = {"model": self.rmse, **{f"{name} baseline": value for name, value in self.baselines.items()}}
        if self.oracle is not None:
            rows["oracle (best possible)"] = self.oracle
        table = pd.DataFrame({"predictor": list(rows), "rmse": list(rows.values())})
        return table.sort_values("rmse", kind="stable", ignore_index=True)

    def _repr_html_(self) -> str:
        return self.summary.to_html(index=False, float_format="{:.4f}".format)


def evaluate(predictor: Predictor, ratings: Ratings, *, interval: float = 0.9) -> Evaluation:
    """Judges ``predictor`` on ratings that it was not trained on.

    Args:
        predictor: the predictor, whose intervals are judged too where it is calibrated.
        ratings: ratings on the scale of the training.
        interval: the share of the ratings that shall lie in their intervals.

    Raises:
        DataError: where there are none, their ids or their scale are not those of the training, or a feature of the
            ratings themselves is missing.

    Example:
        >>> evaluation = rn.evaluate(predictor, split.test)
        >>> evaluation.summary["predictor"][0], sorted(evaluation.baselines)  # the model is ahead of the baselines
        ('model', ['bias', 'global', 'item', 'user'])
    """
    if not isinstance(ratings, Ratings):
        raise DataError(must_be("ratings", "Ratings (rn.load_ratings makes them)", ratings))
    if not len(ratings):
        raise DataError("there are no ratings to evaluate on")
    encoder, frame = predictor.encoder, ratings.frame
    check_scale(ratings, encoder.scale)
    for name in encoder.context_columns:
        if name not in frame:
            raise DataError(f"the ratings have no column {name!r}, which the model reads: add it")
    rows = encoder.encode_pairs(frame["user"], frame["item"], context=frame)
    expected = None if ratings.truth is None else ratings.truth.expected(frame["user"], frame["item"])
    probabilities = predictor.predict_row_probabilities(rows) if predictor.has_probabilities else None
    actual = frame["rating"].to_numpy()
    return judged(
        predict_ratings(predictor, ratings, rows),
        encoder.scale,
        predictor.calibration,
        interval=interval,
        of_probabilities={} if probabilities is None else _of_probabilities(probabilities, actual),
        oracle=None if expected is None else rmse(actual, expected),
    )


def judged(
    table: pd.DataFrame,
    scale: tuple[float, float],
    calibration: Calibration | None = None,
    *,
    interval: float = 0.9,
    of_probabilities: Mapping[str, float] = MappingProxyType({}),
    oracle: float | None = None,
) -> Evaluation:
    """Evaluates a table of predictions, without the predictor.

    Args:
        table: the prediction of each rating (``prediction/held_out.py``).
        scale: lowest and highest rating that is possible.
        calibration: the predictor's calibration, where it has some.
        interval: the share of the ratings that shall lie in their intervals.
        of_probabilities: figures that only probabilities tell, by name.
        oracle: RMSE of the best possible predictor.
    """
    actual, predicted = table["rating"], table["prediction"]
    columns = {"actual": actual, "predicted": predicted, "bias": table[BASELINES["bias"]]}
    if calibration is not None:
        lower, upper = calibration.bounds(predicted, table["std"], kept_counts(table), scale, interval)
        columns |= {"lower": pd.Series(lower, table.index), "upper": pd.Series(upper, table.index)}
    figures = pd.DataFrame(columns)
    return Evaluation(
        n=len(table),
        rmse=rmse(actual, predicted),
        mae=mae(actual, predicted),
        r2=r2(actual, predicted),
        baselines={name: rmse(actual, table[column]) for name, column in BASELINES.items()},
        of_probabilities=dict(of_probabilities),
        oracle=oracle,
        segments=_segments(kept_counts(table), figures),
        table=table,
        interval=None if calibration is None else interval,
        **_of_intervals(figures),
    )


def _of_probabilities(table: pd.DataFrame, actual: npt.NDArray[np.float64]) -> dict[str, float]:
    levels, probabilities = table.columns.to_numpy(float), table.to_numpy(float)
    hits = levels == actual[:, None]
    found = {
        "log_loss": float(-np.log(np.maximum(np.sum(probabilities * hits, axis=1), MIN_PROBABILITY)).mean()),
        "accuracy": float(np.mean(levels[probabilities.argmax(axis=1)] == actual)),
    }
    if len(levels) == 2 and len(np.unique(actual)) == 2:
        found["auc"] = auc(hits[:, 1], probabilities[:, 1])
    return found


def rmse_of(predictor: Predictor, ratings: Ratings) -> float:
    """The RMSE of a predictor, without the other figures of :func:`evaluate`."""
    return rmse(ratings.frame["rating"], predictor.predict(ratings)["prediction"])


def check_scale(ratings: Ratings, scale: tuple[float, float]) -> None:
    """Raises a DataError where ratings lie outside the scale that a model was trained for, and so can predict."""
    values = ratings.frame["rating"]
    outside = ((values < scale[0]) | (values > scale[1])).to_numpy()
    if outside.any():
        raise DataError(
            f"{int(outside.sum())} of {len(ratings)} ratings, the first {values[outside.argmax()]:g}, are outside the "
            f"training scale {scale[0]:g} to {scale[1]:g}: convert them to it, or train on a scale that holds both"
        )


def _segments(counts: Mapping[Side, npt.NDArray[np.int32]], judged: pd.DataFrame) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    for side, times in counts.items():
        for name, (least, most) in SEGMENTS.items():
            part = judged[(times >= least) & (times <= most)]
            rows.append({"side": side, "ratings": name, "n": len(part), **(_figures(part) if len(part) else {})})
    return pd.DataFrame(rows)  # what a row does not have becomes NaN


def _figures(judged: pd.DataFrame) -> dict[str, float]:
    actual, predicted, bias = (judged[name] for name in ("actual", "predicted", "bias"))
    errors = {"rmse": rmse(actual, predicted), "mae": mae(actual, predicted), "bias": rmse(actual, bias)}
    return errors | _of_intervals(judged)


def _of_intervals(judged: pd.DataFrame) -> dict[str, float]:
    if "lower" not in judged:
        return {}
    lower, upper = judged["lower"], judged["upper"]
    return {"coverage": coverage(judged["actual"], lower, upper), "width": width(lower, upper)}
