"""Callbacks that every training has."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from rich.console import Console

from recsys_nn.errors import TrainingError
from recsys_nn.training.input_scales import InputScale

Logs = dict[str, Any]


class EpochLog(keras.callbacks.Callback):
    """Keeps a row an epoch: its number from 1, what Keras logs, and its seconds; if asked, its last weights."""

    def __init__(self, *, keep_weights: bool) -> None:
        super().__init__()
        self.rows: list[dict[str, float]] = []
        self.last_weights: list[Any] | None = None
        self._keep_weights = keep_weights
        self._began = 0.0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._began = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        values = {name: float(value) for name, value in (logs or {}).items()}
        self.rows.append({"epoch": epoch + 1, **values, "seconds": time.perf_counter() - self._began})
        if self._keep_weights:
            self.last_weights = self.model.get_weights()


class RecordedRates(keras.callbacks.Callback):
    """Sets the learning rate of each epoch to that of another training, which found it by what validation said.

    Args:
        rates: learning rates, an epoch each; the last one holds for further epochs.
    """

    def __init__(self, rates: Sequence[float]) -> None:
        super().__init__()
        self._rates = list(rates)

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self.model.optimizer.learning_rate = self._rates[min(epoch, len(self._rates) - 1)]


class StopOnNonFinite(keras.callbacks.Callback):
    """Ends a training whose loss or weights are no longer numbers, saying why they probably are not.

    A batch may spoil weights that no later one of its epoch reads, and no validation example either: the losses do not
    show it then.
    """

    def __init__(self, inputs: Mapping[str, InputScale], learning_rate: float) -> None:
        super().__init__()
        self._inputs, self._learning_rate = inputs, learning_rate

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        for name, value in (logs or {}).items():
            if name.endswith("loss") and not math.isfinite(value):
                self._end(epoch, f"{name} is {float(value)}")
        if (weight := non_finite(self.model)) is not None:
            self._end(epoch, f"{weight} is no longer a number")

    def _end(self, epoch: int, what: str) -> None:
        raise TrainingError(
            f"epoch {epoch + 1}: {what} at learning rate {self._learning_rate:g}; {self._likely_cause()}"
        )

    def _likely_cause(self) -> str:
        for name, scale in self._inputs.items():
            if not scale.standardised:
                return (
                    f"the likely cause is that the input {name!r} is not standardised (its column {scale.column} has "
                    f"mean {scale.mean:.4g} and standard deviation {scale.std:.4g}): give its columns mean 0 and "
                    "standard deviation 1"
                )
        return f"the likely cause is that this rate is too high: lower it to {min(self._learning_rate / 10, 1e-3):g}"


def non_finite(model: keras.Model) -> str | None:
    """The path of a weight that is NaN or infinite somewhere; None where all are finite."""
    for variable in model.weights:
        values = variable.numpy()
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            return str(variable.path)
    return None


class ProgressLines(keras.callbacks.Callback):
    """Prints a line an epoch, marked where its weights are the best so far.

    Args:
        log: log of the epochs, which is called before.
        epochs: number of epochs of the training.
        stopping: callback that decides which epoch is the best, called before; None where none does.
        console: console that the lines are printed on.
    """

    def __init__(
        self, log: EpochLog, epochs: int, stopping: keras.callbacks.EarlyStopping | None, console: Console
    ) -> None:
        super().__init__()
        self._log, self._epochs, self._stopping, self._console = log, epochs, stopping, console

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        row = self._log.rows[-1]
        parts = [f"epoch {row['epoch']:>{len(str(self._epochs))}}/{self._epochs}"]
        parts += [f"{name} {value:.4f}" for name, value in row.items() if name not in ("epoch", "seconds")]
        parts += [f"{row['seconds']:.1f} s"]
        if self._stopping is not None and self._stopping.best_epoch == epoch:
            parts += ["best so far"]
        self._console.print("  ".join(parts), soft_wrap=True, highlight=False)
