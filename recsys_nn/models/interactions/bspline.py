"""Learned B-splines of factors, or of their products."""

from __future__ import annotations

from typing import Any, Literal

import keras
import numpy as np
from keras import ops

from recsys_nn.models.interactions.product import ProductInteraction
from recsys_nn.models.layers import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class BSplineInteraction(ProductInteraction):
    """f(p, q) = p·q + Σ_k Σ_r s_kr(p_k) t_kr(q_k) ("factors"), or p·q + Σ_k s_k(p_k q_k) ("product"),

    with s and t splines in the basis of :func:`bspline_basis`.

    Args:
        of: what the splines are of.
        rank: number of products of splines for each coordinate; of "product" it must be 1.
        degree: of the splines.
        n_intervals: number of intervals between the knots.
        bound: the knots reach from -bound to bound; outside, the splines go on linearly.
        penalty: of Σ (Δ²c)² in the training loss, the squared second differences of neighbouring coefficients
            (P-splines: Eilers & Marx 1996, "Flexible smoothing with B-splines and penalties").
        units: number of outputs.

    Shapes: two float32 (batch, dim) -> float32 (batch, units).
    """

    def __init__(
        self,
        *,
        of: Literal["factors", "product"] = "factors",
        rank: int = 2,
        degree: int = 3,
        n_intervals: int = 8,
        bound: float = 3.0,
        penalty: float = 0.0,
        units: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(units=units, **kwargs)
        self.of, self.rank, self.degree, self.n_intervals, self.bound = of, rank, degree, n_intervals, bound
        self.penalty = penalty

    def build(self, p_shape: tuple[int | None, int], q_shape: Any = None) -> None:
        super().build(p_shape)
        n_splines = self.units * (self.rank if self.of == "factors" else 1)
        shape = (p_shape[-1], self.n_intervals + self.degree, n_splines)
        start = keras.initializers.RandomNormal(stddev=0.1)
        names = ("user_splines", "item_splines") if self.of == "factors" else ("splines",)
        self.coefficients = [self.add_weight(name=name, shape=shape, initializer=start) for name in names]

    def call(self, p: Any, q: Any, training: bool | None = None) -> Any:
        for coefficients in self.coefficients:
            self.add_penalty(self.penalty, coefficients[:, 2:] - 2 * coefficients[:, 1:-1] + coefficients[:, :-2], training)
        if self.of == "factors":
            splines = self._splines(p, self.coefficients[0]) * self._splines(q, self.coefficients[1])
        else:
            splines = self._splines(p * q, self.coefficients[0])
        outputs = ops.reshape(ops.sum(splines, axis=1), (-1, splines.shape[-1] // self.units, self.units))
        return super().call(p, q) + ops.sum(outputs, axis=1)

    def _splines(self, x: Any, coefficients: Any) -> Any:
        """(batch, dim) -> (batch, dim, splines)."""
        basis = bspline_basis(x, self.degree, self.n_intervals, self.bound)
        return ops.einsum("bkn,kns->bks", basis, coefficients)

    def get_config(self) -> dict[str, Any]:
        names = ("of", "rank", "degree", "n_intervals", "bound", "penalty")
        return super().get_config() | {name: getattr(self, name) for name in names}


def bspline_basis(x: Any, degree: int, n_intervals: int, bound: float) -> Any:
    """The n_intervals + degree B-splines of uniform knots over [-bound, bound], in a new last axis.

    With t = (x + bound) / h, h the width of an interval, the recursion of Cox and de Boor (de Boor 1978, "A practical
    guide to splines", chapter IX) is

        B_j,0 = 1 where j <= t < j + 1, else 0;   B_j,d = ((t - j) B_j,d-1 + (j + d + 1 - t) B_j+1,d-1) / d

    for j = -degree, ..., n_intervals - 1. Outside, each goes on along its tangent: B(c) + (x - c) B'(c) with c the
    nearest end.
    """
    h = 2 * bound / n_intervals
    t = ((x + bound) / h)[..., None]
    inside = ops.clip(t, 0, n_intervals)
    j = np.arange(-degree, n_intervals + degree, dtype=np.float32)
    interval = ops.minimum(ops.floor(inside), n_intervals - 1)  # the right end belongs to the last one
    basis = ops.cast(ops.equal(interval, j), x.dtype)
    below = basis
    for d in range(1, degree + 1):
        below, j = basis, j[:-1]
        basis = ((inside - j) * below[..., :-1] + (j + d + 1 - inside) * below[..., 1:]) / d
    return basis + (t - inside) * (below[..., :-1] - below[..., 1:])
