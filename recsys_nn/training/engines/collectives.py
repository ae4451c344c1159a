"""Processes that train one model together: who they are, and what they tell each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from recsys_nn.errors import ConfigError

_RADIX = 2**16
"""Numbers of rows travel as two digits, each of which a 32-bit float holds exactly."""


class Workers:
    """The processes that train one model together, as one of them sees them.

    All have the same model, look at the same batches in the same order, and compute the gradient of their share of
    each. They find each other by ``TF_CONFIG``, and talk by the collective operations of TensorFlow's
    MultiWorkerMirroredStrategy; model and optimizer are made without it. To be made before TensorFlow computes
    anything.

    Attributes:
        rank: number of this process, from 0.
        n: number of the processes.

    Raises:
        ConfigError: where this process sees several GPUs.
    """

    def __init__(self) -> None:
        self._strategy = tf.distribute.MultiWorkerMirroredStrategy()
        cluster = self._strategy.cluster_resolver
        self.rank = int(cluster.task_id or 0)
        self.n = max(1, len(cluster.cluster_spec().as_dict().get("worker", ())))
        if self._strategy.num_replicas_in_sync != self.n:
            raise ConfigError(f"worker {self.rank} sees several GPUs: start a worker for each GPU")

    @property
    def leads(self) -> bool:
        """True where this worker prints and writes for all."""
        return self.rank == 0

    def share(self, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """This worker's rows of the batch, and the fraction of the batch that they are.

        Of m rows worker r has those from ⌊m r / n⌋ on, up to ⌊m (r + 1) / n⌋. Where that is none it has another's, as
        a share of 0: so all make the same number of steps.
        """
        m = tf.size(rows)
        first, last = m * self.rank // self.n, m * (self.rank + 1) // self.n
        return tf.slice(rows, [first], [tf.maximum(last - first, 1)]), (last - first) / m

    def mean(self, gradients: Sequence[Any], share: tf.Tensor, *, rows: int) -> list[Any]:
        """Gradient of the mean over the batch, Σ_r s_r g_r, of the workers' gradients g_r over their shares s_r.

        Gradients that are sparse (``tf.IndexedSlices``) stay so, and have the rows of all workers.

        Args:
            gradients: the gradients of this worker.
            share: this worker's fraction of the batch.
            rows: rows of each sparse gradient that are exchanged together with the dense ones, which takes one
                collective operation for all; and then so many at a time, until the workers have no more. It has to be
                the same for all.
        """
        parts = [_scaled(gradient, share) for gradient in gradients]
        dense = [place for place, part in enumerate(parts) if not isinstance(part, tf.IndexedSlices)]
        sparse = [place for place in range(len(parts)) if place not in dense]
        if not sparse:
            return self.total(parts)
        slices = [parts[place] for place in sparse]
        most, first, *sums = self.total(
            [
                self._placed([tf.reduce_max([tf.size(each.indices) for each in slices])]),
                self._placed(_packed(slices, 0, rows)),
                *(parts[place] for place in dense),
            ]
        )
        most = tf.reduce_max(most)

        def round_of(begin: tf.Tensor, found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            (more,) = self.total([self._placed(_packed(slices, begin, rows))])
            return begin + rows, tf.concat([found, more], 0)

        _, packed = tf.while_loop(
            lambda begin, _: tf.cast(begin, tf.float32) < most,
            round_of,
            (tf.constant(rows), first),
            shape_invariants=(tf.TensorShape(()), tf.TensorShape((None, first.shape[1]))),
            parallel_iterations=1,
        )
        found = dict(zip(dense, sums, strict=True)) | dict(zip(sparse, _unpacked(packed, slices), strict=True))
        return [found[place] for place in range(len(parts))]

    def _placed(self, own: Any) -> tf.Tensor:
        """Pads this worker's values with zeros, so that the sum over all workers has those of all in line."""
        own = tf.cast(own, tf.float32)
        size = own.shape[0]
        around = [[self.rank * size, (self.n - self.rank - 1) * size], *[[0, 0]] * (own.shape.rank - 1)]
        return tf.pad(own, around)

    def total(self, tensors: Sequence[Any]) -> list[Any]:
        """The sum of each of the tensors over all workers; in one operation, where they are of one type."""
        found: dict[int, Any] = {}
        types = [tf.as_dtype(tensor.dtype) for tensor in tensors]
        for kind in dict.fromkeys(types):
            places = [place for place, each in enumerate(types) if each == kind]
            together = tf.concat([tf.reshape(tensors[place], [-1]) for place in places], 0)
            sums = tf.split(self._summed(together), [tensors[place].shape.num_elements() for place in places])
            found |= {place: tf.reshape(one, tensors[place].shape) for place, one in zip(places, sums, strict=True)}
        return [found[place] for place in range(len(types))]

    def _summed(self, vector: tf.Tensor) -> tf.Tensor:
        def exchanged(own: tf.Tensor) -> tf.Tensor:
            placed = tf.identity(own)  # on this worker's device, by which the others know it
            return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, placed)

        return self._strategy.run(exchanged, args=(vector,))

    def told(self, number: float) -> list[float]:
        """The numbers of all workers, of which ``number`` is this one's, as 32-bit floats."""
        (numbers,) = self.total([self._placed(tf.constant([number]))])
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


def _packed(slices: Sequence[tf.IndexedSlices], begin: Any, rows: int) -> tf.Tensor:
    """The ``rows`` of all gradients from ``begin`` on, side by side: the digits of a row's number, and its values.

    TensorFlow's collective operations take tensors of one shape alone, in all the steps of a training: where there are
    fewer rows they are filled up by others, with the number -1.
    """
    columns = []
    for part in slices:
        indices, values = part.indices[begin : begin + rows], part.values[begin : begin + rows]
        missing = rows - tf.size(indices)
        indices = tf.ensure_shape(tf.pad(indices, [[0, missing]], constant_values=-1), (rows,))
        digits = tf.cast(tf.stack([indices // _RADIX, indices % _RADIX], axis=1), tf.float32)
        columns += [digits, tf.ensure_shape(tf.pad(values, [[0, missing], [0, 0]]), (rows, part.values.shape[1]))]
    return tf.concat(columns, 1)


def _unpacked(packed: tf.Tensor, slices: Sequence[tf.IndexedSlices]) -> list[tf.IndexedSlices]:
    widths = [width for part in slices for width in (2, part.values.shape[1])]
    columns = tf.split(packed, widths, axis=1)
    found = []
    for part, digits, values in zip(slices, columns[::2], columns[1::2], strict=True):
        indices = tf.cast(digits[:, 0], part.indices.dtype) * _RADIX + tf.cast(digits[:, 1], part.indices.dtype)
        known = indices >= 0
        found.append(
            tf.IndexedSlices(tf.boolean_mask(values, known), tf.boolean_mask(indices, known), part.dense_shape)
        )
    return found
