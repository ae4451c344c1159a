"""Samples of a model's posterior: many weights that explain the training part about as well as the best do.

The posterior of the weights θ given n ratings is exp(-U(θ)), where the objective of the training is a mean of losses
ℓ_k with penalties, and

    U(θ) = n (1/n Σ_k ℓ_k(θ) + penalties)              for a head with probabilities, whose ℓ are -log P(r_k),
    U(θ) = n (1/n Σ_k ℓ_k(θ) + penalties) / (2 σ²)     for squared errors, with noise of variance σ².

The chain is run by :class:`Langevin` within the compiled epoch. Its steps are made with the whole training part, up to
a million examples; beyond, the step size is such that the batches' own noise is at most a tenth of the chain's.

In the burn-in the penalties are learned, at T = 1 (``penalties.py``). A sample is the mean of the weights over
``thin`` epochs: near each other, the weights differ by noise that would need many samples to average out.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from math import sqrt
from pathlib import Path
from typing import Any

import keras
import numpy as np
from rich.console import Console

from recsys_nn.errors import TrainingError
from recsys_nn.posterior.config import PosteriorConfig
from recsys_nn.posterior.curvature import Arrays, Curvature
from recsys_nn.posterior.langevin import Langevin
from recsys_nn.posterior.penalties import LearnedPenalties
from recsys_nn.tensors import TrainingPart
from recsys_nn.training import (
    Checkpointing,
    Checkpoints,
    Objective,
    State,
    TrainingRun,
    choose_engine,
    non_finite,
    objective_of,
)

STEP_EXAMPLES = 2**20
SHORTER, ATTEMPTS = 0.7, 8
"""Factor by which steps are shorter in a chain begun anew after divergence, and the most chains that are begun."""
WARM, MIN_BURN_IN = 20, 30
"""Epochs after which the weights are no longer those of the mode, and the burn-in that is worth learning in."""


def posterior_weights(
    run: TrainingRun,
    train: TrainingPart,
    config: PosteriorConfig,
    temperatures: Sequence[float],
    *,
    progress: bool = False,
    checkpoints: str | Path | None = None,
) -> dict[float, list[Arrays]]:
    """Samples ``config.samples`` values of ``run.model``'s trainable variables for each temperature, along one chain.

    The chain starts from the weights that the model has. The variance σ² of the noise is the squared error of the run's
    best epoch, on validation where there is such. A chain that diverges is begun anew with shorter steps. The
    model itself ends as it was. Ctrl-C ends the chain and keeps the samples so far, unless it can go on from
    ``checkpoints``.

    Args:
        run: the training whose model is sampled.
        train: the training part's examples.
        config: settings of the chain, whose ``temperature`` is not looked at.
        temperatures: the temperatures, in falling order.
        progress: whether to print a line a sample.
        checkpoints: a folder for the states of the chain, as of a training (``Trainer``).

    Raises:
        KeyboardInterrupt: by Ctrl-C, with ``checkpoints`` or before the first sample.
        TrainingError: where the chain diverges however short the steps.
        ArtifactError: where a checkpoint cannot be written, or is damaged or of another chain.
    """
    before = run.model.get_weights()
    try:
        kept = None if checkpoints is None else Checkpoints(checkpoints)
        chain = _Chain(run, train, config, temperatures, console=Console(quiet=not progress), checkpoints=kept)
        chain.walk()
        return chain.samples
    finally:
        run.model.set_weights(before)


class _Chain(keras.callbacks.Callback):
    """A walk through the posterior: the burn-in, then the samples at each temperature after an approach to it."""

    def __init__(
        self,
        run: TrainingRun,
        train: TrainingPart,
        config: PosteriorConfig,
        temperatures: Sequence[float],
        *,
        console: Console,
        checkpoints: Checkpoints | None,
    ) -> None:
        super().__init__()
        self.samples: dict[float, list[Arrays]] = {}
        self._variables: Sequence[Any] = run.model.trainable_variables
        self._objective: Objective = objective_of(run.model, run.config)
        self._train, self._config, self._settings = train, config, run.config
        self._attempts, self._console, self._checkpoints = 0, console, checkpoints
        self._nats = 1.0
        if self._objective.model is run.model:
            best = run.history.iloc[run.best_epoch - 1]
            self._nats /= 2 * max(float(best.get("val_loss", best["loss"])), 1e-6)
        self._curvature = Curvature(self._objective, train, nats=self._nats)
        self._penalties = LearnedPenalties(self._objective, train, nats=self._nats)
        self._start = [variable.numpy() for variable in self._variables]
        self._plan(temperatures)
        self._restart()

    def checkpoint(self) -> State:
        """State of the chain that :class:`Checkpointing` saves every epoch; samples are files of their own."""
        return {
            "attempts": self._attempts,
            "done": self._done,
            "first_loss": self._first_loss,
            "factors": self._penalties.factors,
            "sums": self._sums,
            "summed": self._summed,
            "samples": [[temperature, len(samples)] for temperature, samples in self.samples.items()],
        }

    def restore(self, state: State) -> None:
        """Restores the chain from a saved state."""
        assert self._checkpoints is not None
        self._attempts, self._done, self._first_loss = state["attempts"], state["done"], state["first_loss"]
        self._penalties.factors = state["factors"]
        self._sums, self._summed = state["sums"], state["summed"]
        for temperature, n in state["samples"]:
            kept = (self._checkpoints.kept(_sample_name(temperature, number)) for number in range(n))
            self.samples[temperature] = [sample["weights"] for sample in kept]

    def _plan(self, temperatures: Sequence[float]) -> None:
        self._temperatures = temperatures
        burn_in, thin = self._config.burn_in, self._config.thin
        learns = self._config.penalties == "learned" and burn_in >= MIN_BURN_IN
        settling = burn_in - burn_in // 6
        self._learning = range(max(burn_in // 3, WARM), settling, 2) if learns else range(0)
        self._weighed = {burn_in // 6, burn_in // 2, settling} - {0}
        self._heats = {0: 1.0 if learns else temperatures[0], settling: temperatures[0]}
        self._sampled: dict[int, float] = {}
        end = burn_in
        for temperature in temperatures:
            if end > burn_in:
                self._heats[end] = temperature
                end += thin
            self._sampled |= dict.fromkeys(range(end, end + self._config.samples * thin), temperature)
            end += self._config.samples * thin
        self._end = end

    def _restart(self) -> None:
        """Goes back to the starting weights, from which the epochs of the chain, ``_done``, are counted."""
        for variable, values in zip(self._variables, self._start, strict=True):
            variable.assign(values)
        self._penalties.forget()
        self._done, self._first_loss = 0, 0.0
        self._sums, self._summed = [np.zeros_like(values) for values in self._start], 0
        self.samples.clear()

    def walk(self) -> None:
        """Makes the steps of the chain, until it ends or Ctrl-C."""
        config, n = self._config, len(self._train)
        batch_size = min(n, STEP_EXAMPLES)
        step_size, kept = config.step_size, 1 - config.friction
        if batch_size < n:  # the slope of a batch has the variance n M / batch_size, in units of which a step is h
            coldest = min((heat for heat in self._heats.values() if heat), default=1.0)
            step_size = min(step_size, sqrt(0.1 * (1 - kept**2) * coldest * batch_size / n))
        self._dynamics = Langevin(
            self._masses(),
            learning_rate=step_size,
            friction=config.friction,
            scale=n * self._nats,
            seed=self._settings.seed,
        )
        model = self._objective.model
        self._dynamics.build(model.trainable_variables)
        model.compile(optimizer=self._dynamics, loss=self._objective.loss(), jit_compile=False)
        settings = self._settings.model_copy(
            update={"epochs": ATTEMPTS * self._end, "batch_size": batch_size, "shuffle": batch_size < n}
        )
        hooks: list[keras.callbacks.Callback] = [self]
        first_epoch = 0
        if self._checkpoints is not None:
            plan = config.model_dump(mode="json") | {"temperatures": list(self._temperatures), "examples": n}
            saved = Checkpointing(self._checkpoints, model, hooks, plan)
            first_epoch = saved.next_epoch(settings.epochs)
            hooks.append(saved)
        engine, _ = choose_engine(model, self._train, None, settings, hooks)
        try:
            engine.fit(hooks, first_epoch=first_epoch)
        except KeyboardInterrupt:
            if not self.samples or self._checkpoints is not None:
                raise

    def _masses(self) -> Arrays:
        return self._curvature.masses(self._penalties.precisions, seed=self._settings.seed)

    def _too_high(self, loss: float) -> bool:
        """Tells whether a loss is too high for a chain in equilibrium.

        There U is above its least value by T / 2 a weight, and by more where the loss has a stronger penalty than was
        learned; by ten times that it never is.
        """
        nats = sum(
            max(self._heats.values()) / 2 * np.prod(variable.shape) * max(1.0, 1 / factors.min())
            for variable, factors in zip(self._variables, self._penalties.factors, strict=True)
        )
        return not loss - self._first_loss < 10 * nats / (len(self._train) * self._nats) + 1e-3

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Sets what the plan changes before an epoch: temperature, penalties and masses."""
        if self._done in self._heats:
            self._dynamics.set_temperature(self._heats[self._done])
        if self._done in self._learning:
            self._penalties.learn()
            self._dynamics.set_springs(self._penalties.beyond)
        if self._done in self._weighed:
            self._dynamics.set_masses(self._masses())

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Counts the epoch, adds its weights to a sample, and shortens the steps of a chain that diverges."""
        loss = (logs or {})["loss"]
        self._first_loss = loss if self._done == 0 else self._first_loss
        if self._too_high(loss) or non_finite(self._objective.model) is not None:
            self._shorten()
            return
        if self._done in self._sampled:
            self._summed += 1
            for total, variable in zip(self._sums, self._variables, strict=True):
                total += variable.numpy()
            if self._summed == self._config.thin:
                self._keep(self._sampled[self._done], loss)
        self._done += 1
        self.model.stop_training = self._done == self._end

    def _keep(self, temperature: float, loss: float) -> None:
        """Keeps the mean of the weights since the last sample as a sample."""
        mean = [total / np.float32(self._summed) for total in self._sums]
        samples = self.samples.setdefault(temperature, [])
        if self._checkpoints is not None:
            self._checkpoints.keep(_sample_name(temperature, len(samples)), {"weights": mean})
        samples.append(mean)
        self._sums, self._summed = [np.zeros_like(total) for total in self._sums], 0
        self._console.print(
            f"sample {len(samples)}/{self._config.samples}  temperature {temperature:g}  loss {loss:.4f}",
            highlight=False,
        )

    def _shorten(self) -> None:
        """Begins anew with shorter steps."""
        self._attempts += 1
        was = float(self._dynamics.learning_rate)
        if self._attempts == ATTEMPTS:
            raise TrainingError(
                f"the chain of samples diverges: set ensemble.step_size to {SHORTER * was:.2g}, or raise penalties"
            )
        shorter = f"it is restarted with {SHORTER * was:.2g}"
        warnings.warn(f"the chain of samples diverged at the step size {was:.2g}: {shorter}", stacklevel=2)
        self._restart()
        self._dynamics.restart(self._masses(), SHORTER * was)


def _sample_name(temperature: float, number: int) -> str:
    return f"sample-{temperature:g}-{number}"
