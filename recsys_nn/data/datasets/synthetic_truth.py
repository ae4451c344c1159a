"""The model that generates the synthetic ratings, and what it expects of any pair.

With the factors p_u, q_i ~ N(0, I_k), the utility of item i for user u is

    t_ui = m + a_u + b_i + s (sqrt(1 - nu) L_ui + sqrt(nu) N_ui)
    L_ui = k^(-1/2) sum_d p_ud q_id                   the linear interaction, a dot product
    N_ui = k^(-1/2) sum_d phi(p_ud, q_id)             the nonlinear one

and the rating is t_ui + e_ui with e_ui ~ N(0, sigma^2), put onto the scale: rounded to the nearest step and
clipped. phi is a form purified under x, y ~ N(0, 1): it has mean 0 for every x and for every y (what is left
is no bias), no correlation with x y (nor a dot product), and variance 1. So L and N have variance 1 and are
uncorrelated over random pairs, and nu is exactly the share of the interaction's variance that is nonlinear.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from operator import mul
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr

from recsys_nn.errors import DataError, plain_repr

Floats = npt.NDArray[np.float64]
Positions = npt.NDArray[np.int64]

_BLOCK = 1 << 15  # pairs at a time: their factors stay in the processor's cache
_GRID = np.linspace(-8, 8, 641)  # holds 0, where the spline has its knot
_DENSITY = np.exp(-(_GRID**2) / 2) / np.exp(-(_GRID**2) / 2).sum()


def _polynomial(x: Floats, y: Floats) -> Floats:
    return (x**2 - 1) * (y**2 - 1)


def _spline(x: Floats, y: Floats) -> Floats:
    return np.maximum(x, 0) * np.maximum(y, 0)


def _radial(x: Floats, y: Floats) -> Floats:
    return np.exp(-((x - y) ** 2) / 2)


_FORMS = {"polynomial": _polynomial, "spline": _spline, "radial": _radial}
NONLINEAR_FORMS = ("none", *_FORMS)


class Nonlinearity:
    """phi: one of the forms, symmetric in x and y, without what biases and a dot product could express.

        phi(x, y) = (form(x, y) - f(x) - f(y) + g - c x y) / d

    with f(x) = E form(x, Y), g = E form(X, Y), c = E X Y form(X, Y), and d so that the variance is 1.
    """

    def __init__(self, form: str) -> None:
        self._form = _FORMS[form]
        x, y = _GRID[:, None], _GRID[None, :]
        values = self._form(x, y)
        self._marginal = values @ _DENSITY
        self._mean = float(self._marginal @ _DENSITY)
        self._slope = float((_DENSITY * _GRID) @ values @ (_DENSITY * _GRID))
        pure = values - self._marginal[:, None] - self._marginal[None, :] + self._mean - self._slope * x * y
        self._spread = float(np.sqrt(_DENSITY @ pure**2 @ _DENSITY))

    def marginal(self, factors: Floats) -> Floats:
        """sum_d f(x_d) of factors (n, k): (n,); worked out once for each id, not for each pair."""
        return np.interp(factors, _GRID, self._marginal).sum(axis=1)

    def total(self, x: Floats, y: Floats, marginals: Floats, products: Floats) -> Floats:
        """sum_d phi(x_d, y_d) of factors (n, k), given the sums of their marginals and products: (n,)."""
        impure = self._form(x, y).sum(axis=1) - marginals + x.shape[1] * self._mean
        return (impure - self._slope * products) / self._spread


@dataclass(frozen=True, eq=False, repr=False)
class LatentTruth:
    """The generating model with all its parameters, in rating units; see the equations of this module.

    Args:
        user_ids, item_ids: every id, also those without a rating, in the order of their positions.
        user_factors, item_factors: p (n_users, k) and q (n_items, k).
        user_biases, item_biases: a (n_users,) and b (n_items,).
        mean, strength, noise: m, s and sigma.
        nonlinear, share: which form phi has ("none" for nu = 0), and nu.
        scale: (lowest, highest) possible rating.
        step: the distance of neighbouring ratings, or None where they are not rounded.
    """

    user_ids: pd.Index
    item_ids: pd.Index
    user_factors: Floats
    item_factors: Floats
    user_biases: Floats
    item_biases: Floats
    mean: float
    strength: float
    noise: float
    nonlinear: str
    share: float
    scale: tuple[float, float]
    step: float | None

    def expected(self, users: Any, items: Any) -> Floats:
        """E[r_ui] of pairs of ids, which no predictor of r_ui can better in RMSE: (n,) float64.

        With the thresholds c_j half way between neighbouring ratings, and G(z) = z Phi(z) + Phi'(z),

            rounded:      lowest + step sum_j P(t + e > c_j) = lowest + step sum_j Phi((t - c_j) / sigma)
            not rounded:  lowest + integral of P(t + e > x) dx from lowest to highest
                          = lowest + sigma (G((t - lowest) / sigma) - G((t - highest) / sigma))

        Args:
            users, items: ids, (n,) each; also ids that nobody rated, or that rated nothing.

        Raises:
            DataError: for an id that was not generated.
        """
        return self._in_blocks(*self._pairs(users, items), self._expected_of_utility)

    def interaction(self, users: Any, items: Any) -> tuple[Floats, Floats]:
        """The two parts of the interaction, s sqrt(1 - nu) L and s sqrt(nu) N, in rating units: (n,) each."""
        return self._interaction(*self._pairs(users, items))

    def variance(self, users: Any, items: Any) -> Floats:
        """Var[r_ui] of pairs of ids, the squared error of ``expected``, rounding and clipping included: (n,) float64.

        With y = r - lowest, W = highest - lowest, and E y as in :meth:`expected`, it is E y^2 - (E y)^2, where

            rounded:      E y^2 = step^2 sum_j (2 j - 1) P(t + e > c_j), j = 1, 2, ...
            not rounded:  E y^2 = integral of 2 y P(t + e > lowest + y) dy from 0 to W

        Args:
            users, items: ids, (n,) each, as :meth:`expected` takes them.

        Raises:
            DataError: for an id that was not generated.
        """
        return self._in_blocks(*self._pairs(users, items), self._variance_of_utility)

    def draw(self, users: Any, items: Any, rng: np.random.Generator) -> Floats:
        """Ratings of pairs of ids with new noise, as ``generate`` drew its own: (n,) float64.

        Args:
            users, items: ids, (n,) each, as :meth:`expected` takes them.
            rng: generator that the noise is drawn from.

        Raises:
            DataError: for an id that was not generated.
        """
        return self.draw_rows(*self._pairs(users, items), rng)

    def draw_rows(self, user_rows: Positions, item_rows: Positions, rng: np.random.Generator) -> Floats:
        """Ratings of pairs of positions with new noise: (n,) float64."""

        def noisy(utility: Floats) -> Floats:
            return self._on_scale(utility + self.noise * rng.standard_normal(len(utility)))

        return self._in_blocks(user_rows, item_rows, noisy)

    def _pairs(self, users: Any, items: Any) -> tuple[Positions, Positions]:
        user_rows = _positions(users, self.user_ids, "user")
        item_rows = _positions(items, self.item_ids, "item")
        if len(user_rows) != len(item_rows):
            raise DataError(f"users and items must have the same length, not {len(user_rows)} and {len(item_rows)}")
        return user_rows, item_rows

    def _in_blocks(
        self,
        user_rows: Positions,
        item_rows: Positions,
        value: Callable[[Floats], Floats],
    ) -> Floats:
        """The value of each pair's utility, without the factors of all pairs in memory at once."""
        values = np.empty(len(user_rows))
        for start in range(0, len(values), _BLOCK):
            block = slice(start, start + _BLOCK)
            values[block] = value(self._utility(user_rows[block], item_rows[block]))
        return values

    def _utility(self, user_rows: Positions, item_rows: Positions) -> Floats:
        linear, nonlinear = self._interaction(user_rows, item_rows)
        return self.mean + self.user_biases[user_rows] + self.item_biases[item_rows] + linear + nonlinear

    def _interaction(self, user_rows: Positions, item_rows: Positions) -> tuple[Floats, Floats]:
        p, q = self.user_factors[user_rows], self.item_factors[item_rows]  # (n, k)
        products = np.einsum("nk,nk->n", p, q)
        unit = self.strength / np.sqrt(p.shape[1])
        if self.nonlinear == "none":
            return unit * products, np.zeros_like(products)
        user_marginals, item_marginals = self._marginals
        total = self._phi.total(p, q, user_marginals[user_rows] + item_marginals[item_rows], products)
        return unit * np.sqrt(1 - self.share) * products, unit * np.sqrt(self.share) * total

    @cached_property
    def _phi(self) -> Nonlinearity:
        return Nonlinearity(self.nonlinear)

    @cached_property
    def _marginals(self) -> tuple[Floats, Floats]:
        return self._phi.marginal(self.user_factors), self._phi.marginal(self.item_factors)

    def _on_scale(self, values: Floats) -> Floats:
        lowest, highest = self.scale
        if self.step is not None:
            values = lowest + self.step * np.floor((values - lowest) / self.step + 0.5)
        return np.clip(values, lowest, highest)

    def _expected_of_utility(self, utility: Floats) -> Floats:
        if self.noise == 0:
            return self._on_scale(utility)
        lowest, highest = self.scale
        if self.step is None:
            return lowest + self.noise * (
                _ramp((utility - lowest) / self.noise) - _ramp((utility - highest) / self.noise)
            )
        return lowest + self.step * sum(self._exceeding(utility, self.step), start=np.zeros_like(utility))

    def _variance_of_utility(self, utility: Floats) -> Floats:
        if self.noise == 0:
            return np.zeros_like(utility)
        lowest, highest = self.scale
        first = self._expected_of_utility(utility) - lowest
        if self.step is not None:
            odd = range(1, 2 * round((highest - lowest) / self.step), 2)
            second = self.step**2 * sum(map(mul, odd, self._exceeding(utility, self.step)))
        else:
            # P(t + e > lowest + y) = Phi(z) with z = (t - lowest - y) / sigma, so y = t - lowest - sigma z.
            above, below = (utility - lowest) / self.noise, (utility - highest) / self.noise
            linear = (utility - lowest) * (_ramp(above) - _ramp(below))
            second = 2 * self.noise * (linear - self.noise * (_moment(above) - _moment(below)))
        return np.maximum(second - first**2, 0.0)

    def _exceeding(self, utility: Floats, step: float) -> Iterator[Floats]:
        """P(t + e > c_j) for one threshold c_j after the other."""
        lowest, highest = self.scale
        for threshold in np.arange(lowest + step / 2, highest, step):
            yield ndtr((utility - threshold) / self.noise)


def _ramp(z: Floats) -> Floats:
    """G(z) = z Phi(z) + Phi'(z): the integral of the normal distribution function up to z."""
    return z * ndtr(z) + np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)


def _moment(z: Floats) -> Floats:
    """((z^2 - 1) Phi(z) + z Phi'(z)) / 2: the integral of x Phi(x) up to z."""
    return (z * _ramp(z) - ndtr(z)) / 2


def _positions(ids: Any, known: pd.Index, name: str) -> Positions:
    wanted = pd.Index(ids)
    rows = known.get_indexer(wanted)
    if (rows < 0).any():
        raise DataError(f"the {name} {plain_repr(wanted[int((rows < 0).argmax())])} was not generated")
    return rows.astype(np.int64)
