"""The steps of a worker: those of Keras's ``train_step`` and ``test_step`` on its share of a batch."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from recsys_nn.training.engines.collectives import Workers
from recsys_nn.training.optimizers import is_table


class SharedSteps:
    """Steps that all workers make together, after which all have the same weights.

    Losses and metrics are sums over a worker's own examples until they are collected. Dropout is drawn anew for each
    worker in each epoch. Batches are normalised by a worker's own share; the moving averages become their mean over
    the workers at the end of an epoch.

    Args:
        model: the model, built and compiled.
        workers: the others, and which of them this is.
        seed: seed of the layers' random draws.
        batch_size: examples of the batches that they share.
    """

    def __init__(self, model: keras.Model, workers: Workers, *, seed: int, batch_size: int) -> None:
        self._model, self._workers, self._seed = model, workers, seed
        self._rows = -(-batch_size // workers.n)  # a row of each table for each example of a share
        self._moving = [each for each in model.non_trainable_weights if tf.as_dtype(each.dtype).is_floating]
        self._before: list[Any] = []

    def share(self, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """This worker's rows of the batch, and the fraction of the batch that they are."""
        return self._workers.share(rows)

    def own(self, rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """All of the rows, and 1 / n: each of the n workers has as many rows of its own."""
        return rows, tf.constant(1 / self._workers.n, tf.float64)

    def train_step(self, examples: Any, share: tf.Tensor) -> None:
        """Makes one step of the optimizer, by the gradient of the mean loss of the whole batch."""
        (inputs, targets), model = examples, self._model
        with tf.GradientTape() as tape:
            outputs = model(inputs, training=True)
            loss = model.compute_loss(x=inputs, y=targets, y_pred=outputs, training=True)
        variables = model.trainable_weights
        gradients = tape.gradient(loss, variables)
        reached = [place for place, gradient in enumerate(gradients) if gradient is not None]
        sent = [_as_sent(gradients[place], variables[place]) for place in reached]
        means = self._workers.mean(sent, share, rows=self._rows)
        model.optimizer.apply(means, [variables[place] for place in reached])
        self._note(inputs, targets, outputs, loss, share)

    def test_step(self, examples: Any, share: tf.Tensor) -> None:
        """Judges a worker's share of a batch."""
        inputs, targets = examples
        outputs = self._model(inputs, training=False)
        loss = self._model.compute_loss(x=inputs, y=targets, y_pred=outputs, training=False)
        self._note(inputs, targets, outputs, loss, share)

    def _note(self, inputs: Any, targets: Any, outputs: Any, loss: Any, share: tf.Tensor) -> None:
        losses = self._model.metrics[0]  # Keras's own, of which the logs have "loss"

        def noted() -> None:
            losses.update_state(loss, sample_weight=tf.shape(targets)[0])
            self._model.compute_metrics(inputs, targets, outputs)

        tf.cond(share > 0, noted, lambda: None)

    def collect(self) -> None:
        """Sums the metrics over the examples of all workers."""
        states = self._model.metrics_variables
        totals = self._workers.total([tf.convert_to_tensor(each) for each in states])
        for state, total in zip(states, totals, strict=True):
            state.assign(total)

    def begin(self, epoch: int) -> None:
        """Seeds the random draws of an epoch (from 0) and notes the moving averages, before its training."""
        for place, state in enumerate(_draws(self._model)):
            rng = np.random.default_rng([self._seed, epoch, self._workers.rank, place])
            state.assign([rng.integers(2**31), 0])
        self._before = [each.numpy() for each in self._moving]

    def end(self) -> None:
        """Averages the moving averages θ over the workers: θ ← θ₀ + the mean of θ - θ₀, which leaves constants alone.

        Called after an epoch's training, before its validation.
        """
        changes = [tf.convert_to_tensor(each) - before for each, before in zip(self._moving, self._before, strict=True)]
        for each, before, change in zip(self._moving, self._before, self._workers.total(changes), strict=True):
            each.assign(before + change / self._workers.n)


def _draws(model: keras.Model) -> list[Any]:
    """The states of the random draws of a model's layers: a seed, and the number of draws so far."""
    return [variable for variable in model.variables if variable.name == "seed_generator_state"]


def _as_sent(gradient: Any, variable: Any) -> Any:
    """Keeps a table's gradient sparse, a row an id; others are read as a whole, if by look-ups (sets)."""
    return gradient if is_table(variable) else tf.convert_to_tensor(gradient)
