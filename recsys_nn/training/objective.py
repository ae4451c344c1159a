"""Loss that is minimised and metrics that are reported: the config's, or those that a model brings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import keras

from recsys_nn.errors import ConfigError
from recsys_nn.hooks import ChecksTargets, HasLikelihood
from recsys_nn.tensors import TrainingPart
from recsys_nn.training.config import LossName, MetricName, TrainConfig

_LOSSES: dict[LossName, type[keras.losses.Loss]] = {
    "mse": keras.losses.MeanSquaredError,
    "mae": keras.losses.MeanAbsoluteError,
    "huber": keras.losses.Huber,
    "log_cosh": keras.losses.LogCosh,
}
_METRICS: dict[MetricName, type[keras.metrics.Metric]] = {
    "rmse": keras.metrics.RootMeanSquaredError,
    "mae": keras.metrics.MeanAbsoluteError,
    "mse": keras.metrics.MeanSquaredError,
}


MAXIMISED = ("accuracy", "auc")


def mode_of(monitor: str) -> Literal["min", "max"]:
    """Tells whether a figure that is logged, of the training part or the validation part, is better low or high."""
    return "max" if monitor.removeprefix("val_") in MAXIMISED else "min"


@dataclass(frozen=True, eq=False)
class Objective:
    """Loss, metrics and check of targets by which a model is trained.

    Attributes:
        model: the one whose output the loss takes; it shares its layers with the one that predicts.
        loss_name: name of the loss, for people.
        loss: function that makes the loss.
        metric_names: what is reported beside it.
        metrics: function that makes the metrics.
        check: raises a DataError where the targets of a part do not fit; also takes the part's name.
    """

    model: keras.Model
    loss_name: str
    loss: Callable[[], keras.losses.Loss]
    metric_names: tuple[str, ...]
    metrics: Callable[[], list[keras.metrics.Metric]]
    check: Callable[[TrainingPart, str], None]


def objective_of(model: keras.Model, config: TrainConfig) -> Objective:
    """The model's own objective, where it has a ``likelihood`` (see ``models/heads.py``), else the config's; and the
    model's ``check_targets``, where it has some.

    Raises:
        ConfigError: where the config names a loss or metrics beside the model's own.
    """
    check = model.check_targets if isinstance(model, ChecksTargets) else _any_fits
    if not isinstance(model, HasLikelihood):
        loss = config.loss or "mse"
        metrics = ("rmse", "mae") if config.metrics is None else config.metrics
        return Objective(
            model, loss, _LOSSES[loss], metrics, lambda: [_METRICS[name](name=name) for name in metrics], check
        )
    for name in ("loss", "metrics"):
        if getattr(config, name) is not None:
            raise ConfigError(f"training.{name} must be left out, as the model's head sets its own {name}")
    own = model.likelihood
    return Objective(own.model, own.loss_name, own.loss, own.metric_names, own.metrics, check)


def _any_fits(part: TrainingPart, name: str) -> None:
    pass
