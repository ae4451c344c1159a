"""Learned B-splines of factors, or of their products."""

from __future__ import annotations

import math
from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from recsys_nn.models.layers.basic import PACKAGE, PenalisedLayer


@keras.saving.register_keras_serializable(package=PACKAGE)
class BSplineInteraction(PenalisedLayer):
    """g(p, q) = Σ_k Σ_r s_kr(p_k) t_kr(q_k) ("factors"), or Σ_k s_k(p_k q_k) ("product"),

    with s and t splines in the basis of :func:`bspline_basis`.

    Args:
        of: argument of the splines, each of the factors or their product.
        rank: number of products of splines for each coordinate, of "factors".
        degree: degree of the splines' polynomials.
        n_intervals: number of intervals between the knots.
        bound: the knots reach from -bound to bound; outside, the splines go on linearly.
        penalty: strength of the penalty Σ (Δ²c)² in the training loss, the squared second differences of neighbouring
            coefficients (P-splines: Eilers & Marx 1996, "Flexible smoothing with B-splines and penalties").

    Shapes: two float32 (batch, dim) -> float32 (batch, 1).
    """

    def __init__(
        self,
        *,
        of: Literal["factors", "product"] = "factors",
        rank: int = 4,
        degree: int = 3,
        n_intervals: int = 8,
        bound: float = 2.0,
        penalty: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.of, self.rank, self.degree, self.n_intervals, self.bound = of, rank, degree, n_intervals, bound
        self.penalty = penalty

    def build(self, p_shape: tuple[int | None, int], q_shape: Any = None) -> None:
        n_splines = self.rank if self.of == "factors" else 1
        shape = (p_shape[-1], self.n_intervals + self.degree, n_splines)
        start = keras.initializers.RandomNormal(stddev=0.1)
        names = ("user_splines", "item_splines") if self.of == "factors" else ("splines",)
        self.coefficients = [self.add_weight(name=name, shape=shape, initializer=start) for name in names]

    def call(self, p: Any, q: Any, training: bool | None = None) -> Any:
        for c in self.coefficients:
            self.penalise(self.penalty, c[:, 2:] - 2 * c[:, 1:-1] + c[:, :-2], training)
        if self.of == "factors":
            splines = self._splines(p, self.coefficients[0]) * self._splines(q, self.coefficients[1])
        else:
            splines = self._splines(p * q, self.coefficients[0])
        return ops.sum(splines, axis=(1, 2))[:, None]

    def _splines(self, x: Any, coefficients: Any) -> Any:
        """Values of the splines at x: (batch, dim) -> (batch, dim, splines)."""
        basis = bspline_basis(x, self.degree, self.n_intervals, self.bound)
        return ops.einsum("bkn,kns->bks", basis, coefficients)

    def get_config(self) -> dict[str, Any]:
        names = ("of", "rank", "degree", "n_intervals", "bound", "penalty")
        return super().get_config() | {name: getattr(self, name) for name in names}


def bspline_basis(x: Any, degree: int, n_intervals: int, bound: float) -> Any:
    """The n_intervals + degree B-splines of uniform knots over [-bound, bound], in a new last axis: with t = x / h,

        B_j(t) = M_degree(t - j),  j = -n_intervals / 2 - degree, ..., n_intervals / 2 - 1

    of the cardinal spline M and the width h of an interval. Outside, each goes on along its tangent at the nearest end
    c: B_j(c) + (t - c) (M_degree-1(c - j) - M_degree-1(c - j - 1)) (de Boor 1978, "A practical guide to splines",
    chapters IX and X). Inside, where c = t, the same formula is the value, and its derivative is that of the spline.
    """
    half = n_intervals / 2
    t = (x * (half / bound))[..., None]
    c = ops.stop_gradient(ops.clip(t, -half, half - 1e-5))  # the right end belongs to the last interval
    y = c - (np.arange(-degree, n_intervals) - half).astype(np.float32)
    return _cardinal(y, degree) + (t - c) * (_cardinal(y, degree - 1) - _cardinal(y - 1, degree - 1))


def _cardinal(y: Any, degree: int) -> Any:
    """The B-spline of the knots 0, ..., d + 1: M_d(y) = Σ_i (-1)^i C(d + 1, i) max(y - i, 0)^d / d!, i = 0, ..., d + 1.

    It is symmetric, M_d(y) = M_d(d + 1 - y), and its left half needs only the first terms, which are small.
    """
    if degree == 0:
        return ops.cast(ops.logical_and(y >= 0, y < 1), y.dtype)
    y = ops.minimum(y, degree + 1 - y)
    signed = [(-1) ** i * math.comb(degree + 1, i) * ops.relu(y - i) ** degree for i in range(degree // 2 + 1)]
    return sum(signed[1:], signed[0]) / math.factorial(degree)
