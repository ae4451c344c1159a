"""Errors of predicted ratings, and coverage and width of intervals.

For ratings r_k and predictions p_k, k = 1..n:

    RMSE = sqrt(mean (r_k - p_k)²)      MAE = mean |r_k - p_k|      R² = 1 - Σ (r_k - p_k)² / Σ (r_k - mean r)²

For probabilities of one of two ratings, the area under the curve is the share of the pairs (one that is it, one that is
not) of which the first has the higher probability, equal ones counting half.

For intervals from l_k to h_k:

    coverage = mean [l_k ≤ r_k ≤ h_k]      width = mean (h_k - l_k)
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import pandas as pd


def rmse(ratings: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
    """Root mean squared error, in rating units."""
    return math.sqrt(np.mean(np.square(_residuals(ratings, predictions))))


def mae(ratings: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
    """Mean absolute error, in rating units."""
    return float(np.mean(np.abs(_residuals(ratings, predictions))))


def r2(ratings: npt.ArrayLike, predictions: npt.ArrayLike) -> float:
    """Share of the ratings' variance that is explained; NaN where they do not vary."""
    total = float(np.var(np.asarray(ratings, dtype=np.float64)) * np.size(ratings))
    unexplained = float(np.sum(np.square(_residuals(ratings, predictions))))
    return 1.0 - unexplained / total if total else math.nan


def auc(hits: npt.NDArray[np.bool_], probabilities: npt.ArrayLike) -> float:
    """The area under the ROC curve, by the rank sum of the hits, of which there are some and not all."""
    ranks, n = pd.Series(probabilities).rank().to_numpy(), int(hits.sum())
    return float(ranks[hits].sum() - n * (n + 1) / 2) / (n * (len(hits) - n))


def coverage(ratings: npt.ArrayLike, lower: npt.ArrayLike, upper: npt.ArrayLike) -> float:
    """Share of the ratings that lie in their intervals, the ends included."""
    values = np.asarray(ratings, dtype=np.float64)
    return float(np.mean((values >= np.asarray(lower)) & (values <= np.asarray(upper))))


def width(lower: npt.ArrayLike, upper: npt.ArrayLike) -> float:
    """Mean width of intervals, in rating units."""
    return float(np.mean(np.asarray(upper) - np.asarray(lower)))


def _residuals(ratings: npt.ArrayLike, predictions: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.asarray(ratings, dtype=np.float64) - np.asarray(predictions, dtype=np.float64)
