"""Keras objects from a TrainConfig."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras

from recsys_nn.errors import ConfigError, did_you_mean, must_be_one_of
from recsys_nn.training.config import (
    PLATEAU,
    CallbackConfig,
    CallbackName,
    OptimizerConfig,
    OptimizerName,
    TrainConfig,
)
from recsys_nn.training.objective import Objective, mode_of
from recsys_nn.training.optimizers import LazyAdam, RowwiseAdagrad, RowwiseOptimizer, RowwiseSGD, is_table

_OPTIMIZERS: dict[OptimizerName, type[keras.optimizers.Optimizer]] = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "adagrad": keras.optimizers.Adagrad,
    "adamax": keras.optimizers.Adamax,
    "lion": keras.optimizers.Lion,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
    "lazy_adam": LazyAdam,
    "rowwise_adagrad": RowwiseAdagrad,
    "rowwise_sgd": RowwiseSGD,
}
_ROWWISE = ", ".join(name for name, factory in _OPTIMIZERS.items() if issubclass(factory, RowwiseOptimizer))
_CALLBACKS: dict[CallbackName, type[keras.callbacks.Callback]] = {
    "csv_logger": keras.callbacks.CSVLogger,
    "reduce_lr_on_plateau": keras.callbacks.ReduceLROnPlateau,
}
_UNFIT = ("loss_scale_factor",)
"""Settings of Keras's optimizers for half precision, which the gradients of embedding tables do not take."""
WRITING_CALLBACKS: tuple[CallbackName, ...] = ("csv_logger",)
"""Callbacks that one of several workers has for all."""


def compile_model(objective: Objective, config: TrainConfig, *, steps: int) -> None:
    """Compiles a model with the config's optimizer and the objective's loss; ``steps`` is the steps of an epoch."""
    rate: Any = config.learning_rate
    if config.schedule is not None:
        rate = config.schedule.build(config.learning_rate, steps, config.epochs)
    model = objective.model
    model.compile(
        optimizer=_optimizer(config.optimizer, _automatic(model, config.batch_size), rate),
        loss=objective.loss(),
        metrics=objective.metrics(),
        jit_compile=False,
    )


def _automatic(model: keras.Model, batch_size: int) -> OptimizerName:
    """Chooses Adam, or lazy Adam where a step touches fewer than a tenth of the rows of the largest table."""
    rows = max((variable.shape[0] for variable in model.trainable_variables if is_table(variable)), default=0)
    return "lazy_adam" if rows > 10 * batch_size else "adam"


def _optimizer(config: OptimizerConfig, automatic: OptimizerName, rate: Any) -> keras.optimizers.Optimizer:
    path = "training.optimizer"
    settings = dict(config.settings)
    if config.name == "auto":
        _called(LazyAdam, path, settings, learning_rate=rate)  # the settings that either choice has
    factory = _OPTIMIZERS[automatic if config.name == "auto" else config.name]
    if config.dense is not None:
        if config.name == "auto" or not issubclass(factory, RowwiseOptimizer):
            raise ConfigError(
                f"{path}.dense must be left out, as it is for row-wise optimizers ({_ROWWISE}), not {config.name!r}"
            )
        settings["dense"] = _dense(config.dense, f"{path}.dense", rate)
    return _called(factory, path, settings, learning_rate=rate)


def _dense(config: OptimizerConfig, path: str, rate: Any) -> keras.optimizers.Optimizer:
    factory = _OPTIMIZERS.get(config.name)
    if factory is None or issubclass(factory, RowwiseOptimizer) or config.dense:
        raise ConfigError(f"{path} must be one of Keras's optimizers alone, such as 'adam', not {config.name!r}")
    settings = dict(config.settings)
    return _called(factory, path, settings, learning_rate=settings.pop("learning_rate", rate))


def named_callbacks(configs: Sequence[CallbackConfig], logged: Sequence[str]) -> list[keras.callbacks.Callback]:
    """The callbacks that a config names, each of which can act.

    Args:
        configs: configs of the callbacks.
        logged: names of the figures that the training logs.

    Raises:
        ConfigError: for a setting that there is not, a figure that is never logged, or a file in no folder.
    """
    callbacks = []
    for number, config in enumerate(configs):
        path, settings = f"training.callbacks.{number}", config.settings
        if config.name == PLATEAU:
            monitor = settings.get("monitor", "val_loss")
            check_monitor(f"{path}.monitor", monitor, logged, without_validation=f"leave {path} out")
            settings = {"mode": mode_of(monitor), **settings}
        callbacks.append(_called(_CALLBACKS[config.name], path, settings))
        if isinstance(callbacks[-1], keras.callbacks.CSVLogger):
            _check_file(f"{path}.filename", Path(callbacks[-1].filename))
    return callbacks


def check_monitor(key: str, monitor: str, logged: Sequence[str], *, without_validation: str) -> None:
    """Raises a ConfigError where a figure would never be logged.

    Args:
        key: key of the config that names the figure.
        monitor: name of the figure.
        logged: names of the figures that the training logs.
        without_validation: what to do where there is no validation part, at the end of the message.
    """
    if monitor in logged:
        return
    if monitor.removeprefix("val_") in logged:
        raise ConfigError(f"{key} cannot be {monitor!r}, as there is no validation part: {without_validation}")
    raise ConfigError(must_be_one_of(key, monitor, logged))


def _check_file(key: str, file: Path) -> None:
    if file.is_dir() or not file.absolute().parent.is_dir():
        what = "is a folder" if file.is_dir() else f"is in a folder that does not exist, {file.absolute().parent}"
        raise ConfigError(f"{key}: {file} {what}; name a file in a folder that exists")


def _called(factory: Callable[..., Any], path: str, settings: dict[str, Any], **given: Any) -> Any:
    unfit = {"self", "kwargs", *_UNFIT, *given}
    known = {name: each for name, each in inspect.signature(factory).parameters.items() if name not in unfit}
    for name, value in settings.items():
        if name in given:
            raise ConfigError(f"{path}.{name} must be left out: set training.{name} instead")
        if name not in known:
            raise ConfigError(f"{path}.{name}: there is no such setting{did_you_mean(name, known)}")
        if isinstance(value, float) and not math.isfinite(value):
            raise ConfigError(f"{path}.{name} must be a finite number, not {value}")
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in settings:
            raise ConfigError(f"{path}.{name} is missing: set it")
    try:
        return factory(**settings, **given)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"{path}: {error}") from error
