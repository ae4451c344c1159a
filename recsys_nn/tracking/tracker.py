"""What a run is logged to: the protocol of all trackers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

Status = Literal["finished", "killed", "failed"]
"""How a run ended: ``"killed"`` is by Ctrl-C, ``"failed"`` by an error."""
Tell = Callable[[int, Mapping[str, float]], None]
"""What is told of an epoch: its number from 1, and its figures."""
VALIDATION, FINAL = "val_", "final/"
"""Before the names of an epoch's figures of the validation part, and of the figures that a run ends with."""


@dataclass(frozen=True)
class TrackedRun:
    """What is known of a run before it begins.

    Attributes:
        name: parts of a larger whole have slashes in theirs.
        config: its YAML.
        parameters: the values of the config at their dotted keys.
        tags: what else tells it from others.
    """

    name: str
    config: str
    parameters: Mapping[str, bool | int | float | str]
    tags: Mapping[str, str]


class Tracker(Protocol):
    """Where runs are logged. Making one raises a ConfigError where that cannot be; after it come, in this order:"""

    def begin(self, run: TrackedRun) -> None:
        """Logs what is known before the training."""

    def epoch(self, number: int, figures: Mapping[str, float]) -> None:
        """Logs the figures of an epoch, numbered from 1."""

    def end(self, status: Status, figures: Mapping[str, float], folder: Path | None) -> None:
        """Logs how the run ended, its figures and, where it has left one, its folder."""


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, bool | int | float | str]:
    """Nested values at their dotted keys, what is no number, truth or text as text."""

    found: dict[str, bool | int | float | str] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[prefix + name] = value if isinstance(value, bool | int | float | str) else json.dumps(value)
    return found
