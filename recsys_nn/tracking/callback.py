"""Keras callback that tells trackers of epochs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from recsys_nn.tracking.tracker import Tell


class EpochTracking(keras.callbacks.Callback):
    """Tells trackers of each epoch at its end: number from 1, figures, and the learning rate that it has come to.

    It leaves single batches alone, unlike Keras's TensorBoard callback, so that the compiled epoch stays possible.
    """

    def __init__(self, tell: Tell) -> None:
        super().__init__()
        self._tell = tell

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        rate = self.model.optimizer.learning_rate
        figures = {"learning_rate": rate, **(logs or {})}  # a callback that has changed it tells of the one before
        self._tell(epoch + 1, {name: float(value) for name, value in figures.items()})
