"""Protocol of trackers, to which a run is logged."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

Status = Literal["finished", "killed", "failed"]
"""Ways in which a run ends: ``"killed"`` is by Ctrl-C, ``"failed"`` by an error."""
Tell = Callable[[int, Mapping[str, float]], None]
"""Function that is called with an epoch: its number from 1, and its figures."""
VALIDATION, FINAL = "val_", "final/"
"""Prefixes of the names of an epoch's figures of the validation part, and of the figures that a run ends with."""


@dataclass(frozen=True)
class TrackedRun:
    """Description of a run that is known before it begins.

    Attributes:
        name: name of the run; parts of a larger whole have slashes in theirs.
        config: its config as YAML.
        parameters: the values of the config at their dotted keys.
        tags: what else tells it from others.
    """

    name: str
    config: str
    parameters: Mapping[str, bool | int | float | str]
    tags: Mapping[str, str]


class Tracker(Protocol):
    """Log of a run. Making one raises a ConfigError where that cannot be; then its methods are called in this order."""

    def begin(self, run: TrackedRun) -> None:
        """Logs what is known before the training."""

    def epoch(self, number: int, figures: Mapping[str, float]) -> None:
        """Logs the figures of an epoch, numbered from 1."""

    def end(self, status: Status, figures: Mapping[str, float], folder: Path | None) -> None:
        """Logs how the run ended, its figures and, where it has left one, its folder."""


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, bool | int | float | str]:
    """Flattens nested values to their dotted keys, what is no number, truth or text as text."""

    found: dict[str, bool | int | float | str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value if isinstance(value, bool | int | float | str) else json.dumps(value)
    return found
