"""Pruning of a bad trial, as a callback of its training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras

from recsys_nn.selection.search.judge import IsBad


class Pruning(keras.callbacks.Callback):
    """Tells the judge of the validation RMSE of each epoch and ends a training that is found bad.

    What reports none (``binary`` heads, metrics of one's own) comes to its end: other errors would not compare.

    Args:
        trial: id of the trial in the study's storage.
        is_bad: the judge of its epochs.

    Attributes:
        pruned: whether the training has been ended.
    """

    def __init__(self, trial: int, is_bad: IsBad) -> None:
        super().__init__()
        self.pruned = False
        self._trial, self._is_bad = trial, is_bad

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if "val_rmse" in (logs := logs or {}):
            self.pruned = self._is_bad(self._trial, epoch + 1, float(logs["val_rmse"]))
        if self.pruned:
            self.model.stop_training = True
