"""States of a training on disk, from which it can go on after it was killed.

A state is a tree of dicts, lists, plain values and arrays. Its file is a safetensors file of the arrays, whose metadata
have the tree as JSON and a SHA-256 of both: nothing in it is executed, and damage is recognised.
"""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys_nn.errors import ArtifactError
from recsys_nn.files import atomic_file

State = Mapping[str, Any]
Arrays = dict[str, npt.NDArray[Any]]

SUFFIX = ".safetensors"
KEPT = 2
"""Number of the last epochs whose states are kept: should the last be damaged, there is one more."""
_EPOCH = re.compile(rf"epoch-(\d+){re.escape(SUFFIX)}")


class Checkpoints:
    """The states of one training, by the number of epochs that are done.

    Args:
        folder: a folder of its own, made when the first state is saved.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    @property
    def epochs(self) -> list[int]:
        """Epochs after which a state is saved, ascending."""
        names = (_EPOCH.fullmatch(entry.name) for entry in self.folder.glob(f"*{SUFFIX}"))
        return sorted(int(name[1]) for name in names if name)

    def save(self, epoch: int, state: State) -> None:
        """Saves the state after so many epochs; all but the last two go.

        Raises:
            ArtifactError: where the disk refuses; the states before are still there.
        """
        self.keep(_name(epoch), state)
        for old in self.epochs[:-KEPT]:
            (self.folder / f"{_name(old)}{SUFFIX}").unlink(missing_ok=True)

    def latest(self) -> tuple[int, State] | None:
        """The last whole state and its number of epochs; None where there is none.

        Raises:
            ArtifactError: where there are some, and all are damaged.
        """
        damage = None
        for epoch in reversed(self.epochs):
            try:
                found = epoch, self.kept(_name(epoch))
            except ArtifactError as error:
                damage = error
                continue
            if damage is not None:
                warnings.warn(f"{damage}; the training resumes after epoch {epoch}", stacklevel=2)
            return found
        if damage is not None:
            raise damage
        return None

    def keep(self, name: str, state: State) -> None:
        """Saves a state under a name; it stays."""
        with atomic_file(self.folder / f"{name}{SUFFIX}") as stream:
            stream.write(_packed(state))

    def kept(self, name: str) -> State:
        """The state of this name.

        Raises:
            ArtifactError: where it is missing or damaged.
        """
        file = self.folder / f"{name}{SUFFIX}"
        try:
            return _unpacked(file)
        except (OSError, ValueError, KeyError, RecursionError) as error:
            raise ArtifactError(f"{file} is damaged: {error}") from error


def is_plain(value: Any) -> bool:
    """Tells whether a value can be part of a state."""
    if isinstance(value, dict):
        return all(isinstance(key, str) for key in value) and all(map(is_plain, value.values()))
    if isinstance(value, list | tuple):
        return all(map(is_plain, value))
    if isinstance(value, np.ndarray):
        return value.dtype.kind in "biuf"
    return value is None or isinstance(value, bool | int | float | str | np.bool_ | np.integer | np.floating)


def _name(epoch: int) -> str:
    return f"epoch-{epoch:06d}"


def _packed(state: State) -> bytes:
    from safetensors.numpy import save

    arrays: Arrays = {}
    tree = json.dumps(_taken_apart(state, arrays))
    return save(arrays, {"state": tree, "sha256": _digest(tree, arrays)})


def _unpacked(file: Path) -> State:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "np") as opened:
            metadata = opened.metadata() or {}
            arrays = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (it is no mapping)
    except SafetensorError as error:
        raise ValueError(error) from error
    tree = metadata["state"]
    if _digest(tree, arrays) != metadata["sha256"]:
        raise ValueError("its SHA-256 differs from the one that it states")
    state: State = _put_together(json.loads(tree), arrays)
    return state


def _digest(tree: str, arrays: Arrays) -> str:
    digest = hashlib.sha256(tree.encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode())
        digest.update(array.reshape(-1).view(np.uint8).data)
    return digest.hexdigest()


def _taken_apart(value: Any, arrays: Arrays) -> Any:
    """A tree for JSON, in which arrays, put into ``arrays``, are numbers and dicts are marked as such."""
    if isinstance(value, Mapping):
        return {"dict": {key: _taken_apart(each, arrays) for key, each in value.items()}}
    if isinstance(value, list | tuple):
        return [_taken_apart(each, arrays) for each in value]
    if isinstance(value, np.ndarray):
        name = str(len(arrays))
        arrays[name] = np.ascontiguousarray(value).reshape(value.shape)
        return {"array": name}
    return value.item() if isinstance(value, np.generic) else value


def _put_together(tree: Any, arrays: Arrays) -> Any:
    if isinstance(tree, list):
        return [_put_together(each, arrays) for each in tree]
    if isinstance(tree, dict):
        if "array" in tree:
            return arrays[tree["array"]]
        return {key: _put_together(each, arrays) for key, each in tree["dict"].items()}
    return tree
