"""How sharply the likelihood of a training part bends in each weight of a model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from recsys_nn.data.tensors import TrainingPart
from recsys_nn.training.objective import Objective

DRAWS = 32
"""Passes over the training part."""
FLOOR = 0.2
"""The least mass, as a share of the mean over the variable: what is seldom rated is moved by its penalty alone."""
STIFFEST = 20.0
"""How many weights of a variable may move a prediction together before its masses grow with their number."""
_ROWS = 2**16

Masses = list[npt.NDArray[np.float32]]


def masses_of(objective: Objective, train: TrainingPart, *, nats: float, seed: int) -> Masses:
    """About the curvature of the negative log-likelihood in each weight, for :class:`Langevin`.

    The dimensions of a vector share theirs, as a chain may turn them into each other. What no example moves has an
    infinite mass, so that noise does not move it either: the vectors of unknown and of unrated ids stay zero.

    Args:
        objective: of the model, at its present weights.
        train: the training part.
        nats: the negative log-likelihood that a unit of an example's loss stands for.
        seed: of the draws.
    """
    model = objective.model
    coupling = {
        id(variable): layer.coupling
        for layer in model._flatten_layers()
        if hasattr(layer, "coupling")
        for variable in layer.trainable_variables
    }
    masses = []
    for variable, squares in zip(model.trainable_variables, fisher_diagonal(objective, train, seed=seed), strict=True):
        curvature = nats**2 * np.broadcast_to(squares.mean(axis=-1, keepdims=True), squares.shape)
        mass = (curvature + FLOOR * curvature.mean()) * max(1.0, coupling.get(id(variable), 1.0) / STIFFEST)
        masses.append(np.where(squares > 0, mass, np.float32(np.inf)).astype(np.float32))
    return masses


def fisher_diagonal(objective: Objective, train: TrainingPart, *, seed: int) -> Masses:
    """Σ_k (∂ℓ_k/∂θ)² for every weight θ, the diagonal of the empirical Fisher information of n examples with losses ℓ_k.

    Of one gradient with random signs ε_k it is the expectation, E[(∂/∂θ Σ_k ε_k ℓ_k)²].
    """
    model, loss = objective.model, objective.loss()
    variables = model.trainable_variables

    @tf.function(reduce_retracing=True)
    def gradients(inputs: Any, targets: Any, signs: Any) -> list[Any]:
        n = tf.size(signs)
        with tf.GradientTape() as tape:
            # Keras takes the mean over the last axis of each example, so there has to be one.
            outputs = tf.reshape(model(inputs, training=True), (n, -1))
            total = loss(tf.reshape(targets, (n, -1)), outputs, sample_weight=signs) * tf.cast(n, tf.float32)
        found = tape.gradient(total, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return [tf.convert_to_tensor(gradient) for gradient in found]

    rng = np.random.default_rng(seed)
    squares = [np.zeros(variable.shape, np.float32) for variable in variables]
    for _ in range(DRAWS):
        sums = [np.zeros(variable.shape, np.float32) for variable in variables]
        for inputs, targets in _parts(train):
            signs = rng.choice(np.array([-1, 1], np.float32), len(targets))
            for total, gradient in zip(sums, gradients(inputs, targets, signs), strict=True):
                total += gradient.numpy()
        for square, total in zip(squares, sums, strict=True):
            square += total**2 / DRAWS
    return squares


def _parts(train: TrainingPart) -> Iterator[tuple[Any, Any]]:
    """All examples, some at a time, as tensors."""
    for block in train.blocks(batch_size=1):
        for start in range(0, len(block.order), _ROWS):
            rows = slice(start, start + _ROWS)
            examples = (block.tensors.inputs, block.tensors.targets)
            yield tf.nest.map_structure(lambda values: tf.constant(values[rows]), examples)  # noqa: B023
