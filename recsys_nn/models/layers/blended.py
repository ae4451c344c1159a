"""The network of a blend: a weighted sum of trained models. Imports Keras, so it is imported where one is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops

from recsys_nn.encoding import input_of


class BlendedModel(keras.Model):
    """r̂ = μ + Σ_k w_k (r̂_k − μ), float32 (batch,), from the inputs that a ``JointEncoder`` gives.

    Args:
        members: models with the names of the inputs that each of them reads.
        weights: w_k, one a member.
        mean: μ, in rating units.
        scale: (lowest, highest) rating, to which each r̂_k is clipped.
    """

    def __init__(
        self,
        members: Sequence[tuple[keras.Model, Sequence[str]]],
        weights: Sequence[float],
        *,
        mean: float,
        scale: tuple[float, float],
    ) -> None:
        super().__init__(name="blend", dtype="float32")
        self.models = [model for model, _ in members]
        self.names = [tuple(names) for _, names in members]
        self.weights_of_models = tuple(weights)
        self.mean = mean
        self.scale = scale

    def call(self, inputs: Mapping[str, Any], training: bool = False) -> Any:
        deviation = 0.0
        for place, (model, names, weight) in enumerate(
            zip(self.models, self.names, self.weights_of_models, strict=True), start=1
        ):
            ratings = ops.reshape(model({name: inputs[input_of(name, place)] for name in names}, training=False), (-1,))
            deviation += weight * (ops.clip(ratings, *self.scale) - self.mean)
        return self.mean + deviation
