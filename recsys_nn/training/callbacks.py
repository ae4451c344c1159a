"""Callbacks that every training has."""

from __future__ import annotations

import math
import time
from typing import Any

import keras
import numpy as np
from rich.console import Console

from recsys_nn.data.tensors import TrainingPart
from recsys_nn.errors import TrainingError

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


class StopOnNonFinite(keras.callbacks.Callback):
    """Ends a training whose loss is no longer a number, saying why it probably is not."""

    def __init__(self, train: TrainingPart, learning_rate: float) -> None:
        super().__init__()
        self._train, self._learning_rate = train, learning_rate

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        for name, value in (logs or {}).items():
            if name.endswith("loss") and not math.isfinite(value):
                raise TrainingError(
                    f"epoch {epoch + 1}: {name} is {float(value)} at learning rate {self._learning_rate:g}; "
                    f"{self._likely_cause()}"
                )

    def _likely_cause(self) -> str:
        for name, spread in _float_spreads(self._train).items():
            if spread > 100:
                return (
                    f"the likely cause is that the input {name!r} is not standardised (it reaches {spread:g}): "
                    "give its columns mean 0 and standard deviation 1"
                )
        return f"the likely cause is that this rate is too high: try {min(self._learning_rate / 10, 1e-3):g}"


class ProgressLines(keras.callbacks.Callback):
    """A line an epoch, of what ``log`` (called before) kept of it, marked where the monitored quantity is the best."""

    def __init__(self, log: EpochLog, epochs: int, monitor: str | None, console: Console) -> None:
        super().__init__()
        self._log, self._epochs, self._monitor, self._console = log, epochs, monitor, console
        self._best = math.inf

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        row = self._log.rows[-1]
        parts = [f"epoch {row['epoch']:>{len(str(self._epochs))}}/{self._epochs}"]
        parts += [f"{name} {value:.4f}" for name, value in row.items() if name not in ("epoch", "seconds")]
        parts += [f"{row['seconds']:.1f} s"]
        monitored = row.get(self._monitor or "", math.inf)
        if monitored < self._best:
            self._best = monitored
            parts += ["best so far"]
        self._console.print("  ".join(parts), soft_wrap=True, highlight=False)


def _float_spreads(train: TrainingPart) -> dict[str, float]:
    """The largest magnitude of each input that is not of integers."""
    one = train.take(np.array([0])).named_inputs
    spreads = {name: 0.0 for name, values in one.items() if values.dtype.kind == "f"}
    for block in train.blocks(batch_size=1) if spreads else ():
        for name in spreads:
            spreads[name] = max(spreads[name], float(np.abs(block.tensors.named_inputs[name]).max()))
    return spreads
