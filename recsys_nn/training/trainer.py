"""Compile, fit, validate, stop early, keep the best epoch."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recsys_nn.errors import ArtifactError, DataError, TrainingError, check_process, must_be
from recsys_nn.hooks import HasIds, LearnsFromTable
from recsys_nn.tensors import Tensors, TrainingPart
from recsys_nn.training.config import TrainConfig
from recsys_nn.training.input_scales import input_scales
from recsys_nn.training.run import StopReason, TrainingRun

if TYPE_CHECKING:
    import keras

    from recsys_nn.training.engines.collectives import Workers
    from recsys_nn.training.objective import Objective


class Trainer:
    """Trains any keras.Model, this package's or not, on :class:`Tensors` or, where they exceed memory, StreamedTensors.

    The same seed, versions and thread count give the same weights bit for bit, in any process. For this the
    Trainer switches TensorFlow's op determinism on, which then holds for the whole process.

    Args:
        config: settings of the training.
        callbacks: Keras callbacks beside those that the config names.
        progress: whether to print a line an epoch.
        checkpoints: a folder for the states of the training after its last two epochs. Where it has some, the training
            goes on from there, to the weights that it would have had without the interruption, bit for bit.
        workers: the processes of which this is one, where several train one model together; each calls ``fit`` with the
            same. The first of them prints and saves, all end with the same weights and history.

    Example:
        >>> import keras
        >>> import numpy as np
        >>> x = np.linspace(-1, 1, 64).reshape(-1, 1)
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> config = rn.TrainConfig(optimizer="sgd", learning_rate=0.3, batch_size=8, epochs=9)
        >>> run = rn.Trainer(config, progress=False).fit(model, rn.Tensors(x, 3 * x + 1))
        >>> [weight.numpy().round(1).item() for weight in run.model.weights]
        [3.0, 1.0]
    """

    def __init__(
        self,
        config: TrainConfig | None = None,
        *,
        callbacks: Sequence[Any] = (),
        progress: bool = True,
        checkpoints: str | Path | None = None,
        workers: Workers | None = None,
    ) -> None:
        self.config = config or TrainConfig()
        self._callbacks = tuple(callbacks)
        self._leads = workers is None or workers.leads
        self._progress = progress and self._leads
        self._checkpoints = checkpoints
        self._workers = workers

    def fit(self, model: keras.Model, train: TrainingPart, validation: TrainingPart | None = None) -> TrainingRun:
        """Trains ``model`` in place; it ends with the weights of its best epoch.

        Where ``validation`` is not given, a random fraction of ``train`` (``config.validation``) is held out. (What an
        encoder learnt from those rows, the mean and how often each id was rated, the model then knows already.)
        Ctrl-C ends the training and keeps the best epoch so far.

        Raises:
            DataError: where there is nothing to train on.
            ConfigError: before training, where ``config.monitor`` would never be logged or a setting is unknown.
            TrainingError: where the loss or a weight becomes NaN or infinite; its ``run`` is the training up to there.
            ArtifactError: where a checkpoint cannot be written, or is damaged or of another training.
        """
        from recsys_nn.training.objective import objective_of

        check_process()
        config = self.config
        for name, part in (("training", train), ("validation", validation)):
            if part is not None and not isinstance(part, TrainingPart):
                raise DataError(must_be(f"the {name} part", "Tensors (Encoder.encode makes them)", part))
        _check_origin(model, train, validation)
        if not len(train):
            raise DataError("the training part has no rows")
        if validation is None and config.validation > 0:
            train, validation = train.split(config.validation, seed=config.seed)
        validation = validation if validation is not None and len(validation) else None
        began = time.perf_counter()
        prepare(model, train)
        objective = objective_of(model, config)
        if objective.model is model:
            _check_output(model, train)
        for name, part in (("training", train), ("validation", validation)):
            if part is not None:
                objective.check(part, name)
        if not model.trainable_weights:
            return self._evaluated_once(model, objective, train, validation, began)
        return self._fitted(model, objective, train, validation, began)

    def _check_beginning(self, epoch: int) -> None:
        """Checks that all workers see the same saved epoch: else, with slow storage, their weights would differ."""
        if self._workers is not None and len(set(found := self._workers.told(epoch))) > 1:
            seen = ", ".join(f"{each:.0f}" for each in found)
            raise ArtifactError(
                f"{self._checkpoints}: the workers see checkpoints of different epochs ({seen}); start again once "
                "their storage is consistent"
            )

    def _fitted(
        self,
        model: keras.Model,
        objective: Objective,
        train: TrainingPart,
        validation: TrainingPart | None,
        began: float,
    ) -> TrainingRun:
        import keras
        import tensorflow as tf

        from recsys_nn.training import callbacks
        from recsys_nn.training.checkpointing import Checkpointing
        from recsys_nn.training.checkpoints import Checkpoints
        from recsys_nn.training.compile import WRITING_CALLBACKS, check_monitor, compile_model, named_callbacks
        from recsys_nn.training.engines.batches import steps_per_epoch
        from recsys_nn.training.engines.choose import choose_engine
        from recsys_nn.training.engines.collectives import OneDecision
        from recsys_nn.training.objective import mode_of

        config = self.config
        logged = ["loss", *objective.metric_names]
        if validation is not None:
            logged += [f"val_{name}" for name in logged]
        stops = validation is not None or config.patience is not None
        if stops:
            without = "set training.patience to null"
            check_monitor("training.monitor", config.monitor, logged, without_validation=without)
        named = [each for each in config.callbacks if self._leads or each.name not in WRITING_CALLBACKS]
        hooks = [*named_callbacks(named, logged), *self._callbacks]
        tf.config.experimental.enable_op_determinism()
        tf.random.set_seed(config.seed)
        compile_model(objective, config, steps=steps_per_epoch(train, config.batch_size))
        stopping = None
        if stops:
            stopping = keras.callbacks.EarlyStopping(
                monitor=config.monitor,
                mode=mode_of(config.monitor),
                patience=config.patience or config.epochs,
                min_delta=config.min_delta,
                restore_best_weights=True,
            )
        inputs = input_scales(model, train)
        log = callbacks.EpochLog(keep_weights=stopping is None)
        hooks += [log, callbacks.StopOnNonFinite(inputs, config.learning_rate)]
        if stopping is not None:
            hooks.append(stopping)
        if self._progress:
            hooks.append(callbacks.ProgressLines(log, config.epochs, stopping, _console()))
        if self._workers is not None:
            hooks.append(OneDecision(self._workers))
        done = None
        if self._checkpoints is not None:
            sizes = {"n_train": len(train), "n_validation": 0 if validation is None else len(validation)}
            settings = config.model_dump(mode="json") | sizes
            checkpoints = Checkpoints(self._checkpoints)
            done = Checkpointing(checkpoints, objective.model, hooks, settings, saves=self._leads)
            hooks.append(done)
            began -= done.seconds
            self._check_beginning(done.first_epoch)
        engine, name = choose_engine(objective.model, train, validation, config, hooks, self._workers)
        if self._progress and config.engine == "auto" and name.startswith("keras"):
            _console().print(f"engine: {name}", soft_wrap=True, highlight=False)
        if self._progress and done is not None and done.first_epoch:
            _console().print(f"resuming after epoch {done.first_epoch}", soft_wrap=True, highlight=False)

        def run(best_epoch: int, reason: StopReason) -> TrainingRun:
            return TrainingRun(
                model=model,
                history=pd.DataFrame(log.rows),
                best_epoch=best_epoch,
                stop_reason=reason,
                seconds=time.perf_counter() - began,
                config=config,
                engine=name,
                loss=objective.loss_name,
                n_train=len(train),
                n_validation=0 if validation is None else len(validation),
                inputs=inputs,
            )

        reason: StopReason = "epochs"
        try:
            engine.fit(hooks, first_epoch=0 if done is None else done.next_epoch(config.epochs))
        except TrainingError as error:
            error.run = run(0, "diverged")
            raise
        except KeyboardInterrupt:
            kept = log.last_weights if stopping is None else stopping.best_weights
            if kept is None:
                raise
            reason = "interrupted"
            objective.model.set_weights(kept)
        if reason == "epochs" and len(log.rows) < config.epochs:
            patient = stopping is not None and stopping.stopped_epoch > 0
            reason = "patience" if patient else "callback"
        return run(len(log.rows) if stopping is None else int(stopping.best_epoch) + 1, reason)

    def _evaluated_once(
        self,
        model: keras.Model,
        objective: Objective,
        train: TrainingPart,
        validation: TrainingPart | None,
        began: float,
    ) -> TrainingRun:
        from recsys_nn.training.compile import compile_model
        from recsys_nn.training.engines.batches import evaluated

        compile_model(objective, self.config, steps=1)
        row: dict[str, float] = {"epoch": 1}
        for prefix, part in (("", train), ("val_", validation)):
            if part is not None:
                row |= {f"{prefix}{name}": value for name, value in evaluated(objective.model, part).items()}
        seconds = time.perf_counter() - began
        return TrainingRun(
            model=model,
            history=pd.DataFrame([{**row, "seconds": seconds}]),
            best_epoch=1,
            stop_reason="closed form",
            seconds=seconds,
            config=self.config,
            engine="closed form",
            loss=objective.loss_name,
            n_train=len(train),
            n_validation=0 if validation is None else len(validation),
            inputs={},
        )


def _check_origin(model: keras.Model, train: TrainingPart, validation: TrainingPart | None) -> None:
    """Raises a DataError where the ids of a part have other rows than those of the model, or of another part."""
    origins = [part.origin for part in (train, validation) if isinstance(part, Tensors) and part.origin is not None]
    if isinstance(model, HasIds):
        origins.append({**model.vocabularies})
    if any(origin != origins[0] for origin in origins):
        raise DataError(
            "the model and all parts of a training must come from one encoder, which is fitted on the training part: "
            "in those of others the rows stand for other ids"
        )


def _check_output(model: keras.Model, train: TrainingPart) -> None:
    """Raises a DataError where a loss would set the outputs of some examples against the targets of others.

    Keras spreads an output (n, 1, 1) and targets (n,) over each other, and a mean over them all is trained.
    """
    import keras

    few = train.take(np.zeros(3, np.int64))
    outputs = keras.tree.flatten(model(few.inputs))
    if len(outputs) != 1:
        raise DataError(f"the model must have one output, not {len(outputs)}")
    found, (_, *rest) = tuple(outputs[0].shape), few.targets.shape
    fitting = [(3,), (3, 1)] if rest in ([], [1]) else [(3, *rest)]
    if found not in fitting:
        shapes = " or ".join(_of_rows(shape) for shape in fitting)
        raise DataError(
            f"the model's output must have the shape {shapes} for n targets, not {_of_rows(found)}: take it apart, for "
            "example by keras.layers.Flatten, or end in keras.layers.Dense(1)"
        )


def _of_rows(shape: tuple[int, ...]) -> str:
    """Writes a shape whose first axis are the rows."""
    return f"(n{',' if len(shape) == 1 else ''}{''.join(f', {size}' for size in shape[1:])})"


def prepare(model: keras.Model, train: TrainingPart) -> None:
    """Builds a model, and lets its layers learn what they learn from the training part before the first step.

    Raises:
        DataError: where a layer would learn from a stream.
    """
    if not model.built:
        model(train.take(np.array([0])).inputs)
    for layer in model.layers:
        if isinstance(layer, LearnsFromTable):
            if not isinstance(train, Tensors):
                raise DataError(f"the layer {layer.name!r} needs Tensors in memory, not a stream")
            layer.before_training(train.inputs, train.targets)


def _console() -> Any:
    from rich.console import Console

    return Console()
