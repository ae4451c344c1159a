"""Closed-form predictors: what every model has to beat.

    global   r_ui = μ
    user     r_ui = μ + Σ_i (r_ui - μ) / (κ_u + n_u)
    item     r_ui = μ + Σ_u (r_ui - μ) / (κ_i + n_i)
    bias     r_ui = μ + a_u + b_i, minimising Σ (r_ui - μ - a_u - b_i)² + κ_u Σ a_u² + κ_i Σ b_i²

μ is the mean of the training ratings, n_u and n_i how often user and item were rated there, κ_u and κ_i the
shrinkage towards μ, in ratings. ``bias`` is minimised by alternating its two closed forms (Koren 2010,
"Factor in the neighbors", section 2.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

BaselineName = Literal["global", "user", "item", "bias"]
EFFECTS: dict[BaselineName, tuple[str, ...]] = {
    "global": (),
    "user": ("user",),
    "item": ("item",),
    "bias": ("item", "user"),
}
USER_SHRINKAGE = 15.0
ITEM_SHRINKAGE = 10.0
SWEEPS = 10

Rows = npt.NDArray[np.integer]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Biases:
    """r_ui = mean + user[u] + item[i]; row 0, the unknown, has bias 0."""

    mean: float
    user: Floats
    item: Floats

    def predict(self, users: Rows, items: Rows) -> Floats:
        return self.mean + self.user[users] + self.item[items]


def fit_biases(
    name: BaselineName,
    users: Rows,
    items: Rows,
    ratings: npt.NDArray[np.floating],
    *,
    n_user_rows: int,
    n_item_rows: int,
    user_shrinkage: float = USER_SHRINKAGE,
    item_shrinkage: float = ITEM_SHRINKAGE,
    sweeps: int = SWEEPS,
) -> Biases:
    """The baseline ``name`` fitted to ratings given as rows (0 = unknown, taken to have no bias)."""
    mean = float(np.mean(ratings, dtype=np.float64))
    biases = {"user": np.zeros(n_user_rows), "item": np.zeros(n_item_rows)}
    sides = {"user": (users, user_shrinkage), "item": (items, item_shrinkage)}
    effects = EFFECTS[name]
    for _ in range(sweeps if len(effects) > 1 else 1):
        for side in effects:
            rows, shrinkage = sides[side]
            biases[side][:] = 0.0
            residuals = ratings - mean - biases["user"][users] - biases["item"][items]
            sums = np.bincount(rows, weights=residuals, minlength=len(biases[side]))
            counts = np.bincount(rows, minlength=len(biases[side]))
            biases[side][:] = np.divide(sums, shrinkage + counts, out=np.zeros_like(sums), where=counts > 0)
            biases[side][0] = 0.0
    return Biases(mean, biases["user"], biases["item"])
