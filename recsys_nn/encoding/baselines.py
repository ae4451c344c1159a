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

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

BaselineName = Literal["global", "user", "item", "bias"]
Side = Literal["user", "item"]
EFFECTS: dict[BaselineName, tuple[Side, ...]] = {
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
Part = tuple[Rows, Rows, npt.NDArray[np.floating]]


@dataclass(frozen=True)
class Biases:
    """r_ui = mean + user[u] + item[i]; row 0, the unknown, has bias 0."""

    mean: float
    user: Floats
    item: Floats

    def predict(self, users: Rows, items: Rows) -> Floats:
        return self.mean + self.user[users] + self.item[items]


class Totals:
    """Number of ratings and Σ (r - μ) of each row of users and of items, summed in one pass over the ratings.

    Args:
        mean: mean μ of the training ratings.
        n_user_rows: number of rows of users, the unknown included.
        n_item_rows: number of rows of items, the unknown included.
    """

    def __init__(self, mean: float, *, n_user_rows: int, n_item_rows: int) -> None:
        self.mean = mean
        n_rows: dict[Side, int] = {"user": n_user_rows, "item": n_item_rows}
        self.counts = {side: np.zeros(n, dtype=np.int64) for side, n in n_rows.items()}
        self.sums = {side: np.zeros(n) for side, n in n_rows.items()}

    def add(self, users: Rows, items: Rows, ratings: npt.NDArray[np.floating]) -> None:
        deviations = np.asarray(ratings, dtype=np.float64) - self.mean
        rows_of: dict[Side, Rows] = {"user": users, "item": items}
        for side, rows in rows_of.items():
            np.add.at(self.counts[side], rows, 1)
            np.add.at(self.sums[side], rows, deviations)


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
    """Fits the baseline ``name`` to ratings given as rows (0 = unknown, taken to have no bias)."""
    mean = float(np.mean(ratings, dtype=np.float64))
    totals = Totals(mean, n_user_rows=n_user_rows, n_item_rows=n_item_rows)
    totals.add(users, items, ratings)
    shrinkages = {"user_shrinkage": user_shrinkage, "item_shrinkage": item_shrinkage}
    return fit_biases_to_totals(name, totals, [(users, items, ratings)], **shrinkages, sweeps=sweeps)


def fit_biases_to_totals(
    name: BaselineName,
    totals: Totals,
    parts: Iterable[Part],
    *,
    user_shrinkage: float = USER_SHRINKAGE,
    item_shrinkage: float = ITEM_SHRINKAGE,
    sweeps: int = SWEEPS,
) -> Biases:
    """Fits the baseline ``name`` to ratings too many to be held, from their totals and then part by part.

    What a sweep needs beyond the totals is, for each row of one side, the sum of the other side's biases over
    its ratings; no rating is read again.

    Args:
        name: name of the baseline to fit.
        totals: numbers and sums over all ratings.
        parts: the same ratings as (users, items, ratings), part by part; iterated anew in every half sweep.
        user_shrinkage: κ_u, shrinkage of the users' biases, in ratings.
        item_shrinkage: κ_i, shrinkage of the items' biases, in ratings.
        sweeps: number of times that the two closed forms of ``bias`` alternate.
    """
    biases = {side: np.zeros_like(sums) for side, sums in totals.sums.items()}
    shrinkages: dict[Side, float] = {"user": user_shrinkage, "item": item_shrinkage}
    effects = EFFECTS[name]
    for _ in range(sweeps if len(effects) > 1 else 1):
        for side in effects:
            counts = totals.counts[side]
            left = totals.sums[side] - _explained(side, biases, parts)
            biases[side] = np.divide(left, shrinkages[side] + counts, out=np.zeros_like(left), where=counts > 0)
            biases[side][0] = 0.0
    return Biases(totals.mean, biases["user"], biases["item"])


def _explained(side: Side, biases: dict[Side, Floats], parts: Iterable[Part]) -> Floats:
    """Sum of the other side's biases over the ratings of each row of ``side``, (n_rows,)."""
    sums = np.zeros_like(biases[side])
    other = biases["item" if side == "user" else "user"]
    if other.any():
        for users, items, _ in parts:
            rows, others = (users, items) if side == "user" else (items, users)
            np.add.at(sums, rows, other[others])
    return sums
