"""Predictions of a network for encoded pairs, by functions that are traced once, batch by batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from recsys_nn.encoding import Encoder
from recsys_nn.errors import DataError, check_process
from recsys_nn.hooks import sides_of

if TYPE_CHECKING:
    import keras

BATCH = 262_144

Inputs = Mapping[str, npt.NDArray[Any]]
Floats = npt.NDArray[np.float32]


class TracedNetwork:
    """Functions of encoded pairs (``Encoder.encode_pairs``), each of any number n of them.

    Args:
        model: network that the functions call.
        encoder: encoder that gives its inputs.

    Raises:
        DataError: for a model with an input that the encoder does not give.
    """

    def __init__(self, model: keras.Model, encoder: Encoder) -> None:
        self._model = model
        given = encoder.encode_pairs(encoder.users.ids[:0], encoder.items.ids[:0])
        structure = getattr(model, "input", None)
        names = list(structure) if isinstance(structure, dict) else list(given)
        for name in names:
            if name not in given:
                raise DataError(
                    f"the model has an input {name!r}, which the encoder does not know; it encodes {', '.join(given)}"
                )
        self._rows = {
            name: tf.TensorSpec((None, *given[name].shape[1:]), given[name].dtype, name=name) for name in names
        }

    @property
    def input_names(self) -> tuple[str, ...]:
        """The network's inputs, of those that the encoder gives; all, where it does not name its inputs."""
        return tuple(self._rows)

    def ratings(self, inputs: Inputs) -> Floats:
        """The predicted ratings, (n,)."""
        return self._in_batches(self._ratings, inputs)

    def scores(self, inputs: Inputs) -> Floats:
        """The latent values, of which the ratings are an increasing function, (n,); without such, the ratings."""
        return self._in_batches(self._scores, inputs)

    def log_probabilities(self, inputs: Inputs) -> Floats:
        """The log probabilities of the rating levels, (n, levels), of a network whose head has some."""
        return self._in_batches(self._log_probabilities, inputs)

    def member_std(self, inputs: Inputs) -> Floats:
        """The standard deviation among the members of an average, (n,)."""
        return self._in_batches(self._member_std, inputs)

    def _in_batches(self, function: Any, inputs: Inputs) -> Floats:
        check_process()
        n = len(inputs["user"])
        values = np.empty((n, *function.structured_outputs.shape[1:]), dtype=np.float32)
        for start in range(0, n, BATCH):
            part = slice(start, start + BATCH)
            values[part] = function({name: tf.constant(inputs[name][part]) for name in self._rows}).numpy()
        return values

    @cached_property
    def _ratings(self) -> Any:
        return self._traced(lambda inputs: tf.reshape(self._model(inputs, training=False), (-1,)))

    @cached_property
    def _scores(self) -> Any:
        sides = sides_of(self._model)
        if sides is None or not sides.ranks:
            return self._ratings
        latent = sides.latent_network
        return self._traced(lambda inputs: tf.reshape(latent(inputs, training=False), (-1,)))

    @cached_property
    def _log_probabilities(self) -> Any:
        return self._traced(lambda inputs: self._model.likelihood.model(inputs, training=False))

    @cached_property
    def _member_std(self) -> Any:
        return self._traced(lambda inputs: tf.math.reduce_std(self._model.each(inputs), axis=0))

    def _traced(self, function: Callable[[Any], Any]) -> Any:
        check_process()
        return tf.function(function).get_concrete_function(self._rows)
