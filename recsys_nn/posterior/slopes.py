"""Slopes of sums over a whole training part, for all weights of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from recsys_nn.tensors import TrainingPart

Arrays = list[npt.NDArray[np.float32]]
Slopes = Callable[[Any, Any], list[Any]]
"""Function of (inputs, targets) and something beside them that returns the slopes in each trainable variable."""

_ROWS = 2**16


def slopes_of(total: Callable[[Any, Any, Any], Any], model: keras.Model) -> Slopes:
    """Slopes of what ``total`` gives for inputs, targets and something beside them, as one traced function."""

    @tf.function(autograph=False, reduce_retracing=True)
    def slopes(examples: Any, beside: Any) -> list[Any]:
        inputs, targets = examples
        variables = model.trainable_variables
        with tf.GradientTape() as tape:
            value = total(inputs, targets, beside)
        return [
            tf.zeros(variable.shape) if slope is None else tf.convert_to_tensor(slope)
            for slope, variable in zip(tape.gradient(value, variables), variables, strict=True)
        ]

    return slopes


def summed(slopes: Slopes, train: TrainingPart, beside: Callable[[int], Any]) -> Arrays:
    """Sums slopes over all examples, some at a time; ``beside`` gives what n of them come with."""
    sums: Arrays | None = None
    for block in train.blocks(batch_size=1):
        for start in range(0, len(block.order), _ROWS):
            part = block.tensors.take(np.arange(start, min(start + _ROWS, len(block.order))))
            given = tf.nest.map_structure(tf.constant, ((part.inputs, part.targets), beside(len(part))))
            found = [slope.numpy() for slope in slopes(*given)]
            sums = found if sums is None else [total + more for total, more in zip(sums, found, strict=True)]
    assert sums is not None
    return sums
