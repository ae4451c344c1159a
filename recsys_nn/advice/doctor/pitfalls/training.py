"""Pitfalls that a training shows: its losses by epoch, and its inputs."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from recsys_nn.advice.doctor.evidence import Evidence
from recsys_nn.advice.doctor.finding import Finding

MIN_EPOCHS = 5
"""Least number of epochs from whose losses anything is concluded."""
EXPLODED = 1.5
"""Times its least value to which a training loss must not rise."""
OSCILLATING = 0.02
"""The mean rise of a training loss from one epoch to the next, as a share of its least value, in epochs in which it
rises."""
OFTEN = 0.25
"""Share of the epochs in which an oscillating training loss rises."""
BARELY = 0.1
"""The fall of a loss over a whole training, as a share, below which it has barely moved."""
STUCK = 0.002
STEADY = 0.5
"""The fall in the last third of the epochs over that in the first, above which a loss falls as if it had just begun."""
STILL_FALLING = 0.005
"""The fall of a loss in the last tenth of the epochs, as a share."""
OVERFITTED = 1.02
"""Times its least value to which a validation loss rises where a network learns by heart."""


def inputs_not_normalised(evidence: Evidence) -> Iterator[Finding]:
    """Finds a column of the inputs that is far from mean 0 and standard deviation 1."""
    for name, scale in {} if evidence.run is None else evidence.run.inputs.items():
        if not scale.standardised:
            yield Finding(
                "inputs-not-normalised",
                "warning",
                "Inputs are not standardised: the gradient of the largest column dominates the others, and training is "
                "slow or unstable.",
                f"Column {scale.column} of the input {name!r} has mean {scale.mean:.4g} and standard deviation "
                f"{scale.std:.4g}.",
                "Standardise each column with the mean and the standard deviation of the training part "
                "(sklearn.preprocessing.StandardScaler, or a keras.layers.Normalization in the network).",
            )


def learning_rate_too_high(evidence: Evidence) -> Iterator[Finding]:
    """Finds a loss that is no longer a number, has exploded, or goes up and down, unless the inputs explain it."""
    if evidence.run is None or any(inputs_not_normalised(evidence)):
        return
    rate, losses = evidence.run.config.learning_rate, evidence.run.history["loss"].to_numpy(dtype=float)
    if evidence.run.stop_reason == "diverged":
        seen, divisor = f"The loss was {losses[-1]:g} in epoch {len(losses)}", 10
    elif losses[-1] > EXPLODED * losses.min():
        seen = (
            f"The loss rose from {losses.min():.4g} in epoch {losses.argmin() + 1} to {losses[-1]:.4g} in epoch "
            f"{len(losses)}"
        )
        divisor = 10
    elif oscillates(losses):
        rises = np.diff(losses)
        seen = f"The loss rose in {int((rises > 0).sum())} of {len(rises)} epochs, by up to {rises.max():.3g}"
        divisor = 3
    else:
        return
    yield Finding(
        "learning-rate-too-high",
        "error" if evidence.run.stop_reason == "diverged" else "warning",
        "The learning rate is too high: steps overshoot the minimum, and the loss explodes or oscillates.",
        f"{seen}, at learning rate {rate:g}.",
        "Lower the learning rate.",
        {"training.learning_rate": _rounded(rate / divisor)},
    )


def oscillates(losses: np.ndarray) -> bool:
    """Tells whether a training loss rises often, and by much."""
    if len(losses) < MIN_EPOCHS:
        return False
    rises = np.maximum(np.diff(losses), 0)
    often = (rises > 0).mean() >= OFTEN
    return bool(often and rises[rises > 0].mean() > OSCILLATING * losses.min())


def learning_rate_too_low(evidence: Evidence) -> Iterator[Finding]:
    """Finds a loss that barely moves, and falls at the end as it did at the beginning."""
    if (found := evidence.losses()) is None or evidence.run is None:
        return
    name, losses = found
    if len(losses) < MIN_EPOCHS or not np.isfinite(losses).all():
        return
    fall = 1 - losses.min() / losses[0] if losses[0] > 0 else 0.0
    training = evidence.run.history["loss"].to_numpy(dtype=float)
    stuck = training.max() - training.min() < STUCK * abs(training[0])
    if stuck or (evidence.run.stop_reason == "epochs" and fall < BARELY and steady(losses)):
        rate = evidence.run.config.learning_rate
        yield Finding(
            "learning-rate-too-low",
            "warning",
            "The learning rate is too low: the loss barely decreases, and training would take very long.",
            f"{name} went from {losses[0]:.4g} to {losses[-1]:.4g}, {fall:.1%} less, in {len(losses)} epochs at "
            f"learning rate {rate:g}.",
            "Raise the learning rate (rn.range_test finds one). If the loss still does not move, weaken the penalties.",
            {"training.learning_rate": _rounded(rate * 10)},
        )


def steady(losses: np.ndarray) -> bool:
    """Tells whether a loss falls in the last third of its epochs half as fast as in the first, or faster."""
    third = max(1, (len(losses) - 1) // 3)
    return bool(losses[-1 - third] - losses[-1] > STEADY * (losses[0] - losses[third]) > 0)


def too_few_epochs(evidence: Evidence) -> Iterator[Finding]:
    """Finds that all epochs were done while the validation loss was still falling."""
    run = evidence.run
    if run is None or run.stop_reason != "epochs" or not run.n_validation or any(learning_rate_too_low(evidence)):
        return
    losses, n = run.history["val_loss"].to_numpy(dtype=float), len(run.history)
    before = losses[-1 - math.ceil(n / 10)] if n > 1 else math.inf
    if int(losses.argmin()) == n - 1 and 1 - losses[-1] / before > STILL_FALLING:
        yield Finding(
            "too-few-epochs",
            "warning",
            "Training ended too early: the validation loss was still falling.",
            f"All {n} epochs were done, and the last was the best: val_loss was {losses[-1]:.4g}"
            + (f", {1 - losses[-1] / before:.1%} less than in epoch {n - math.ceil(n / 10)}." if n > 1 else "."),
            "Set epochs to an upper bound, and let patience end the training.",
            {"training.epochs": max(100, 2 * n), "training.patience": run.config.patience or 3},
        )


def no_early_stopping(evidence: Evidence) -> Iterator[Finding]:
    """Finds that training without patience went on when the validation loss had long risen."""
    run = evidence.run
    if run is None or run.config.patience is not None or not run.n_validation:
        return
    losses = run.history["val_loss"].to_numpy(dtype=float)
    best, n = int(losses.argmin()) + 1, len(losses)
    if n - best >= MIN_EPOCHS and losses[-1] > OVERFITTED * losses.min():
        yield Finding(
            "no-early-stopping",
            "warning",
            "Training went on for too many epochs without early stopping: the network overfits its training part.",
            f"val_loss was {losses.min():.4g} in epoch {best} and {losses[-1]:.4g} in epoch {n}, "
            f"{losses[-1] / losses.min() - 1:.0%} more, while the training loss fell to "
            f"{run.history['loss'].iloc[-1]:.4g}. (The weights of epoch {best} were kept.)",
            "Stop after a few epochs without improvement.",
            {"training.patience": 3},
        )


def _rounded(rate: float) -> float:
    return float(f"{rate:.1g}")
