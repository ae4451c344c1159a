"""Processes that train one model together: who they are, and what they tell each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from recsys_nn.errors import ConfigError

ROWS_A_ROUND = 2**11
"""Of a sparse gradient so many rows are exchanged at a time."""


class Workers:
    """The processes that train one model together, as one of them sees them.

    All have the same model, look at the same batches in the same order, and compute the gradient of their share of
    each. They find each other by ``TF_CONFIG``, and talk by the collective operations of TensorFlow's
    MultiWorkerMirroredStrategy; model and optimizer are made without it. To be made before TensorFlow computes
    anything.

    Attributes:
        rank: of this process, from 0.
        n: how many there are.

    Raises:
        ConfigError: where this process sees several GPUs.
    """

    def __init__(self) -> None:
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy()
        cluster = self._strategy.cluster_resolver
        self.rank = int(cluster.task_id or 0)
        self.n = max(1, len(cluster.cluster_spec().as_dict().get("worker", ())))
        if self._strategy.num_replicas_in_sync != self.n:
            raise ConfigError(f"worker {self.rank} sees several GPUs: start as many workers, one GPU each")

    @property
    def leads(self) -> bool:
        """Whether this one speaks and writes for all."""
        return self.rank == 0

    def share(self, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Of a batch of ``rows`` those of this worker, and which share of the batch they are.

        Of m rows worker r has those from ⌊m r / n⌋ on, up to ⌊m (r + 1) / n⌋. Where that is none it has another's, as
        a share of 0: so all make the same number of steps.
        """
        m = tf.size(rows)
        first, last = m * self.rank // self.n, m * (self.rank + 1) // self.n
        return tf.slice(rows, [first], [tf.maximum(last - first, 1)]), (last - first) / m

    def mean(self, gradients: Sequence[Any], share: tf.Tensor) -> list[Any]:
        """Σ_r s_r g_r of the workers' gradients g of the mean over their share s: that of the mean over the batch.

        Gradients that are sparse (``tf.IndexedSlices``) stay so, and have the rows of all workers.
        """
        parts = [_scaled(gradient, share) for gradient in gradients]
        dense = [place for place, part in enumerate(parts) if not isinstance(part, tf.IndexedSlices)]
        sparse = [place for place in range(len(parts)) if place not in dense]
        # As floats (which are exact up to 2^24) these lengths travel together with the dense gradients.
        lengths = [tf.cast(tf.size(parts[place].indices), tf.float32) for place in sparse] or [tf.constant(0.0)]
        lengths_of_all = tf.one_hot(self.rank, self.n)[:, tf.newaxis] * tf.stack(lengths)
        lengths_of_all, *sums = self.total([lengths_of_all, *(parts[place] for place in dense)])
        most = tf.cast(tf.reduce_max(lengths_of_all, axis=0), tf.int32)
        found = dict(zip(dense, sums, strict=True))
        found |= {place: self._gathered(parts[place], most[number]) for number, place in enumerate(sparse)}
        return [found[place] for place in range(len(parts))]

    def _gathered(self, part: tf.IndexedSlices, most: tf.Tensor) -> tf.IndexedSlices:
        """The rows of all workers, of which one has ``most``, in rounds of :data:`ROWS_A_ROUND`.

        TensorFlow's collective operations take tensors of one shape alone, in all the steps of a training. What a
        worker has too few of is filled up by rows -1, which are left out at the end.
        """
        missing = -(-most // ROWS_A_ROUND) * ROWS_A_ROUND - tf.size(part.indices)
        indices = tf.pad(part.indices, [[0, missing]], constant_values=-1)
        values = tf.pad(part.values, [[0, missing], [0, 0]])
        dim = part.values.shape[1]

        def a_round(first: tf.Tensor, all_indices: tf.Tensor, all_values: tf.Tensor) -> Any:
            own = tf.IndexedSlices(
                tf.ensure_shape(values[first : first + ROWS_A_ROUND], (ROWS_A_ROUND, dim)),
                tf.ensure_shape(indices[first : first + ROWS_A_ROUND], (ROWS_A_ROUND,)),
                part.dense_shape,
            )
            (of_all,) = self.total([own])
            return (
                first + ROWS_A_ROUND,
                tf.concat([all_indices, of_all.indices], 0),
                tf.concat([all_values, of_all.values], 0),
            )

        nothing = (tf.zeros((0,), indices.dtype), tf.zeros((0, dim), values.dtype))
        _, indices_of_all, values_of_all = tf.while_loop(
            lambda first, *_: first < most,
            a_round,
            (tf.constant(0), *nothing),
            shape_invariants=(tf.TensorShape(()), tf.TensorShape((None,)), tf.TensorShape((None, dim))),
            parallel_iterations=1,
        )
        known = indices_of_all >= 0
        return tf.IndexedSlices(
            tf.boolean_mask(values_of_all, known), tf.boolean_mask(indices_of_all, known), part.dense_shape
        )

    def total(self, tensors: Sequence[Any]) -> list[Any]:
        """The sum of each of the tensors over all workers."""

        def exchanged(*own: Any) -> Any:
            placed = [tf.identity(each) for each in own]  # on this worker's device, by which the others know it
            return tuple(tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, placed))

        return list(self._strategy.run(exchanged, args=tuple(tensors))) if tensors else []

    def told(self, number: float) -> list[float]:
        """What each of them tells the others: a number that a 32-bit float can be."""
        (numbers,) = self.total([tf.one_hot(self.rank, self.n) * number])
        return [float(each) for each in numbers]


class OneDecision(keras.callbacks.Callback):
    """Ends the training of all workers where a callback before this one ends that of one."""

    def __init__(self, workers: Workers) -> None:
        super().__init__()
        self._workers = workers

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.model.stop_training = any(self._workers.told(bool(self.model.stop_training)))


def _scaled(gradient: Any, factor: tf.Tensor) -> Any:
    factor = tf.cast(factor, gradient.dtype)
    if isinstance(gradient, tf.IndexedSlices):
        return tf.IndexedSlices(gradient.values * factor, gradient.indices, gradient.dense_shape)
    return gradient * factor
