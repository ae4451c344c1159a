"""The errors that a user of this package can meet.

Every one names the value that was wrong, where it was, and what would be right. The command line turns
them into one line and exit code 2; anything else that escapes is a defect of the package.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any


class RecsysError(Exception):
    """What all errors of this package have in common."""


class DataError(RecsysError, ValueError):
    """A table, an id, a rating or a split that cannot be used as it is."""


class ConfigError(RecsysError, ValueError):
    """A configuration with an unknown key, a value out of range, or parts that contradict each other."""


class TrainingError(RecsysError, RuntimeError):
    """A training that cannot go on: the loss is no longer a number.

    Attributes:
        run: the TrainingRun up to there, for ``rn.diagnose``; None where the training had not begun.
    """

    run: Any = None

    def __reduce__(self) -> tuple[type[TrainingError], tuple[Any, ...]]:
        """From another process it comes without its run, whose network stays there."""
        return type(self), self.args


class ArtifactError(RecsysError, OSError):
    """A run folder that is damaged, incomplete, foreign, or written by a newer version."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: the nearest known one, or all of them."""
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    return f"; did you mean {near[0]!r}?" if near else f" (known: {', '.join(names)})"
