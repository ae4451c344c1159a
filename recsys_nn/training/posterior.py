"""Samples of a model's posterior: many weights that explain the training part about as well as the best do.

The posterior of the weights θ given n ratings is exp(-U(θ)), where the objective of the training is a mean of losses ℓ_k
with penalties, and

    U(θ) = n (1/n Σ_k ℓ_k(θ) + penalties)              for a head with probabilities, whose ℓ are -log P(r_k),
    U(θ) = n (1/n Σ_k ℓ_k(θ) + penalties) / (2 σ²)     for squared errors, with noise of variance σ².

The chain is run by :class:`Langevin` within the compiled epoch, a step a batch.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from recsys_nn.data.tensors import TrainingPart
from recsys_nn.errors import TrainingError
from recsys_nn.training.engines import choose_engine
from recsys_nn.training.ensemble import PosteriorConfig
from recsys_nn.training.feeding import evaluation_dataset
from recsys_nn.training.langevin import Langevin
from recsys_nn.training.objective import Objective, objective_of
from recsys_nn.training.run import TrainingRun

DRAWS = 32
"""Passes over the training part from which the curvature is estimated."""
FLOOR = 0.2
"""The least mass, as a share of the mean over the variable: what is seldom rated is moved by its penalty alone."""
STIFFEST = 20.0
"""The largest curvature, in units of the mass, that a variable may have at the step size 0.1."""

Weights = list[npt.NDArray[np.float32]]


def sample_posterior(run: TrainingRun, train: TrainingPart, config: PosteriorConfig) -> list[Weights]:
    """``config.samples`` values of the trainable variables of ``run.model``, along a chain from those that it has.

    The variance σ² of the noise is the squared error of the run's best epoch, on validation where there is such.
    Ctrl-C ends the chain and keeps the samples so far.

    Raises:
        TrainingError: where the loss becomes NaN or infinite.
    """
    objective = objective_of(run.model, run.config)
    n, settings = len(train), run.config
    nats = 1.0
    if objective.model is run.model:
        best = run.history.iloc[run.best_epoch - 1]
        nats /= 2 * float(best.get("val_loss", best["loss"]))
    dynamics = Langevin(
        _masses(objective, train, nats, seed=settings.seed),
        learning_rate=config.step_size,
        friction=config.friction,
        scale=n * nats,
        temperature=config.temperature,
        seed=settings.seed,
    )
    objective.model.compile(optimizer=dynamics, loss=objective.loss(), jit_compile=False)
    settings = settings.model_copy(update={"epochs": config.burn_in + config.samples * config.thin})
    kept = _Kept(run.model.trainable_variables, config)
    engine, _ = choose_engine(objective.model, train, None, settings, [kept])
    try:
        engine.fit([kept])
    except KeyboardInterrupt:
        if not kept.samples:
            raise
    return kept.samples


class _Kept(keras.callbacks.Callback):
    """Keeps the weights of every ``thin``-th epoch after the burn-in."""

    def __init__(self, variables: list[Any], config: PosteriorConfig) -> None:
        super().__init__()
        self.samples: list[Weights] = []
        self._variables, self._config = variables, config

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        if not np.isfinite((logs or {})["loss"]):
            raise TrainingError(
                f"the chain of samples diverged at its step {epoch + 1}: "
                f"try ensemble.step_size {self._config.step_size / 2:g}, or more penalty"
            )
        after = epoch + 1 - self._config.burn_in
        if after > 0 and after % self._config.thin == 0:
            self.samples.append([variable.numpy() for variable in self._variables])


def _masses(objective: Objective, train: TrainingPart, nats: float, *, seed: int) -> list[npt.NDArray[np.float32]]:
    """About the curvature of the negative log-likelihood in each weight; ``nats`` is its worth of a unit of loss."""
    coupled = {
        id(variable): layer.coupling
        for layer in objective.model._flatten_layers()
        if hasattr(layer, "coupling")
        for variable in layer.trainable_variables
    }
    masses = []
    variables = objective.model.trainable_variables
    for variable, diagonal in zip(variables, _fisher_diagonal(objective, train, seed=seed), strict=True):
        curvature = nats**2 * diagonal
        mass = (curvature + FLOOR * curvature.mean()) * max(1.0, coupled.get(id(variable), 1.0) / STIFFEST)
        masses.append(np.where(diagonal > 0, mass, np.float32(np.inf)))  # what no rating moves stays as it is
    return masses


def _fisher_diagonal(objective: Objective, train: TrainingPart, *, seed: int) -> list[npt.NDArray[np.float32]]:
    """Σ_k (∂ℓ_k/∂θ)² for every weight θ, the diagonal of the empirical Fisher information of n examples.

    Of one gradient with random signs ε_k it is the expectation, E[(∂/∂θ Σ_k ε_k ℓ_k)²].
    """
    model, loss = objective.model, objective.loss()
    variables = model.trainable_variables

    @tf.function(reduce_retracing=True)
    def gradients(inputs: Any, targets: Any, signs: Any) -> list[Any]:
        with tf.GradientTape() as tape:
            # Keras takes the mean over the last axis of each example, so there has to be one.
            n = tf.size(signs)
            outputs = tf.reshape(model(inputs, training=True), (n, -1))
            total = loss(tf.reshape(targets, (n, -1)), outputs, sample_weight=signs) * tf.cast(n, tf.float32)
        found = tape.gradient(total, variables, unconnected_gradients=tf.UnconnectedGradients.ZERO)
        return [tf.convert_to_tensor(gradient) for gradient in found]

    rng = np.random.default_rng(seed)
    squares = [np.zeros(variable.shape, np.float32) for variable in variables]
    for _ in range(DRAWS):
        sums = [np.zeros(variable.shape, np.float32) for variable in variables]
        for inputs, targets in evaluation_dataset(train):
            signs = rng.choice(np.array([-1, 1], np.float32), len(targets))
            for total, gradient in zip(sums, gradients(inputs, targets, signs), strict=True):
                total += gradient.numpy()
        for square, total in zip(squares, sums, strict=True):
            square += total**2 / DRAWS
    return squares
