"""Keras objects from a TrainConfig."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras

from recsys_nn.errors import ConfigError, did_you_mean
from recsys_nn.training.config import CallbackConfig, CallbackName, LossName, MetricName, OptimizerName, TrainConfig

_OPTIMIZERS: dict[OptimizerName, type[keras.optimizers.Optimizer]] = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "adagrad": keras.optimizers.Adagrad,
    "adamax": keras.optimizers.Adamax,
    "lion": keras.optimizers.Lion,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}
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
_CALLBACKS: dict[CallbackName, type[keras.callbacks.Callback]] = {
    "csv_logger": keras.callbacks.CSVLogger,
    "reduce_lr_on_plateau": keras.callbacks.ReduceLROnPlateau,
}


def compile_model(model: keras.Model, config: TrainConfig, *, steps: int) -> None:
    """``model.compile`` with the config's optimizer, loss and metrics; ``steps`` is the steps of an epoch."""
    rate: Any = config.learning_rate
    if config.schedule is not None:
        rate = config.schedule.build(config.learning_rate, steps, config.epochs)
    model.compile(
        optimizer=_called(
            _OPTIMIZERS[config.optimizer.name], "training.optimizer", config.optimizer.settings, learning_rate=rate
        ),
        loss=_LOSSES[config.loss](),
        metrics=[_METRICS[name](name=name) for name in config.metrics],
        jit_compile=False,
    )


def named_callbacks(configs: tuple[CallbackConfig, ...]) -> list[keras.callbacks.Callback]:
    """The callbacks that a config names."""
    return [
        _called(_CALLBACKS[config.name], f"training.callbacks.{number}", config.settings)
        for number, config in enumerate(configs)
    ]


def _called(factory: Callable[..., Any], path: str, settings: dict[str, Any], **given: Any) -> Any:
    known = [name for name in inspect.signature(factory).parameters if name not in ("self", "kwargs", *given)]
    for name in settings:
        if name in given:
            raise ConfigError(f"{path}.{name}: set training.{name} instead")
        if name not in known:
            raise ConfigError(f"{path}.{name}: there is no such setting{did_you_mean(name, known)}")
    try:
        return factory(**settings, **given)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
