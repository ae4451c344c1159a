"""What is tried out before it is suggested: the learning rate by a range test, and whether 20 epochs are enough."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil

import numpy as np

from recsys_nn.advice.suggestion import Choice
from recsys_nn.config import RunConfig
from recsys_nn.data.ratings import Ratings
from recsys_nn.data.splits import Split
from recsys_nn.errors import TrainingError
from recsys_nn.models import build_model
from recsys_nn.run_data import fit_encoder
from recsys_nn.training.range_test import RangeTest, range_test
from recsys_nn.training.run import TrainingRun
from recsys_nn.training.trainer import Trainer

MOST_RATINGS = 2**18
"""A larger table is tried out on a sample of its users."""
EPOCHS, MOST_EPOCHS, PATIENCE = 20, 100, 5
FEW_STEPS, MOST_STEPS, PATIENT_STEPS = 10, 1000, 20
"""Where an epoch has fewer steps, 20 epochs tell nothing: then these many steps, and these many of patience."""


class Trial:
    """A config without a learning rate and a number of epochs, tried out on the training part of a table.

    Args:
        config: of the run, as far as it is known.
        split: what it will be trained on.
    """

    def __init__(self, config: RunConfig, split: Split) -> None:
        train = sampled(split.train, most=MOST_RATINGS, seed=config.seed)
        self._config = config
        self._sampled = len(train) < len(split.train)
        encoder = fit_encoder(Split(train, split.validation), config.data.features)
        self._model = build_model(config.model, encoder, seed=config.seed)
        self._train, self._validation = encoder.encode(train), encoder.encode(split.validation)
        self._steps = ceil(len(split.train) / config.training.batch_size)

    def rate(self) -> Choice:
        """The rate of a range test."""
        found = range_test(self._model, self._train, self._config.training)
        return rate_rule(found, on=self._on)

    def epochs(self, rate: float) -> Iterator[Choice]:
        """The number of epochs by a training of 20."""
        if self._steps < FEW_STEPS:
            yield from epochs_rule(None, self._steps)
            return
        settings = {"learning_rate": rate, "epochs": EPOCHS, "patience": None, "validation": 0.0}
        training = self._config.training.model_copy(update=settings)
        try:
            run = Trainer(training, progress=False).fit(self._model, self._train, self._validation)
        except TrainingError as error:
            raise TrainingError(f"the trial of {EPOCHS} epochs failed: {error}") from None
        yield from epochs_rule(run, self._steps)

    @property
    def _on(self) -> str:
        n = len(self._train)
        return f"{n:,} ratings of a sample of users" if self._sampled else f"the {n:,} training ratings"


def sampled(train: Ratings, *, most: int, seed: int) -> Ratings:
    """The ratings of as many users, drawn at random, as have about ``most`` together: so each is as known as in all."""
    if len(train) <= most:
        return train
    users = train.frame["user"].factorize()[0]
    order = np.random.default_rng(seed).permutation(users.max() + 1)
    together = np.cumsum(np.bincount(users)[order])
    kept = np.zeros(len(order), dtype=bool)
    kept[order[: max(2, np.searchsorted(together, most, side="right"))]] = True
    return train.take(kept[users])


def rate_rule(found: RangeTest, *, on: str) -> Choice:
    """A quarter of the rate up to which the loss falls."""
    return Choice(
        "training.learning_rate",
        found.rate,
        f"A range test on {on}: with rates that rise from {found.rates[0]:g} over {len(found.rates)} steps, the loss "
        f"fell from {found.smoothed[0]:.4g} to {found.smoothed.min():.4g} up to {found.limit:.2g}; a quarter of that.",
    )


def epochs_rule(run: TrainingRun | None, steps: int) -> Iterator[Choice]:
    """20 epochs where the error has stopped falling by then, else 100 at most, ended by early stopping.

    Args:
        run: of 20 epochs; None where an epoch has so few steps that there was none.
        steps: of an epoch.
    """
    patience = max(PATIENCE, ceil(PATIENT_STEPS / steps))
    stopping = f"Early stopping: after {patience} epochs without a lower validation loss the best one is restored."
    if run is None:
        some = "one step" if steps == 1 else f"{steps} steps"
        epochs = max(MOST_EPOCHS, ceil(MOST_STEPS / steps))
        reason = f"An epoch is {some}, so that {EPOCHS} would tell nothing: an upper bound, patience decides."
    else:
        losses = run.history["val_loss"]
        best, least = run.best_epoch, losses[run.best_epoch - 1]
        epochs = EPOCHS if best + PATIENCE <= EPOCHS else MOST_EPOCHS
        found = (
            f"In a trial of {EPOCHS} epochs validation loss went from {losses[0]:.4g} to {least:.4g} in epoch {best}"
        )
        reason = (
            f"{found} and rose from there: {EPOCHS} are enough."
            if epochs == EPOCHS
            else f"{found}, and may fall further: {MOST_EPOCHS} at most."
        )
    yield Choice("training.epochs", epochs, reason)
    yield Choice("training.patience", patience, stopping)
