"""Slopes of sums over a whole training part in each weight of a model, and the curvature of its likelihood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from recsys_nn.hooks import Coupled
from recsys_nn.tensors import TrainingPart
from recsys_nn.training import Objective

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


DRAWS = 6
"""Passes over the training part, each with random signs of its own."""
FLOOR = 0.2
"""The least curvature of the likelihood, as a share of the mean over the variable."""
STIFFEST = 4.0
"""How many weights of a variable may move a prediction together before its masses grow with their number."""


class Curvature:
    """Estimates the curvature of U in each weight of a model, for :class:`Langevin`.

    The dimensions of a vector share theirs, as a chain may turn them into each other. What no example moves has an
    infinite mass, so that noise does not move it either: the vectors of unknown and of unrated ids stay zero.

    Args:
        objective: the objective of the model.
        train: the training part's examples.
        nats: the negative log-likelihood that a unit of an example's loss stands for.
    """

    def __init__(self, objective: Objective, train: TrainingPart, *, nats: float) -> None:
        self._slopes, self._train, self._nats = loss_slopes(objective), train, nats
        layers = [layer for layer in objective.model._flatten_layers() if isinstance(layer, Coupled)]
        coupling = {id(variable): layer.coupling for layer in layers for variable in layer.trainable_variables}
        self._couplings = [coupling.get(id(variable), 1.0) for variable in objective.model.trainable_variables]

    def masses(self, precisions: Sequence[npt.NDArray[np.float32]], *, seed: int) -> Arrays:
        """Masses at the present weights, an array for each trainable variable.

        Args:
            precisions: precisions of the weights' priors.
            seed: seed of the random signs.
        """
        found = []
        squares_of = fisher_diagonal(self._slopes, self._train, seed=seed)
        for squares, precision, coupling in zip(squares_of, precisions, self._couplings, strict=True):
            shared = squares.mean(axis=-1, keepdims=True) if squares.ndim else squares
            likelihood = self._nats**2 * np.broadcast_to(shared, squares.shape)
            mass = (likelihood + FLOOR * likelihood.mean()) * max(1.0, coupling / STIFFEST) + precision
            found.append(np.where((squares > 0) & (mass > 0), mass, np.float32(np.inf)).astype(np.float32))
        return found


def loss_slopes(objective: Objective) -> Slopes:
    """Slopes of Σ_k ε_k ℓ_k, the losses of examples with weights ε_k beside them."""
    model, loss = objective.model, objective.loss()

    def total(inputs: Any, targets: Any, weights: Any) -> Any:
        n = tf.size(weights)
        # Keras takes the mean over the last axis of each example, so there has to be one.
        outputs = tf.reshape(model(inputs, training=True), (n, -1))
        return loss(tf.reshape(targets, (n, -1)), outputs, sample_weight=weights) * tf.cast(n, tf.float32)

    return slopes_of(total, model)


def fisher_diagonal(slopes: Slopes, train: TrainingPart, *, seed: int) -> Arrays:
    """Diagonal of the empirical Fisher information, Σ_k (∂ℓ_k/∂θ)² for every weight θ, of examples with losses ℓ_k.

    It is the expectation of one slope with random signs ε_k, E[(∂/∂θ Σ_k ε_k ℓ_k)²].

    Args:
        slopes: the slopes that :func:`loss_slopes` returns.
        train: the training part's examples.
        seed: seed of the random signs.
    """
    rng = np.random.default_rng(seed)

    def draw() -> Arrays:
        return summed(slopes, train, lambda n: rng.choice(np.array([-1, 1], np.float32), n))

    return [np.mean(np.square(draws), axis=0) for draws in zip(*(draw() for _ in range(DRAWS)), strict=True)]
