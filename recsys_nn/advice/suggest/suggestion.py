"""A suggested config: its choices, each with a reason, and the commented YAML that they make."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import pandas as pd

from recsys_nn.config import RunConfig, load_config
from recsys_nn.files import dump_yaml

WIDTH = 110
"""Most characters in a line of comment."""


class Choice(NamedTuple):
    """A line of a suggested config.

    Attributes:
        key: ``"seed"``, or with its section ``"model.kind"``.
        value: the value as the YAML has it.
        reason: reason for it, with the numbers that this rests on.
    """

    key: str
    value: Any
    reason: str


@dataclass(frozen=True)
class Suggestion:
    """A config for a table of ratings, and why it is so (see :func:`recsys_nn.suggest`).

    Attributes:
        title: what it was suggested for.
        choices: lines of the config, in the order of its sections.

    Example:
        >>> suggestion = rn.suggest(ratings, kind="user_mean", progress=False)
        >>> suggestion.reasons["key"].tolist()
        ['seed', 'data.split', 'model.kind', 'refit']
        >>> suggestion.config.model
        UserMeanConfig(kind='user_mean', user_shrinkage=15.0)
    """

    title: str
    choices: tuple[Choice, ...]

    @classmethod
    def of(cls, title: str, choices: Iterable[Choice]) -> Suggestion:
        """Makes a suggestion of choices in any order."""
        sections = list(RunConfig.model_fields)
        return cls(title, tuple(sorted(choices, key=lambda choice: sections.index(choice.key.split(".")[0]))))

    @cached_property
    def config(self) -> RunConfig:
        """Config of the run, ready for ``rn.run_experiment``."""
        values: dict[str, Any] = {}
        for choice in self.choices:
            *sections, name = choice.key.split(".")
            place = values
            for section in sections:
                place = place.setdefault(section, {})
            place[name] = choice.value
        return load_config(values)

    @property
    def reasons(self) -> pd.DataFrame:
        """Table with a row for each choice: ``key``, ``value`` and ``reason``."""
        return pd.DataFrame(self.choices, columns=list(Choice._fields))

    def to_yaml(self) -> str:
        """The config as YAML that reads back equal, each line below a comment that gives its reason."""
        lines = _comment(self.title)
        entered = ""
        for choice in self.choices:
            section, _, name = choice.key.rpartition(".")
            if section and section != entered:
                lines.append(f"{section}:")
            entered = section
            indent = "  " if section else ""
            lines += [*_comment(choice.reason, indent), f"{indent}{name}: {_flow(choice.value)}"]
        return "\n".join(lines) + "\n"


def _comment(text: str, indent: str = "") -> list[str]:
    prefix = f"{indent}# "
    return textwrap.wrap(
        text, WIDTH, initial_indent=prefix, subsequent_indent=prefix, break_long_words=False, break_on_hyphens=False
    )


def _flow(value: Any) -> str:
    """Writes a value as YAML on one line."""
    text = dump_yaml(value, default_flow_style=True, width=float("inf"))
    return text.removesuffix("\n").removesuffix("\n...")
