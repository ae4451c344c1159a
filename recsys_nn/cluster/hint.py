"""Hint in a training's output that the run would gain from a cluster."""

from __future__ import annotations

import time
from typing import Any

import keras
from rich.console import Console

from recsys_nn.cluster.scaling_hint import Network, step_seconds, told_by

MIN_GAIN, MIN_SECONDS = 0.3, 600.0
"""Share of the time that two machines have to save, and seconds that have to be left, for the hint to be given."""


class ClusterHint(keras.callbacks.Callback):
    """Says after the first epoch what two machines would save, where they are worth their trouble.

    What a step takes of them comes from what it takes here (``cluster/scaling_hint.py``): they are as this one, whose
    cores compute it.

    Args:
        batch_size: number of examples in a step.
        console: console that the line is printed on.
    """

    def __init__(self, batch_size: int, console: Console) -> None:
        super().__init__()
        self._batch_size, self._console = batch_size, console
        self._began = self._trained = 0.0

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._began, self._trained = time.perf_counter(), 0.0

    def on_test_begin(self, logs: Any = None) -> None:
        self._trained = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch:
            return
        seconds = (self._trained or time.perf_counter()) - self._began
        step = seconds / self.params["steps"]
        share = step_seconds(step, told_by(self.model, self._batch_size), 2, Network()) / step
        if share <= 1 - MIN_GAIN and seconds * (self.params["epochs"] - 1) >= MIN_SECONDS:
            self._console.print(
                f"a step takes {1000 * step:.0f} ms: on two machines like this one {share:.2f} of that "
                "(cluster: {workers: 2}; docs/scale.md)",
                soft_wrap=True,
                highlight=False,
            )
