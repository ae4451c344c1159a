"""The compiled epoch: all steps of a pass over the examples as one TensorFlow loop.

Keras's own loop asks Python for every batch and dispatches every step. Here the examples are in memory, and a loop
within TensorFlow takes the rows of each step from the epoch's order, calls the model's own ``train_step`` (its
optimizer, loss and metrics are Keras's) and goes on; Python comes back at the end of the epoch, where Keras's callbacks
are called as Keras calls them.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from typing import Any, TypeVar

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from recsys_nn.tensors import Block, Examples, Tensors, TrainingPart, is_aligned
from recsys_nn.training.config import TrainConfig
from recsys_nn.training.engines.batches import EVALUATION_BATCH, steps_per_epoch
from recsys_nn.training.engines.collectives import Workers
from recsys_nn.training.engines.shared_steps import SharedSteps

EXAMPLES_A_CALL, STEPS_A_CALL = 2**21, 2**10
"""Examples and steps after which Python comes back for a moment, so that Ctrl-C is heard within a long epoch."""

Item = TypeVar("Item")


class CompiledLoop:
    """Passes over the examples of a part, each step of them within TensorFlow.

    Args:
        model: the model, built and compiled.
        step: its ``train_step`` or ``test_step``.
        n: examples of a pass.
        batch_size: examples of a step; the last of a pass has what is left.
        xla: whether XLA compiles the loop, anew for each size that batches and blocks have.
        shared: steps of all workers, one of which ``step`` is, where this process is one of several.
        own: whether the examples are this worker's alone, as many as each of the others has; else it takes its share
            of each batch.
    """

    def __init__(
        self,
        model: keras.Model,
        step: Callable[..., Any],
        *,
        n: int,
        batch_size: int,
        xla: bool,
        shared: SharedSteps | None = None,
        own: bool = False,
    ) -> None:
        self._step, self._n, self._batch_size, self._xla = step, n, min(batch_size, n), xla
        self._share = None if shared is None else shared.own if own else shared.share
        if not xla:
            # Inlined into the loop by TensorFlow's graph optimizer, a step would now and then read a weight before the
            # step before has written it. As a call it is also bit for bit what Keras's own loop makes.
            apart = {"_noinline": True}
            self._step = tf.function(step, autograph=False, reduce_retracing=True, experimental_attributes=apart)
        self._steps = tf.function(self._loop, autograph=False, jit_compile=xla or None, reduce_retracing=not xla)
        self._steps._omit_frequent_tracing_warning = True  # TensorFlow takes those of all trainings for one
        self._collected = partial(_collect, model, shared)
        if shared is not None:  # else tracing would take longer than it saves in a hundred epochs
            self._collected = tf.function(self._collected, autograph=False)
        self._held: tuple[Tensors | None, Any] = (None, None)

    def prepare(self, part: Examples) -> None:
        """Traces and compiles, without making a step."""
        block = next(part.blocks(batch_size=self._batch_size))
        for size in self._sizes(len(block.order)):
            self._call(block, size, 0, 0)
        self._collected()

    def run(self, blocks: Iterator[Block]) -> dict[str, float]:
        """Makes one pass over the examples and returns the model's metrics."""
        seen = 0
        while seen < self._n:
            block = next(blocks)
            done = 0
            for size, last in self._sizes(len(block.order)).items():
                stride = min(max(1, EXAMPLES_A_CALL // self._batch_size), STEPS_A_CALL)
                for first in range(done, last, stride):
                    self._call(block, size, first, min(first + stride, last))
                done = last
            seen += len(block.order)
        return {name: float(value) for name, value in self._collected().items()}

    def _sizes(self, n: int) -> dict[int | None, int]:
        """The sizes of the batches of ``n`` examples, each with the number of the step that it goes up to.

        XLA needs every size to be known when it compiles; None leaves it to the loop.
        """
        full, rest = divmod(n, self._batch_size)
        if not self._xla:
            return {None: full + bool(rest)}
        sizes: dict[int | None, int] = {self._batch_size: full}
        return sizes | {rest: full + 1} if rest else sizes

    def _call(self, block: Block, size: int | None, first: int, last: int) -> None:
        if self._held[0] is not block.tensors:
            examples = (block.tensors.inputs, block.tensors.targets)
            self._held = (block.tensors, tf.nest.map_structure(_as_tensor, examples))
        self._steps(self._held[1], _as_tensor(block.order), tf.constant(first), tf.constant(last), size)

    def _loop(self, examples: Any, order: tf.Tensor, first: tf.Tensor, last: tf.Tensor, size: int | None) -> None:
        def one(step: tf.Tensor) -> list[tf.Tensor]:
            start = step * self._batch_size
            rows = tf.slice(order, [start], [size or tf.minimum(self._batch_size, tf.size(order) - start)])
            rows, *share = [rows] if self._share is None else self._share(rows)
            self._step(tf.nest.map_structure(lambda values: tf.gather(values, rows), examples), *share)
            return [step + 1]

        tf.while_loop(lambda step: step < last, one, [first], parallel_iterations=1)


class CompiledEngine:
    """Engine like ``model.fit`` with compiled epochs: the same order of callbacks, the same logs.

    Making it traces and compiles the loops of training and validation; the model stays as it was. (With XLA the last
    block of a part on disk, smaller than the others, is compiled when an epoch first comes to it.)
    """

    def __init__(
        self,
        model: keras.Model,
        train: TrainingPart,
        validation: TrainingPart | None,
        config: TrainConfig,
        *,
        xla: bool,
        workers: Workers | None = None,
    ) -> None:
        self._model, self._validation, self._config = model, validation, config
        self._train: Examples = train
        self._batch_size = config.batch_size
        self._shared = (
            None
            if workers is None
            else SharedSteps(model, workers, seed=config.seed, batch_size=min(config.batch_size, len(train)))
        )
        own = None if workers is None else train.of_worker(workers.rank, workers.n)
        if workers is not None and own is not None:
            self._train, self._batch_size = own, -(-config.batch_size // workers.n)
        for part in (self._train, validation):
            if part is not None:
                _try_out(model, part)
        model.optimizer.build(model.trainable_variables)
        steps = self._shared or model
        n = len(self._train)
        self._training = CompiledLoop(
            *(model, steps.train_step),
            n=n,
            batch_size=self._batch_size,
            xla=xla,
            shared=self._shared,
            own=own is not None,
        )
        self._training.prepare(self._train)
        if validation is not None:
            n = len(validation)
            self._validating = CompiledLoop(
                model, steps.test_step, n=n, batch_size=EVALUATION_BATCH, xla=xla, shared=self._shared
            )
            self._validating.prepare(validation)

    def fit(self, hooks: Sequence[keras.callbacks.Callback], *, first_epoch: int = 0) -> None:
        model, epochs = self._model, self._config.epochs
        steps = steps_per_epoch(self._train, self._batch_size)
        callbacks = keras.callbacks.CallbackList(
            list(hooks), add_history=True, model=model, epochs=epochs, steps=steps, verbose=0
        )
        model.stop_training = False
        callbacks.on_train_begin()
        logs: dict[str, float] = {}
        with closing(prefetched(self._blocks(first_epoch))) as blocks:
            for epoch in range(first_epoch, epochs):
                callbacks.on_epoch_begin(epoch)
                logs = self._trained(epoch, blocks)
                logs |= self._validated(callbacks)
                callbacks.on_epoch_end(epoch, logs)
                if model.stop_training:
                    break
        model.optimizer.finalize_variable_values(model.trainable_weights)
        callbacks.on_train_end(logs)

    def _blocks(self, first_epoch: int) -> Iterator[Block]:
        config = self._config
        for epoch in range(first_epoch, config.epochs):
            yield from self._train.blocks(
                batch_size=self._batch_size, seed=config.seed, epoch=epoch, shuffle=config.shuffle
            )

    def _trained(self, epoch: int, blocks: Iterator[Block]) -> dict[str, float]:
        if self._shared is None:
            return self._training.run(blocks)
        self._shared.begin(epoch)
        logs = self._training.run(blocks)
        self._shared.end()
        return logs

    def _validated(self, callbacks: keras.callbacks.CallbackList) -> dict[str, float]:
        if self._validation is None:
            return {}
        callbacks.on_test_begin()
        logs = self._validating.run(self._validation.blocks(batch_size=EVALUATION_BATCH))
        callbacks.on_test_end(logs)
        return {f"val_{name}": value for name, value in logs.items()}


def _try_out(model: keras.Model, part: Examples) -> None:
    """Judges a few examples step by step, which builds the model's metrics.

    Among them are those with the least and the largest of every integer input: a number beyond an embedding table is an
    error here, where XLA would take the nearest row instead.
    """
    few = part.take(_extremes(part))
    model.test_step(tf.nest.map_structure(tf.convert_to_tensor, (few.inputs, few.targets)))
    model.reset_metrics()


def _extremes(part: Examples) -> npt.NDArray[np.int64]:
    """The first row, and for each integer input a row that holds its least and one that holds its largest number."""
    found: dict[tuple[str, int], tuple[int, int]] = {}  # by input and direction: the number, its row
    first = 0
    for block in part.blocks(batch_size=1):
        for name, values in block.tensors.named_inputs.items():
            if values.dtype.kind == "i":
                flat = values.reshape(len(values), -1)
                for sign, least in ((1, flat.min(axis=1)), (-1, -flat.max(axis=1))):
                    row = int(least.argmin())
                    found[name, sign] = min(found.get((name, sign), (2**31, 0)), (int(least[row]), first + row))
        first += len(block.order)
    return np.unique([0, *(row for _, row in found.values())])


def _as_tensor(array: npt.NDArray[Any]) -> tf.Tensor:
    """Views an array's memory as a tensor where TensorFlow can use it; ``tf.convert_to_tensor`` makes copies."""
    return tf.experimental.dlpack.from_dlpack(array.__dlpack__()) if is_aligned(array) else tf.convert_to_tensor(array)


def prefetched(items: Iterator[Item]) -> Generator[Item, None, None]:
    """Yields the items; while one is used, another thread prepares the next."""
    with ThreadPoolExecutor(max_workers=1) as worker:
        ahead = worker.submit(next, items, None)
        while (item := ahead.result()) is not None:
            ahead = worker.submit(next, items, None)
            yield item


def _collect(model: keras.Model, shared: SharedSteps | None) -> dict[str, Any]:
    if shared is not None:
        shared.collect()
    results = model.get_metrics_result()
    model.reset_metrics()
    return results
