"""Resumption of a killed training from its last saved epoch, with the numbers that it would have had."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from recsys_nn.errors import ArtifactError
from recsys_nn.hooks import Checkpointed
from recsys_nn.training.checkpoints import Checkpoints, State, is_plain

_MONITORS = (keras.callbacks.EarlyStopping, keras.callbacks.ModelCheckpoint, keras.callbacks.ReduceLROnPlateau)


class Checkpointing(keras.callbacks.Callback):
    """Saves the state of a training at the end of every epoch, and begins with the last one that was saved.

    That is: all variables of the model (those of its random draws too) and of its optimizer, and what the callbacks
    know, as far as that is numbers, texts and arrays. A callback that knows more has ``checkpoint()``, which returns
    a state, and ``restore(state)``.

    Args:
        checkpoints: the states of this training on disk.
        model: the compiled model that is trained.
        hooks: the other callbacks; those that change what is saved stand before this one.
        settings: plain values that describe the training; a state that was saved under others is not gone on from.
        saves: whether it saves; where several train together, one does, and all begin with what it saved.

    Attributes:
        first_epoch: number of epochs that were done.
        seconds: the seconds that they took.

    Raises:
        ArtifactError: where the states are damaged or of another training.
    """

    def __init__(
        self,
        checkpoints: Checkpoints,
        model: keras.Model,
        hooks: Sequence[keras.callbacks.Callback],
        settings: Mapping[str, Any],
        *,
        saves: bool = True,
    ) -> None:
        super().__init__()
        self._saves = saves
        self._checkpoints, self._trained, self._hooks, self._settings = checkpoints, model, tuple(hooks), dict(settings)
        self._state: State | None
        self.first_epoch, self._state = checkpoints.latest() or (0, None)
        state = self._state or {}
        self._finished, self.seconds = bool(state.get("finished", False)), float(state.get("seconds", 0.0))
        self._began = time.perf_counter()
        if self._state is not None:
            self._check(self._state)

    def _check(self, state: State) -> None:
        for name, value in self._settings.items():
            if (before := state["settings"].get(name)) != value:
                raise ArtifactError(
                    f"{self._checkpoints.folder} holds another training, whose {name} is {before!r}, not {value!r}: "
                    "choose another folder"
                )
        for name, variables in self._variables():
            shapes = [tuple(variable.shape) for variable in variables]
            if shapes != [array.shape for array in state[name]]:
                raise ArtifactError(
                    f"{self._checkpoints.folder} holds another training, whose {name} has other variables: choose "
                    "another folder"
                )

    def next_epoch(self, epochs: int) -> int:
        """The epoch, from 0, to go on with; ``epochs``, where the training had ended."""
        return epochs if self._finished else self.first_epoch

    def on_train_begin(self, logs: Any = None) -> None:
        """Restores the saved state, once the other callbacks have begun."""
        if self._state is None:
            return
        for name, variables in self._variables():
            for variable, values in zip(variables, self._state[name], strict=True):
                variable.assign(values)
        for name, hook in self._named_hooks():
            if name in self._state["hooks"]:
                _restore(hook, self._state["hooks"][name])
        self._state = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Saves the state after every epoch."""
        if not self._saves:
            return
        seconds = self.seconds + time.perf_counter() - self._began
        state = {
            "settings": self._settings,
            "hooks": {name: _known(hook) for name, hook in self._named_hooks()},
            "finished": bool(self._trained.stop_training),
            "seconds": seconds,
        }
        variables = {name: [np.asarray(each.numpy()) for each in group] for name, group in self._variables()}
        self._checkpoints.save(epoch + 1, state | variables)

    def _variables(self) -> Iterator[tuple[str, list[Any]]]:
        optimizer = self._trained.optimizer
        optimizer.build(self._trained.trainable_variables)
        yield "model", self._trained.variables
        yield "optimizer", optimizer.variables

    def _named_hooks(self) -> Iterator[tuple[str, keras.callbacks.Callback]]:
        """Yields each callback with the name of its class and, as there may be several, a number."""
        seen: Counter[str] = Counter()
        for hook in self._hooks:
            name = type(hook).__qualname__
            seen[name] += 1
            yield f"{name} {seen[name]}", hook


def _known(hook: keras.callbacks.Callback) -> State:
    if isinstance(hook, Checkpointed):
        return hook.checkpoint()
    state = {name: value for name, value in vars(hook).items() if name != "params" and is_plain(value)}
    if isinstance(hook, _MONITORS):
        # Keras 3.15.1 turns this setting's sign when it first looks for the comparison that a metric needs, as it does
        # anew in a process that goes on (keras/src/callbacks/monitor_callback.py).
        state.pop("min_delta", None)
    if isinstance(hook, keras.callbacks.CSVLogger) and hook.csv_file is not None:
        state |= {"append_header": False, "text": Path(hook.filename).read_bytes().decode()}
    return state


def _restore(hook: keras.callbacks.Callback, state: State) -> None:
    if isinstance(hook, Checkpointed):
        hook.restore(state)
        return
    if isinstance(hook, keras.callbacks.CSVLogger) and "text" in state:
        # The lines of the epochs that were saved: of those behind them, which come again, the file may have some too.
        hook.csv_file.close()
        Path(hook.filename).write_bytes(state["text"].encode())
        hook.csv_file = open(hook.filename, "a", encoding="utf-8")  # noqa: SIM115 (Keras closes it)
    vars(hook).update({name: value for name, value in state.items() if name != "text"})
