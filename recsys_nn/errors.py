"""The errors that a user of this package can meet.

Every one names the value that was wrong, where it was, and what would be right. The command line turns
them into one line and exit code 2; anything else that escapes is a defect of the package.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from platform import node
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt


_WITH_TENSORFLOW: set[int] = set()
"""Ids of this process, and of those that it was forked from, in which TensorFlow has begun to compute."""


class RecsysError(Exception):
    """Base class of all errors of this package.

    Example:
        >>> try:
        ...     rn.load_config({"model": {"kind": "sdv"}})
        ... except rn.RecsysError as error:
        ...     print(type(error).__name__)
        ConfigError
    """


class DataError(RecsysError, ValueError):
    """A table, an id, a rating or a split that cannot be used as it is.

    Example:
        >>> import pandas as pd
        >>> rn.load_ratings(pd.DataFrame({"user": ["ann"], "item": ["Alien"], "rating": ["five"]}))
        Traceback (most recent call last):
            ...
        recsys_nn.errors.DataError: row 0: the rating must be a number, not 'five' (str)
    """


class RowError(DataError):
    """Rows of a table that cannot be used as they are, where its others can; the message names the first.

    Attributes:
        rows: the positions in the table of all that have this fault, ascending, (k,).
        reason: function that says what is wrong with the row at one of these positions.
    """

    def __init__(self, message: str, rows: npt.NDArray[np.int64], reason: Callable[[int], str]) -> None:
        super().__init__(message)
        self.rows = rows
        self.reason = reason

    def among(self, positions: npt.NDArray[np.int64]) -> RowError:
        """Returns the error for a larger table, from whose rows at these ascending positions this table was taken."""

        def reason(row: int) -> str:
            return self.reason(int(positions.searchsorted(row)))

        return RowError(str(self), positions[self.rows], reason)

    def __reduce__(self) -> tuple[type[DataError], tuple[Any, ...]]:
        """Pickles the message alone, as a DataError: the reason is a function that stays in its process."""
        return DataError, self.args


_SHOWN = 120  # characters

Where = Callable[[int], str]
"""Names a row of the table being read: its position, or the file and line that it came from."""


def row_number(row: int) -> str:
    return f"row {row}"


def place_in(file: Path, first: int = 0) -> Where:
    """Names the rows of a file in error messages, counted from ``first``."""
    return lambda row: f"{file}, row {first + row}"


@dataclass(frozen=True)
class Places:
    """Names the rows of a table whose columns for user, item, rating and timestamp have names of their own."""

    rows: Where
    columns: Mapping[str, str]

    def __call__(self, row: int) -> str:
        return self.rows(row)


def in_column(where: Where, role: str) -> Where:
    """Names the fields of the column for a role, where it is called otherwise."""
    if not isinstance(where, Places) or where.columns.get(role, role) == role:
        return where
    return lambda row: f"{where(row)}, column {where.columns[role]!r}"


def refuse(bad: npt.NDArray[np.bool_], where: Where, reason: Callable[[int], str]) -> None:
    """Raises a RowError where rows are bad, for the ``reason`` that holds of each of them.

    Args:
        bad: mask of the bad rows, (n,).
        where: function that names a row.
        reason: function that says what is wrong with a row.
    """
    (rows,) = bad.nonzero()
    if len(rows):
        first = int(rows[0])
        raise RowError(f"{where(first)}: {reason(first)}", rows, reason)


def plain_repr(value: Any) -> str:
    """``repr`` without numpy's type names: 7, not np.int64(7)."""
    return repr(value.item() if type(value).__module__ == "numpy" else value)


def shown(value: Any) -> str:
    """A value as it stands in a message: ``repr``, shortened if it is long."""
    try:
        text = plain_repr(value)
    except ValueError:  # of Python, for what has thousands of digits
        return "a number of thousands of digits"
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 3]}..."


def refuse_pipe(path: Path) -> None:
    """Raises a DataError for a pipe or a device, from which a reader might wait for ever."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DataError(f"{path} is a pipe or a device, not a file: write its content to a file first")


class ConfigError(RecsysError, ValueError):
    """A configuration with an unknown key, a value out of range, or parts that contradict each other.

    Example:
        >>> rn.load_config({"model": {"kind": "svd", "embeding_dim": 8}})
        Traceback (most recent call last):
            ...
        recsys_nn.errors.ConfigError: model.embeding_dim: there is no such key; did you mean 'embedding_dim'?
    """


class TrainingError(RecsysError, RuntimeError):
    """A training that cannot go on: the loss is no longer a number.

    Attributes:
        run: the TrainingRun up to there, for ``rn.diagnose``; None where the training had not begun.

    Example:
        >>> model = rn.build_model(rn.SVDConfig(), encoder)
        >>> trainer = rn.Trainer(rn.TrainConfig(optimizer="sgd", learning_rate=1e12, epochs=5), progress=False)
        >>> try:
        ...     trainer.fit(model, encoder.encode(split.train))
        ... except rn.TrainingError as error:
        ...     print(rn.diagnose(error).codes)
        ['learning-rate-too-high']
    """

    run: Any = None

    def __reduce__(self) -> tuple[type[TrainingError], tuple[Any, ...]]:
        """Pickles the error without its run, whose network stays in its process."""
        return type(self), self.args


class ArtifactError(RecsysError, OSError):
    """A run folder that is damaged, incomplete, foreign, or of a newer version; a file that cannot be written.

    Example:
        >>> rn.Predictor.load("runs")
        Traceback (most recent call last):
            ...
        recsys_nn.errors.ArtifactError: runs is not a run folder: it has no manifest.json
    """


def not_seen(place: object) -> ArtifactError:
    """Error for a place that all workers of a cluster have to see and this worker's machine does not."""
    return ArtifactError(f"{place} does not exist on {node()}: name an output on storage that all machines share")


def required(module: str, extra: str, *, needed_by: str = "", instead: str = "") -> ModuleType:
    """Imports a module that needs what an extra of this package installs.

    Args:
        module: name of the module to import.
        extra: name of the extra in pyproject.toml.
        needed_by: the key or format that needs it, at the beginning of the message.
        instead: what else can be done, at the end of the message.

    Raises:
        ConfigError: where something is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = f"{needed_by} needs {error.name}, which" if needed_by else error.name
        other = instead and f", or {instead}"
        raise ConfigError(f"{missing} is not installed: pip install 'recsys-nn[{extra}]'{other}") from None


OR_OVERWRITE = "choose another output, or overwrite it (--overwrite, in Python overwrite=True)"
"""The end of a message about an output that exists and may be overwritten."""
OR_START_OVER = "start over (--overwrite, in Python overwrite=True)"
"""The end of a message about unfinished work that may be thrown away."""


def must_be(name: str, kind: str, value: object) -> str:
    """Message about an argument of a type that it cannot have.

    Example:

        >>> must_be("ratings", "Ratings (rn.load_ratings makes them)", 7)
        'ratings must be Ratings (rn.load_ratings makes them), not int'
    """
    return f"{name} must be {kind}, not {type(value).__name__}"


def must_be_one_of(name: str, value: object, choices: Iterable[str]) -> str:
    """Message about a value that is not among a few.

    Example:

        >>> must_be_one_of("duplicates", "lats", ["error", "last", "mean"])
        "duplicates must be one of 'error', 'last', 'mean', not 'lats'; did you mean 'last'?"
    """
    names = list(choices)
    near = get_close_matches(str(value)[:100], names, n=1)
    end = f"; did you mean {near[0]!r}?" if near else ""
    return f"{name} must be one of {', '.join(map(repr, names))}, not {shown(value)}{end}"


def worded(name: str, problem: Mapping[str, Any], given: str) -> str:
    """Message of this package for a value that pydantic refuses.

    Args:
        name: name of the value, as a dotted key or an argument.
        problem: an item of ``ValidationError.errors()``.
        given: the value as the message shows it.

    Example:

        >>> problem = {"type": "greater_than_equal", "msg": "Input should be greater than or equal to 1"}
        >>> worded("training.epochs", problem, "0")
        'training.epochs must be greater than or equal to 1, not 0'
    """
    text = problem["msg"]
    if problem["type"] == "value_error":
        return f"{name}: {text.removeprefix('Value error, ')}"
    must = re.sub(r"^\w+ should ", "must ", re.sub(r", unable to.*| after validation.*", "", text))
    return f"{name}: {text[0].lower()}{text[1:]}, not {given}" if must == text else f"{name} {must}, not {given}"


def note_tensorflow() -> None:
    """Notes that TensorFlow has begun to compute in this process."""
    _WITH_TENSORFLOW.add(os.getpid())


def check_process() -> None:
    """Raises a ConfigError in a process forked from one in which TensorFlow had begun, where it would wait for ever."""
    if _WITH_TENSORFLOW and os.getpid() not in _WITH_TENSORFLOW:
        raise ConfigError(
            "this process was forked from one in which TensorFlow had begun, and it would wait for ever here; begin "
            "processes anew: multiprocessing.get_context('spawn').Pool(...), or joblib and loky, which do so"
        )


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or all of them."""
    names = sorted(known)
    near = get_close_matches(name[:100], names, n=1)
    return f"; did you mean {near[0]!r}?" if near else f" (known: {', '.join(names)})"
