"""Choice of the loop that makes the steps of a training: the compiled epoch, or Keras's own ``model.fit``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

import keras

from recsys_nn.errors import ConfigError
from recsys_nn.tensors import TrainingPart
from recsys_nn.training.config import TrainConfig
from recsys_nn.training.engines.batches import dataset, evaluation_dataset, steps_per_epoch
from recsys_nn.training.engines.collectives import Workers
from recsys_nn.training.engines.compiled import CompiledEngine

Hooks = Sequence[keras.callbacks.Callback]

_BATCH_HOOKS = tuple(
    f"on_{part}_{moment}" for part in ("batch", "train_batch", "test_batch") for moment in ("begin", "end")
)
_OWN_STEPS = ("train_step", "test_step", "make_train_function", "make_test_function", "fit", "evaluate")

# What XLA saves over TensorFlow's graph, and what compiling costs: seconds, measured on two cores. The operations of a
# step grow with the trainable variables. Only the order of magnitude matters, and sizes alone decide, so that one run
# is made in the same way every time.
_SAVED_A_STEP_AND_VARIABLE, _SAVED_AN_EXAMPLE = 4e-5, 2e-7
_COMPILING, _COMPILING_A_VARIABLE = 1.0, 0.1
_USUAL_EPOCHS, _USUAL_STEPS = 25, 500  # until early stopping, whichever comes last


class Engine(Protocol):
    """Makes the steps of a training from an epoch (from 0) on, and calls the callbacks."""

    def fit(self, hooks: Hooks, *, first_epoch: int = 0) -> None: ...


class KerasEngine:
    """Trains by Keras's own loop, ``model.fit``."""

    def __init__(
        self, model: keras.Model, train: TrainingPart, validation: TrainingPart | None, config: TrainConfig
    ) -> None:
        self._model, self._train, self._validation, self._config = model, train, validation, config

    def fit(self, hooks: Hooks, *, first_epoch: int = 0) -> None:
        config = self._config
        self._model.fit(
            dataset(
                self._train,
                batch_size=config.batch_size,
                epochs=range(min(first_epoch, config.epochs - 1), config.epochs),  # Keras looks at a batch in any case
                seed=config.seed,
                shuffle=config.shuffle,
            ),
            validation_data=None if self._validation is None else evaluation_dataset(self._validation),
            steps_per_epoch=steps_per_epoch(self._train, config.batch_size),
            initial_epoch=first_epoch,
            epochs=config.epochs,
            shuffle=False,
            callbacks=list(hooks),
            verbose=0,
        )


def choose_engine(
    model: keras.Model,
    train: TrainingPart,
    validation: TrainingPart | None,
    config: TrainConfig,
    hooks: Hooks,
    workers: Workers | None = None,
) -> tuple[Engine, str]:
    """The engine that ``config.engine`` asks for, ready to fit, and its name with, where Keras's was taken, the reason.

    Several workers have the compiled engine alone, without XLA, which cannot compile what they tell each other.

    Raises:
        ConfigError: where the compiled engine is needed and cannot be had.
    """
    if workers is not None:
        reason = "keras is set" if config.engine == "keras" else _not_compilable(model, hooks)
        if reason is not None:
            raise ConfigError(f"training.engine: several workers need the compiled engine, but {reason}")
        engine = CompiledEngine(model, train, validation, config, xla=False, workers=workers)
        return engine, f"compiled, {workers.n} workers"
    if config.engine == "keras":
        return KerasEngine(model, train, validation, config), "keras"
    forced = config.engine == "compiled"
    reason, failure = _not_compilable(model, hooks), None
    if reason is None:
        worth_xla = not forced and _worth_xla(model, train, config) and not _draws_slowly(model)
        attempts = [True] if forced else [True, False] if worth_xla else [False]
        for with_xla in attempts:
            try:
                engine = CompiledEngine(model, train, validation, config, xla=with_xla)
            except Exception as error:  # whatever a model's own code raises; the next loop that fails says it again
                reason, failure = f"the model cannot be compiled ({_cause(error)})", error
            else:
                return engine, "compiled with XLA" if with_xla else "compiled"
    if forced:
        raise ConfigError(f"training.engine must be 'auto' or 'keras' here, not 'compiled': {reason}") from failure
    return KerasEngine(model, train, validation, config), f"keras: {reason}"


def _not_compilable(model: keras.Model, hooks: Hooks) -> str | None:
    for hook in hooks:
        for name in _BATCH_HOOKS:
            if getattr(type(hook), name) is not getattr(keras.callbacks.Callback, name) or name in vars(hook):
                return f"the callback {type(hook).__name__} acts on every batch"
    for name in _OWN_STEPS:
        if getattr(type(model), name) is not getattr(keras.Model, name):
            return f"the model has a {name} of its own"
    return None


def _worth_xla(model: keras.Model, train: TrainingPart, config: TrainConfig) -> bool:
    variables = len(model.trainable_variables)
    steps = steps_per_epoch(train, config.batch_size)
    saved_an_epoch = steps * variables * _SAVED_A_STEP_AND_VARIABLE + len(train) * _SAVED_AN_EXAMPLE
    epochs = min(config.epochs, max(_USUAL_EPOCHS, _USUAL_STEPS // steps))
    return epochs * saved_an_epoch > _COMPILING + _COMPILING_A_VARIABLE * variables


def _draws_slowly(model: keras.Model) -> bool:
    """Tells whether a layer draws Keras's own random numbers, which XLA makes fifty times slower on a CPU."""
    return any(
        type(layer).__module__.startswith("keras.") and hasattr(layer, "seed_generator")
        for layer in model._flatten_layers()
    )


def _cause(error: Exception) -> str:
    """The line of an error that says what is wrong; Keras puts one above it that says where, for a terminal."""
    lines = re.sub(r"\x1b\[\d+m", "", str(error)).splitlines()
    told = [line for line in lines if line.strip() and not line.startswith("Exception encountered when calling")]
    return f"{type(error).__name__}: {told[0].strip() if told else 'it says no more'}"
