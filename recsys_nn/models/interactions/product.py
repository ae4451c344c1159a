"""The dot product: the first rung, and the first term of every other."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from recsys_nn.models.layers import PACKAGE


@keras.saving.register_keras_serializable(package=PACKAGE)
class ProductInteraction(keras.layers.Layer):
    """f(p, q) = p·q; of several outputs, output c is Σ_k w_kc p_k q_k with w learned.

    The layers that inherit from it add a term of their own to this one, so that they start near the dot product.

    Args:
        units: number of outputs.

    Shapes: two float32 (batch, dim) -> float32 (batch, units).
    """

    def __init__(self, *, units: int = 1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units

    def build(self, p_shape: tuple[int | None, int], q_shape: Any = None) -> None:
        if self.units > 1:  # one output needs no weights: the factors have their own scale
            self.product = self.add_weight(name="product", shape=(p_shape[-1], self.units), initializer="ones")
        self.built = True

    def call(self, p: Any, q: Any, training: bool | None = None) -> Any:
        products = p * q
        return products @ self.product if self.units > 1 else ops.sum(products, axis=-1, keepdims=True)

    def add_penalty(self, strength: float, weights: Any, training: bool | None) -> None:
        """Adds strength · Σ weights² to the training loss."""
        if training and strength:
            self.add_loss(strength * ops.sum(ops.square(weights)))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"units": self.units}
