"""Trial before a suggestion: the learning rate by a range test, and whether 20 epochs are enough."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import ceil
from typing import TYPE_CHECKING

import numpy as np

from recsys_nn.advice.suggest.suggestion import Choice
from recsys_nn.config import RunConfig
from recsys_nn.data import Ratings, Split
from recsys_nn.models import build_model
from recsys_nn.runs import fit_encoder
from recsys_nn.training import RangeTest, Trainer, TrainingRun, range_test

if TYPE_CHECKING:
    import keras
    from rich.console import Console

MAX_RATINGS = 2**18
"""Ratings above which a table is tried out on a sample of its users."""
EPOCHS, MAX_EPOCHS, PATIENCE = 20, 100, 5
FEW_STEPS, MAX_STEPS, PATIENT_STEPS = 10, 1000, 20
"""Steps an epoch below which 20 epochs tell nothing, and the steps and steps of patience that are then suggested."""


class Trial:
    """Trial of a config without a learning rate and a number of epochs, on the training part of a table.

    A range test gives a rate. Where an epoch has some steps, trainings of 20 epochs with that one, half and twice as
    much decide: the test sees the first steps alone, and not where a training ends.

    Args:
        config: config of the run, as far as it is known.
        split: parts that it will be trained and validated on.
    """

    def __init__(self, config: RunConfig, split: Split) -> None:
        self._config = config
        train = sampled(split.train, most=MAX_RATINGS, seed=config.seed)
        self._encoder = fit_encoder(Split(train, split.validation), config.data.features)
        self._train, self._validation = self._encoder.encode(train), self._encoder.encode(split.validation)
        self._steps = ceil(len(split.train) / config.training.batch_size)

    def choices(self, console: Console) -> Iterator[Choice]:
        """Yields the learning rate, the number of epochs and the patience; the console tells what goes on."""
        patience = max(PATIENCE, ceil(PATIENT_STEPS / self._steps))
        console.print(f"range test of the learning rate on {len(self._train):,} ratings")
        found = range_test(self._model(), self._train, self._config.training)
        runs: dict[float, TrainingRun] = {}
        if self._steps >= FEW_STEPS:
            for rate in one_digit(found.rate / 2, found.rate, found.rate * 2):
                console.print(f"{EPOCHS} epochs at the learning rate {rate:g}")
                runs[rate] = self._run(rate, patience)
        yield rate_rule(found, runs, n=len(self._train))
        yield epochs_rule(runs, self._steps)
        reason = f"After {patience} epochs without a lower validation loss the best epoch is restored."
        yield Choice("training.patience", patience, reason)

    def _model(self) -> keras.Model:
        return build_model(self._config.model, self._encoder, seed=self._config.seed)

    def _run(self, rate: float, patience: int) -> TrainingRun:
        settings = {"learning_rate": rate, "epochs": EPOCHS, "patience": patience}
        training = self._config.training.model_copy(update=settings)
        return Trainer(training, progress=False).fit(self._model(), self._train, self._validation)


def one_digit(*numbers: float) -> tuple[float, ...]:
    """Rounds each number to its first digit."""
    return tuple(float(f"{number:.0e}") for number in numbers)


def best_of(runs: Mapping[float, TrainingRun]) -> float:
    """The rate whose training had the least validation loss."""
    return min(runs, key=lambda rate: runs[rate].history["val_loss"].min())


def sampled(train: Ratings, *, most: int, seed: int) -> Ratings:
    """Draws at random as many users as have about ``most`` ratings together, with all their ratings."""
    if len(train) <= most:
        return train
    users = train.frame["user"].factorize()[0]
    order = np.random.default_rng(seed).permutation(users.max() + 1)
    together = np.cumsum(np.bincount(users)[order])
    kept = np.zeros(len(order), dtype=bool)
    kept[order[: max(2, np.searchsorted(together, most, side="right"))]] = True
    return train.take(kept[users])


def rate_rule(found: RangeTest, runs: Mapping[float, TrainingRun], *, n: int) -> Choice:
    """Suggests the rate of the best training, or, without trainings, a quarter of that up to which the loss falls.

    Args:
        found: result of the range test.
        runs: trainings of 20 epochs, by their rates.
        n: number of ratings in the trial.
    """
    reason = (
        f"A range test on {n:,} ratings: with rates that rise from {found.rates[0]:g} over {len(found.rates)} steps, "
        f"the loss fell from {found.smoothed[0]:.4g} to {found.smoothed.min():.4g} up to {found.limit:.2g}; a quarter "
        "of that"
    )
    if not runs:
        return Choice("training.learning_rate", found.rate, f"{reason}.")
    losses = ", ".join(f"{run.history['val_loss'].min():.4g} at {rate:g}" for rate, run in runs.items())
    reason += f", half or twice as much, by the least validation loss of up to {EPOCHS} epochs: {losses}."
    return Choice("training.learning_rate", best_of(runs), reason)


def epochs_rule(runs: Mapping[float, TrainingRun], steps: int) -> Choice:
    """Suggests 20 epochs where the best training was ended by patience before, else 100 at most.

    Args:
        runs: trainings of 20 epochs, by their rates; none where an epoch has few steps.
        steps: number of steps in an epoch.
    """
    if not runs:
        some = "one step" if steps == 1 else f"{steps} steps"
        reason = (
            f"An epoch is {some}, too few for a trial of {EPOCHS} epochs: an upper bound, as patience ends the "
            "training."
        )
        return Choice("training.epochs", max(MAX_EPOCHS, ceil(MAX_STEPS / steps)), reason)
    run = runs[best_of(runs)]
    losses = run.history["val_loss"]
    reason = f"In a trial validation loss went from {losses[0]:.4g} to {losses.min():.4g} in epoch {run.best_epoch}"
    if run.stop_reason == "patience":
        return Choice("training.epochs", EPOCHS, f"{reason} and rose from there: {EPOCHS} are enough.")
    reason += f" of {len(losses)}, and may fall further: {MAX_EPOCHS} at most."
    return Choice("training.epochs", MAX_EPOCHS, reason)
