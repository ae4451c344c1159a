"""Batches for Keras's own loops, from the blocks of a part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from recsys_nn.tensors import Examples, TrainingPart

EVALUATION_BATCH = 65_536


def steps_per_epoch(part: Examples, batch_size: int) -> int:
    return ceil(len(part) / batch_size)


def dataset(
    part: TrainingPart, *, batch_size: int, epochs: Sequence[int] = (0,), seed: int = 0, shuffle: bool = False
) -> tf.data.Dataset:
    """Dataset of (inputs, targets), epoch after epoch, :func:`steps_per_epoch` batches each, the last smaller."""

    def blocks() -> Iterator[Any]:
        for epoch in epochs:
            for block in part.blocks(batch_size=batch_size, seed=seed, epoch=epoch, shuffle=shuffle):
                yield (block.tensors.inputs, block.tensors.targets), block.order

    def batches(examples: Any, order: tf.Tensor) -> tf.data.Dataset:
        def batch(start: tf.Tensor) -> Any:
            rows = order[start : start + batch_size]
            return tf.nest.map_structure(lambda values: tf.gather(values, rows), examples)

        return tf.data.Dataset.range(0, tf.size(order, out_type=tf.int64), batch_size).map(batch)

    one = part.take(np.array([0]))
    examples = tf.nest.map_structure(
        lambda values: tf.TensorSpec((None, *values.shape[1:]), values.dtype), (one.inputs, one.targets)
    )
    signature = (examples, tf.TensorSpec((None,), tf.int32))
    n_batches = len(epochs) * steps_per_epoch(part, batch_size)
    return (
        tf.data.Dataset.from_generator(blocks, output_signature=signature)
        .flat_map(batches)
        .apply(tf.data.experimental.assert_cardinality(n_batches))
        .prefetch(2)
    )


def evaluation_dataset(part: TrainingPart) -> tf.data.Dataset:
    """Dataset of the examples in their own order, in large batches."""
    return dataset(part, batch_size=EVALUATION_BATCH)


def evaluation_batches(part: TrainingPart) -> Iterator[Any]:
    """Yields (inputs, targets) as tensors, in their own order and large batches, without the time a dataset takes."""
    for block in part.blocks(batch_size=EVALUATION_BATCH):
        for start in range(0, len(block.order), EVALUATION_BATCH):
            batch = block.tensors.take(block.order[start : start + EVALUATION_BATCH].astype(np.int64))
            yield tf.nest.map_structure(tf.convert_to_tensor, (batch.inputs, batch.targets))


def evaluated(model: keras.Model, part: TrainingPart) -> dict[str, float]:
    """Judges examples by the metrics of a compiled model, step by step: tracing would take longer than one look."""
    for batch in evaluation_batches(part):
        model.test_step(batch)
    logs = {name: float(value) for name, value in model.get_metrics_result().items()}
    model.reset_metrics()
    return logs
