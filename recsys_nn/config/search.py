"""The ``search`` section of a run: the values that are tried, how, and how long."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import product
from math import log10
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from recsys_nn.config.sections import Section, validated
from recsys_nn.errors import ConfigError

USUAL_TRIALS = 20


class Range(Section):
    """The numbers from ``low`` to ``high``, both among them; whole ones where both are written so.

    Args:
        low: the least number of them.
        high: the greatest number of them.
        log: whether equal factors are equally likely, not equal differences.
        step: the distance of neighbours, which divides that of the ends.
    """

    low: int | float
    high: int | float
    log: bool = False
    step: int | float | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _holds_numbers(self) -> Range:
        if self.low >= self.high:
            raise ValueError(f"low must be less than high, not {self.low} with high {self.high}")
        if self.log and self.low <= 0:
            raise ValueError(f"low must be greater than 0 where log is true, not {self.low}")
        if self.log and self.step is not None:
            raise ValueError("step must be left out where log is true")
        if self.step is not None and not self._reached(self.high):
            raise ValueError(f"step must divide the range from {self.low} to {self.high}, which {self.step} does not")
        return self

    def _reached(self, value: float) -> bool:
        """Tells whether whole steps lead from ``low`` to a value."""
        steps = (value - self.low) / (self.step or 1)
        return abs(steps - round(steps)) < 1e-6

    @property
    def whole(self) -> bool:
        """True where the range holds whole numbers alone."""
        return all(isinstance(number, int) for number in (self.low, self.high, self.step or 1))

    @property
    def ends(self) -> tuple[int | float, ...]:
        """The lowest and the highest number, with which a config is tried before a search begins."""
        return self.low, self.high

    def __contains__(self, value: Any) -> bool:
        if not isinstance(value, int | float) or isinstance(value, bool) or not self.low <= value <= self.high:
            return False
        return self.step is None or self._reached(value)

    def grid(self, key: str) -> list[int | float]:
        """The range's numbers, where they can be counted.

        Raises:
            ConfigError: where they cannot; the path of the message ends in ``key``.
        """
        step = self.step or (1 if self.whole and not self.log else None)
        if step is None:
            tried = np.geomspace(self.low, self.high, 4) if self.log else np.linspace(self.low, self.high, 4)
            as_list = ", ".join(f"{value:.{max(0, 2 - round(log10(abs(value) or 1)))}f}" for value in tried)
            raise ConfigError(
                f"search.space.{key} must be a list of values in a grid, such as [{as_list}], or have a step"
            )
        return [self.low + step * place for place in range(round((self.high - self.low) / step) + 1)]


Choices = Annotated[tuple[Any, ...], Field(min_length=1)]
Space = Mapping[str, Range | Choices]


class SearchConfig(Section):
    """The values that a search tries, its method and its budget.

    Args:
        space: what is varied: by dotted key of the config, a range (``{low: 0.001, high: 0.1, log: true}``) or a list
            of choices: numbers, names, widths of a tower, whole sections.
        method: ``"tpe"``, the tree-structured Parzen estimator (Bergstra et al. 2011, "Algorithms for hyper-parameter
            optimization"), which draws where good trials are dense; ``"random"``; or ``"grid"``, every combination.
        trials: number of trials; by default all of a grid and else 20, or, with a ``timeout``, without bound.
        timeout: seconds after which no trial begins.
        folds: folds of a cross-validation that scores each trial; by default the validation part does.
        workers: the processes that trials are carried out in; a cluster has its own.
        prune: whether a trial ends at an epoch, from the tenth on, after which the least validation RMSE so far is
            above the median of earlier trials' there.
    """

    space: dict[str, Range | Choices] = Field(min_length=1)
    method: Literal["tpe", "random", "grid"] = "tpe"
    trials: int | None = Field(default=None, ge=1)
    timeout: float | None = Field(default=None, gt=0)
    folds: int | None = Field(default=None, ge=2)
    workers: int = Field(default=1, ge=1)
    prune: bool = True

    @field_validator("space", mode="before")
    @classmethod
    def _ranges_and_choices(cls, space: Any) -> Any:
        return {key: _values(key, each) for key, each in space.items()} if isinstance(space, Mapping) else space

    @property
    def most_trials(self) -> int | None:
        """The number of trials that are at most carried out; None where time alone bounds them."""
        if self.method == "grid":
            return min(len(self.grid), self.trials or len(self.grid))
        if self.trials is not None:
            return self.trials
        return USUAL_TRIALS if self.timeout is None else None

    @property
    def samples(self) -> Iterator[dict[str, Any]]:
        """Yields each choice and each end of a range by itself, so that a config can refuse them before a search."""
        for key, values in self.space.items():
            for value in values.ends if isinstance(values, Range) else values:
                yield {key: value}

    @property
    def grid(self) -> list[dict[str, Any]]:
        """Every combination of values, the last key's changing fastest.

        Raises:
            ConfigError: where a range has too many to be counted.
        """
        values = {key: each.grid(key) if isinstance(each, Range) else each for key, each in self.space.items()}
        return [dict(zip(values, combination, strict=True)) for combination in product(*values.values())]


def _values(key: str, given: Any) -> Any:
    if isinstance(given, Mapping):
        return validated(Range, given, ("search", "space", key))
    if isinstance(given, Range | list | tuple):
        return given
    raise ConfigError(f"search.space.{key} must be a list of choices or a range {{low: ..., high: ...}}, not {given!r}")


def label(value: Any) -> bool | int | float | str | None:
    """A choice as a search keeps and shows it: a plain value as it is, all else as text."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return json.dumps(value)
