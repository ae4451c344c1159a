"""The learning-rate range test: one short training whose rate rises until its loss no longer falls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from recsys_nn.errors import TrainingError
from recsys_nn.tensors import Tensors, TrainingPart
from recsys_nn.training.config import TrainConfig

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]
WINDOW = 11
"""Steps over which losses are averaged: those of single batches differ by more than a step changes them."""
SHARE = 0.25
"""Share of the limit that is taken for a rate."""
EXPLODED, MIN_LOSS = 10.0, 1e-6
"""Growth beyond the first loss, or beyond the least that counts, after which a loss has nothing more to say."""


@dataclass(frozen=True, eq=False)
class RangeTest:
    """The losses of a training whose rate rises from step to step (see :func:`range_test`).

    Attributes:
        rates: learning rates of the steps, (steps,).
        losses: losses of their batches, penalties included, before each step, (steps,).

    Example:
        >>> import numpy as np
        >>> rates = np.geomspace(1e-4, 1, 41)
        >>> found = rn.RangeTest(rates, losses=(np.log10(rates) + 0.5) ** 2)  # least at 10^-0.5
        >>> round(float(found.limit), 2), found.rate
        (0.32, 0.08)
    """

    rates: Floats = field(repr=False)
    losses: Floats = field(repr=False)

    @property
    def smoothed(self) -> Floats:
        """The mean of each loss and its five neighbours on either side, (steps,)."""
        beside = WINDOW // 2
        return np.convolve(np.pad(self.losses, beside, mode="edge"), np.full(WINDOW, 1 / WINDOW), mode="valid")

    @property
    def limit(self) -> float:
        """The rate at which the smoothed loss is least: beyond it, steps undo what those before have gained.

        Gradient descent on a quadratic loss of curvature λ gains up to η = 2/λ.
        """
        return float(self.rates[self.smoothed.argmin()])

    @property
    def rate(self) -> float:
        """A quarter of the limit (on a quadratic loss, half of 1/λ, the fastest), to one digit."""
        return float(f"{SHARE * self.limit:.0e}")

    def plot(self) -> Figure:
        """Plots the losses by rate, with the limit and the rate that is a quarter of it."""
        from matplotlib import pyplot as plt

        figure, axes = plt.subplots(figsize=(7, 4), layout="constrained")
        axes.semilogx(self.rates, self.losses, ".", color="0.6", markersize=4, label="of each batch")
        axes.semilogx(self.rates, self.smoothed, label=f"mean of {WINDOW}")
        axes.axvline(self.limit, color="0.5", linestyle=":", label=f"limit ({self.limit:.2g})")
        axes.axvline(self.rate, color="0.5", linestyle="--", label=f"rate ({self.rate:g})")
        axes.set(xlabel="learning rate", ylabel="training loss", title="Learning-rate range test")
        axes.set_ylim(top=2 * self.losses[0] - min(0.0, self.smoothed.min()))
        axes.grid(alpha=0.3)
        axes.legend()
        plt.close(figure)  # a notebook shows the returned figure; left open it would show it twice
        return figure


def range_test(
    model: keras.Model,
    train: TrainingPart,
    config: TrainConfig | None = None,
    *,
    lowest: float = 1e-4,
    highest: float = 1.0,
    steps: int = 100,
) -> RangeTest:
    """Makes one short training, in whose step t of T the learning rate is

        η_t = η_lowest (η_highest / η_lowest)^(t / (T - 1)),    t = 0, ..., T - 1

    (Smith 2017, "Cyclical learning rates for training neural networks", section 3.3, there with a linear rise). It
    ends early where the loss explodes. The model gets its weights back.

    Args:
        model: any keras.Model, this package's or not.
        train: what it shall be trained on.
        config: settings of the training but for the rate: optimizer, loss, batch size, order and seed.
        lowest: the rate of the first step.
        highest: the rate of the last.
        steps: T, the number of steps.

    Raises:
        TrainingError: where the loss of the first batch is no number.

    Example:
        >>> model = rn.build_model(rn.SVDConfig(), encoder)
        >>> found = rn.range_test(model, encoder.encode(split.train), rn.TrainConfig(batch_size=64), steps=20)
        >>> found.rates.shape, 0.0001 < found.rate < 1
        ((20,), True)
        >>> config = rn.TrainConfig(batch_size=64, learning_rate=found.rate)
    """
    from recsys_nn.training.compile import compile_model
    from recsys_nn.training.objective import objective_of
    from recsys_nn.training.trainer import prepare

    config = config or TrainConfig()
    prepare(model, train)
    objective = objective_of(model, config)
    compile_model(objective, config.model_copy(update={"schedule": None}), steps=steps)
    trained: Any = objective.model
    before, rates, losses = trained.get_weights(), np.geomspace(lowest, highest, steps), []
    try:
        for rate, batch in zip(rates, _batches(train, config), strict=False):
            trained.optimizer.learning_rate = rate
            trained.reset_metrics()
            losses.append(float(trained.train_on_batch(batch.inputs, batch.targets, return_dict=True)["loss"]))
            if not isfinite(losses[-1]) or abs(losses[-1]) > EXPLODED * max(abs(losses[0]), MIN_LOSS):
                break
    finally:
        trained.set_weights(before)
    finite = [loss for loss in losses if isfinite(loss)]
    if not finite:
        raise TrainingError(
            f"the loss is {losses[0]} before the first step: look for extreme values in inputs and targets"
        )
    return RangeTest(rates[: len(finite)], np.array(finite))


def _batches(train: TrainingPart, config: TrainConfig) -> Iterator[Tensors]:
    """The batches of one epoch after the other."""
    epoch = 0
    while True:
        for block in train.blocks(batch_size=config.batch_size, seed=config.seed, epoch=epoch, shuffle=config.shuffle):
            for first in range(0, len(block.order), config.batch_size):
                yield block.tensors.take(block.order[first : first + config.batch_size].astype(np.int64))
        epoch += 1
