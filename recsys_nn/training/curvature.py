"""How sharply the likelihood of a training part bends in each weight of a model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from recsys_nn.data.tensors import TrainingPart
from recsys_nn.training.objective import Objective

DRAWS = 6
"""Passes over the training part."""
FLOOR = 0.2
"""The least curvature of the likelihood, as a share of the mean over the variable."""
STIFFEST = 4.0
"""How many weights of a variable may move a prediction together before its masses grow with their number."""
_ROWS = 2**16

Arrays = list[npt.NDArray[np.float32]]
Slopes = Callable[[Any, Any], list[Any]]


class Curvature:
    """About the curvature of U = nats · n · objective in each weight of a model, for :class:`Langevin`.

    The dimensions of a vector share theirs, as a chain may turn them into each other. What no example moves has an
    infinite mass, so that noise does not move it either: the vectors of unknown and of unrated ids stay zero.

    Args:
        objective: of the model.
        train: the training part, n examples.
        nats: the negative log-likelihood that a unit of an example's loss stands for.
    """

    def __init__(self, objective: Objective, train: TrainingPart, *, nats: float) -> None:
        self._objective, self._train, self._nats = objective, train, nats
        self._penalties = penalty_diagonal(objective, train)
        layers = [layer for layer in objective.model._flatten_layers() if hasattr(layer, "coupling")]
        coupling = {id(variable): layer.coupling for layer in layers for variable in layer.trainable_variables}
        self._couplings = [coupling.get(id(variable), 1.0) for variable in objective.model.trainable_variables]

    def masses(self, *, seed: int) -> Arrays:
        """At the present weights, an array for each trainable variable; ``seed`` is of the draws."""
        found = []
        squares_of = fisher_diagonal(self._objective, self._train, seed=seed)
        for squares, penalty, coupling in zip(squares_of, self._penalties, self._couplings, strict=True):
            shared = squares.mean(axis=-1, keepdims=True) if squares.ndim else squares
            likelihood = self._nats**2 * np.broadcast_to(shared, squares.shape)
            mass = (likelihood + FLOOR * likelihood.mean()) * max(1.0, coupling / STIFFEST)
            mass += self._nats * len(self._train) * penalty
            found.append(np.where((squares > 0) & (mass > 0), mass, np.float32(np.inf)).astype(np.float32))
        return found


def fisher_diagonal(objective: Objective, train: TrainingPart, *, seed: int) -> Arrays:
    """Σ_k (∂ℓ_k/∂θ)² for every weight θ: the diagonal of the empirical Fisher information of examples with losses ℓ_k.

    Of one slope with random signs ε_k it is the expectation, E[(∂/∂θ Σ_k ε_k ℓ_k)²].
    """
    model, loss = objective.model, objective.loss()

    @tf.function(autograph=False, reduce_retracing=True)
    def slopes(examples: Any, signs: Any) -> list[Any]:
        inputs, targets = examples
        n = tf.size(signs)
        with tf.GradientTape() as tape:
            # Keras takes the mean over the last axis of each example, so there has to be one.
            outputs = tf.reshape(model(inputs, training=True), (n, -1))
            total = loss(tf.reshape(targets, (n, -1)), outputs, sample_weight=signs) * tf.cast(n, tf.float32)
        return _dense_slopes(tape, total, model)

    rng = np.random.default_rng(seed)

    def draw() -> Arrays:
        return _summed(slopes, train, lambda n: rng.choice(np.array([-1, 1], np.float32), n))

    return [np.mean(np.square(draws), axis=0) for draws in zip(*(draw() for _ in range(DRAWS)), strict=True)]


def penalty_diagonal(objective: Objective, train: TrainingPart) -> Arrays:
    """∂²/∂θ² of the penalties of the objective for every weight θ; exact where these are sums of squares."""
    model = objective.model

    @tf.function(autograph=False, reduce_retracing=True)
    def slopes(examples: Any, share: Any) -> list[Any]:
        inputs, _ = examples
        with tf.GradientTape() as tape:
            model(inputs, training=True)
            total = tf.add_n([tf.constant(0.0), *model.losses]) * share
        return _dense_slopes(tape, total, model)

    def here() -> Arrays:
        return _summed(slopes, train, lambda n: np.array(n / len(train), np.float32))

    at, weights = here(), [variable.numpy() for variable in model.trainable_variables]
    for variable, values in zip(model.trainable_variables, weights, strict=True):
        variable.assign(values + 1)
    beyond = here()
    for variable, values in zip(model.trainable_variables, weights, strict=True):
        variable.assign(values)
    return [there - before for there, before in zip(beyond, at, strict=True)]


def _dense_slopes(tape: tf.GradientTape, total: Any, model: Any) -> list[Any]:
    variables = model.trainable_variables
    return [
        tf.zeros(variable.shape) if slope is None else tf.convert_to_tensor(slope)
        for slope, variable in zip(tape.gradient(total, variables), variables, strict=True)
    ]


def _summed(slopes: Slopes, train: TrainingPart, beside: Callable[[int], Any]) -> Arrays:
    """Slopes summed over all examples, some at a time; ``beside`` gives what n of them come with."""
    sums: Arrays | None = None
    for block in train.blocks(batch_size=1):
        for start in range(0, len(block.order), _ROWS):
            part = block.tensors.take(np.arange(start, min(start + _ROWS, len(block.order))))
            given = tf.nest.map_structure(tf.constant, ((part.inputs, part.targets), beside(len(part))))
            found = [slope.numpy() for slope in slopes(*given)]
            sums = found if sums is None else [total + more for total, more in zip(sums, found, strict=True)]
    assert sums is not None
    return sums
