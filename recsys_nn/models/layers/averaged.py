"""Many trained weights of one model, whose predictions are averaged."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from recsys_nn.hooks import HasConfig, HasLikelihood
from recsys_nn.models.layers.basic import PACKAGE
from recsys_nn.models.layers.export_mode import is_constant_folding

Weights = Sequence[npt.NDArray[np.float32]]
"""Values of a model's trainable variables, in their order."""


@keras.saving.register_keras_serializable(package=PACKAGE)
class AveragedModel(keras.Model):
    """r̂ = (1/M) Σ_m r̂_m over M members: one network with M values of its trainable weights.

    The members' weights are the variables ``stacks``, a table (M, shape) for each of the network's. What is not
    trained, such as the sets of who rated what, they share. Where the network gives probabilities, so does the average:
    P(r = l) = (1/M) Σ_m P_m(r = l), whose expected rating is again r̂.

    Args:
        member: the network, built; its own weights do not matter.
        n_members: number M of members.

    Inputs are those of ``member``; the output is float32 (batch,) in rating units.
    """

    def __init__(self, member: keras.Model, n_members: int) -> None:
        super().__init__(name=f"{member.name}_average", trainable=False, dtype="float32")
        self.member, self.n_members = member, n_members
        self.stacks = [
            self.add_weight(name=f"member_{place}", shape=(n_members, *variable.shape), initializer="zeros")
            for place, variable in enumerate(member.trainable_variables)
        ]
        self.built = True
        if isinstance(member, HasConfig):
            self.rating_config = member.rating_config
        if isinstance(member, HasLikelihood):
            self.likelihood = replace(member.likelihood, model=_AveragedLevels(self))

    @classmethod
    def of(cls, member: keras.Model, weights: Sequence[Weights]) -> AveragedModel:
        """The average over members with these weights."""
        model = cls(member, len(weights))
        for stack, values in zip(model.stacks, zip(*weights, strict=True), strict=True):
            stack.assign(np.stack(values))
        return model

    @property
    def input(self) -> Any:
        """The inputs of the network."""
        return self.member.input

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return self.fold(lambda: self._ratings(inputs)) / self.n_members

    def each(self, inputs: Any) -> Any:
        """The members' predictions, float32 (M, batch)."""
        return tf.map_fn(
            lambda weights: self.with_weights(weights, lambda: self._ratings(inputs)),
            [stack.value for stack in self.stacks],
            fn_output_signature=tf.float32,
        )

    def fold(self, output: Callable[[], Any]) -> Any:
        """Sum over the members of what ``output`` gives with the weights of each."""
        values = [stack.value for stack in self.stacks]

        def of_member(m: Any) -> Any:
            return self.with_weights([tf.gather(stack, m) for stack in values], output)

        def step(m: Any, total: Any) -> Any:
            return m + 1, total + of_member(m)

        if is_constant_folding():
            return sum((of_member(m) for m in range(1, self.n_members)), start=of_member(0))
        first = of_member(tf.constant(0))
        shapes = (tf.TensorShape([]), first.shape)
        start = (tf.constant(1), first)
        return tf.while_loop(lambda m, _: m < self.n_members, step, start, shapes, parallel_iterations=1)[1]

    def with_weights(self, weights: Sequence[Any], output: Callable[[], Any]) -> Any:
        """Calls ``output`` while the network's trainable variables have these values."""
        mapping = list(zip(self.member.trainable_variables, weights, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return output()

    def _ratings(self, inputs: Any) -> Any:
        return tf.reshape(self.member(inputs, training=False), (-1,))

    def compute_output_shape(self, input_shape: Any) -> tuple[None]:
        return (None,)

    def get_config(self) -> dict[str, Any]:
        return {"member": keras.saving.serialize_keras_object(self.member), "n_members": self.n_members}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> AveragedModel:
        return cls(keras.saving.deserialize_keras_object(config["member"], custom_objects), config["n_members"])


class _AveragedLevels(keras.Model):
    """log P(r = l_k) of the average, float32 (batch, levels)."""

    def __init__(self, average: AveragedModel) -> None:
        super().__init__(name=f"{average.name}_levels", trainable=False, dtype="float32")
        self._average = [average]  # a list in a private name: its weights are not this model's
        self.built = True

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        (average,) = self._average
        levels = average.member.likelihood.model
        total = average.fold(lambda: tf.exp(levels(inputs, training=False)))
        return tf.math.log(total) - math.log(average.n_members)
