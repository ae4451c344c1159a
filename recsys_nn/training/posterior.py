"""Samples of a model's posterior: many weights that explain the training part about as well as the best do.

The posterior of the weights θ given n ratings is exp(-U(θ)), where the objective of the training is a mean of losses
ℓ_k with penalties, and

    U(θ) = n (1/n Σ_k ℓ_k(θ) + penalties)              for a head with probabilities, whose ℓ are -log P(r_k),
    U(θ) = n (1/n Σ_k ℓ_k(θ) + penalties) / (2 σ²)     for squared errors, with noise of variance σ².

The chain is run by :class:`Langevin` within the compiled epoch. Its steps are made with the whole training part, up to
a million examples; beyond, the step size is such that the batches' own noise is at most a tenth of the chain's.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from math import sqrt
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from recsys_nn.data.tensors import TrainingPart
from recsys_nn.errors import TrainingError
from recsys_nn.training.curvature import Curvature
from recsys_nn.training.engines import choose_engine
from recsys_nn.training.ensemble import PosteriorConfig
from recsys_nn.training.langevin import Langevin
from recsys_nn.training.objective import Objective, objective_of
from recsys_nn.training.run import TrainingRun

STEP_EXAMPLES = 2**20
ATTEMPTS = 3
"""How many chains may diverge, each with half the step size of the one before."""

Weights = list[npt.NDArray[np.float32]]


def posterior_weights(run: TrainingRun, train: TrainingPart, config: PosteriorConfig) -> list[Weights]:
    """``config.samples`` values of the trainable variables of ``run.model``, along a chain from those that it has.

    The variance σ² of the noise is the squared error of the run's best epoch, on validation where there is such. The
    masses are worked out at the start and again halfway through the burn-in. A chain that diverges is begun anew with
    half the step size. The model itself ends as it was. Ctrl-C ends the chain and keeps the samples so far.

    Raises:
        TrainingError: where the steps diverge however short the steps.
    """
    before = run.model.get_weights()
    step_size = config.step_size
    try:
        for _ in range(ATTEMPTS):
            chain = _Chain(run, train, config.model_copy(update={"step_size": step_size}))
            if chain.walked():
                return chain.samples
            run.model.set_weights(before)
            warnings.warn(f"the chain of samples diverged at the step size {step_size:g}: halved", stacklevel=2)
            step_size /= 2
    finally:
        run.model.set_weights(before)
    raise TrainingError(f"the chain of samples diverges: try ensemble.step_size {step_size / 2:g}, or more penalty")


class _Chain(keras.callbacks.Callback):
    """A walk through the posterior, of which the weights of every ``thin``-th epoch after the burn-in are kept."""

    def __init__(self, run: TrainingRun, train: TrainingPart, config: PosteriorConfig) -> None:
        super().__init__()
        self.samples: list[Weights] = []
        self._variables: Sequence[Any] = run.model.trainable_variables
        self._objective: Objective = objective_of(run.model, run.config)
        self._train, self._config, self._settings = train, config, run.config
        self._diverged = False
        self._first_loss = 0.0
        self._nats = 1.0
        if self._objective.model is run.model:
            best = run.history.iloc[run.best_epoch - 1]
            self._nats /= 2 * max(float(best.get("val_loss", best["loss"])), 1e-6)
        self._curvature = Curvature(self._objective, train, nats=self._nats)

    def walked(self) -> bool:
        """Makes the steps; False where they diverged."""
        config, n = self._config, len(self._train)
        batch_size = min(n, STEP_EXAMPLES)
        step_size, kept = config.step_size, 1 - config.friction
        if batch_size < n:  # the slope of a batch has the variance n M / batch_size, in units of which a step is h
            step_size = min(step_size, sqrt(0.1 * (1 - kept**2) * config.temperature * batch_size / n))
        self._dynamics = Langevin(
            self._curvature.masses(seed=self._settings.seed),
            learning_rate=step_size,
            friction=config.friction,
            scale=n * self._nats,
            temperature=config.temperature,
            seed=self._settings.seed,
        )
        model = self._objective.model
        # In equilibrium U is above its least value by T / 2 a weight; by more than ten times that it never is.
        n_weights = sum(int(np.prod(variable.shape)) for variable in self._variables)
        self._beyond = 5 * config.temperature * n_weights / (n * self._nats) + 1e-3
        model.compile(optimizer=self._dynamics, loss=self._objective.loss(), jit_compile=False)
        epochs = config.burn_in + config.samples * config.thin
        settings = self._settings.model_copy(
            update={"epochs": epochs, "batch_size": batch_size, "shuffle": batch_size < n}
        )
        engine, _ = choose_engine(model, self._train, None, settings, [self])
        try:
            engine.fit([self])
        except KeyboardInterrupt:
            if not self.samples:
                raise
        return not self._diverged

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """What Keras calls after every epoch."""
        loss = (logs or {})["loss"]
        self._first_loss = loss if epoch == 0 else self._first_loss
        if not loss - self._first_loss < self._beyond:
            self._diverged = self.model.stop_training = True
        elif epoch + 1 == self._config.burn_in // 2:
            self._dynamics.set_masses(self._curvature.masses(seed=self._settings.seed))
        after = epoch + 1 - self._config.burn_in
        if after > 0 and after % self._config.thin == 0:
            self.samples.append([variable.numpy() for variable in self._variables])
