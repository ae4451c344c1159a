"""The order in which examples are visited, and tf.data pipelines that follow it."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from recsys_nn.data.tensors import Tensors, epoch_order

EVALUATION_BATCH = 65_536


def steps_per_epoch(tensors: Tensors, batch_size: int) -> int:
    return ceil(len(tensors) / batch_size)


def training_dataset(
    tensors: Tensors, *, batch_size: int, epochs: int, seed: int, shuffle: bool, first_epoch: int = 0
) -> tf.data.Dataset:
    """Batches of all epochs one after the other, :func:`steps_per_epoch` each, the last of each smaller."""
    resident = _resident(tensors)
    n = len(tensors)

    def order(epoch: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
        return epoch_order(n, seed=seed, epoch=int(epoch), shuffle=shuffle)

    def batches(epoch: tf.Tensor) -> tf.data.Dataset:
        rows = tf.ensure_shape(tf.numpy_function(order, [epoch], tf.int32, stateful=False), (n,))
        return _gathered(resident, rows, n, batch_size)

    return tf.data.Dataset.range(first_epoch, epochs).flat_map(batches).prefetch(tf.data.AUTOTUNE)


def evaluation_dataset(tensors: Tensors) -> tf.data.Dataset:
    """The examples in their own order, in large batches."""
    return _gathered(_resident(tensors), tf.range(len(tensors)), len(tensors), EVALUATION_BATCH)


def _resident(tensors: Tensors) -> Any:
    return tf.nest.map_structure(tf.constant, (tensors.inputs, tensors.targets))


def _gathered(resident: Any, rows: tf.Tensor, n: int, batch_size: int) -> tf.data.Dataset:
    def batch(start: tf.Tensor) -> Any:
        chosen = rows[start : start + batch_size]
        return tf.nest.map_structure(lambda values: tf.gather(values, chosen), resident)

    return tf.data.Dataset.range(0, n, batch_size).map(batch)
