"""Errors of predicted ratings.

For ratings r_k and predictions p_k, k = 1..n:

    RMSE = sqrt(mean (r_k - p_k)²)      MAE = mean |r_k - p_k|      R² = 1 - Σ (r_k - p_k)² / Σ (r_k - mean r)²
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


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


def _residuals(ratings: npt.ArrayLike, predictions: npt.ArrayLike) -> npt.NDArray[np.float64]:
    return np.asarray(ratings, dtype=np.float64) - np.asarray(predictions, dtype=np.float64)
