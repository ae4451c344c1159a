"""A training that is looked at after each of its epochs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import keras

from recsys_nn.config import RunConfig
from recsys_nn.data import Split
from recsys_nn.errors import ConfigError
from recsys_nn.experiment import train_on_split
from recsys_nn.models import build_model
from recsys_nn.prediction import Predictor
from recsys_nn.runs import fit_encoder

Seen = TypeVar("Seen")
Logs = dict[str, Any]


@dataclass(frozen=True)
class Followed(Generic[Seen]):
    """Observations of a training by epoch, and the epoch at which early stopping would have ended it.

    Attributes:
        seen: what was seen after each epoch.
        kept: the epoch (from 1) whose weights early stopping would have kept; None without a validation part.
        stopped: the epoch after which it would have ended the training; None where it would not have.
    """

    seen: list[Seen]
    kept: int | None
    stopped: int | None


def followed(config: RunConfig, split: Split, epochs: int, look: Callable[[Predictor], Seen]) -> Followed[Seen]:
    """Trains for so many epochs, whatever the validation part says, and looks at the predictor after each.

    Args:
        config: config of the run; what it says of early stopping is noted, not done.
        split: the training and validation parts.
        epochs: number of epochs to train.
        look: function that is called with the predictor as it is then.

    Raises:
        ConfigError: where the model has a closed form, and so no epochs.
    """
    encoder = fit_encoder(split, config.data.features)
    model = build_model(config.model, encoder, seed=config.seed)
    looks = _Looks(Predictor(model, encoder), look)
    callbacks, stopping = [looks], None
    if len(split.validation):
        asked = config.training
        stopping = _WouldStop(asked.monitor, patience=asked.patience or epochs, min_delta=asked.min_delta)
        callbacks = [looks, stopping]
    run = train_on_split(model, encoder, split, config.training.until(epochs), callbacks=callbacks, progress=False)
    if run.stop_reason == "interrupted":
        raise KeyboardInterrupt
    if run.stop_reason == "closed form":
        raise ConfigError(
            f"model.kind: {config.model.kind} is fitted in closed form, without epochs; choose another kind"
        )
    if stopping is None:
        return Followed(looks.seen, None, None)
    return Followed(looks.seen, stopping.best_epoch + 1, stopping.stopped_epoch + 1 if stopping.stopped_epoch else None)


class _Looks(keras.callbacks.Callback, Generic[Seen]):
    def __init__(self, predictor: Predictor, look: Callable[[Predictor], Seen]) -> None:
        super().__init__()
        self.seen: list[Seen] = []
        self._predictor, self._look = predictor, look

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self.seen.append(self._look(self._predictor))


class _WouldStop(keras.callbacks.EarlyStopping):
    """Early stopping by Keras's own rule that only takes note of where it would stop."""

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        if not self.stopped_epoch:
            super().on_epoch_end(epoch, logs)
            self.model.stop_training = False
