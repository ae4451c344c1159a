"""Polynomials of two factor vectors."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops

from recsys_nn.models.layers.basic import PACKAGE, PenalisedLayer


@keras.saving.register_keras_serializable(package=PACKAGE)
class PolynomialInteraction(PenalisedLayer):
    """g(p, q) = Σ_k Σ_(a,b)≠(1,1) w_kab h_a(x_k) h_b(y_k), with a and b from 1 to the degree,

    x = [p, pA] and y = [q, qB]: the coordinates themselves, and ``cross_rank`` learned combinations of them, whose
    powers hold the products of different coordinates. h_a is the normalised Hermite polynomial of :func:`hermite`.
    All w start near zero, so that a model begins as its dot product.

    Args:
        degree: the highest power of each factor, 2 or more: w_k11 belongs to the dot product.
        cross_rank: columns of A and of B.
        penalty: strength of the penalty Σ w² in the training loss.

    Shapes: two float32 (batch, dim) -> float32 (batch, 1).
    """

    def __init__(self, *, degree: int = 2, cross_rank: int = 0, penalty: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.degree, self.cross_rank, self.penalty = degree, cross_rank, penalty

    def build(self, p_shape: tuple[int | None, int], q_shape: Any = None) -> None:
        dim = p_shape[-1]
        if self.cross_rank:
            shape = (dim, self.cross_rank)
            self.user_mix = self.add_weight(name="user_mix", shape=shape, initializer="orthogonal")
            self.item_mix = self.add_weight(name="item_mix", shape=shape, initializer="orthogonal")
        start = keras.initializers.RandomNormal(stddev=0.01)
        terms = (dim + self.cross_rank) * (self.degree**2 - 1)
        self.coefficients = self.add_weight(name="coefficients", shape=(terms, 1), initializer=start)

    def call(self, p: Any, q: Any, training: bool | None = None) -> Any:
        self.penalise(self.penalty, self.coefficients, training)
        return self.terms(p, q) @ self.coefficients

    def terms(self, p: Any, q: Any) -> Any:
        """All h_a(x_k) h_b(y_k) but those with a = b = 1: (batch, (dim + cross_rank) (degree² - 1))."""
        if self.cross_rank:
            p = ops.concatenate([p, p @ self.user_mix], axis=-1)
            q = ops.concatenate([q, q @ self.item_mix], axis=-1)
        of_p, of_q = hermite(p, self.degree), hermite(q, self.degree)
        products = of_p[:, :, :, None] * of_q[:, :, None, :]  # (batch, coordinates, degree, degree)
        coordinates, squares = products.shape[1], self.degree**2
        products = ops.reshape(products, (-1, coordinates, squares))[:, :, 1:]
        return ops.reshape(products, (-1, coordinates * (squares - 1)))

    def get_config(self) -> dict[str, Any]:
        own = {"degree": self.degree, "cross_rank": self.cross_rank, "penalty": self.penalty}
        return super().get_config() | own


def hermite(x: Any, degree: int) -> Any:
    """h_1(x), ..., h_degree(x), in a new last axis: h_n = He_n / √n!, orthonormal for normal x of variance 1, with

    He_0 = 1, He_1 = x, He_(n+1) = x He_n - n He_(n-1) (Abramowitz & Stegun 1964, 22.7.14).
    """
    values = [ops.ones_like(x), x]
    for n in range(1, degree):
        values.append(x * values[n] - n * values[n - 1])
    return ops.stack([value / math.sqrt(math.factorial(n)) for n, value in enumerate(values) if n], axis=-1)
