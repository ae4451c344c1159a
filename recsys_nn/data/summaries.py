"""Summaries of ratings that come part by part: mean and spread, and the distinct values where they are few."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import numpy.typing as npt

MAX_LEVELS = 100


class Moments:
    """Number, mean, standard deviation and extremes of all numbers that were added.

    A part's mean and sum of squared deviations are merged into those of the parts before (Chan, Golub and LeVeque
    1983, "Algorithms for computing the sample variance", equation 2.1), so that nothing cancels where the mean is
    large beside the deviation.
    """

    def __init__(self) -> None:
        self.n = 0
        self.mean = 0.0
        self.lowest, self.highest = math.inf, -math.inf
        self._squares = 0.0

    def add(self, values: npt.NDArray[np.float64]) -> None:
        n = self.n + len(values)
        if n == self.n:
            return
        mean = float(values.mean())
        step = mean - self.mean
        self._squares += float(values.var()) * len(values) + step * (step * self.n * len(values) / n)
        self.mean += step * len(values) / n
        self.n = n
        self.lowest, self.highest = min(self.lowest, float(values.min())), max(self.highest, float(values.max()))

    @property
    def std(self) -> float:
        """The standard deviation with divisor n."""
        return math.sqrt(self._squares / self.n)


class Levels:
    """Counts of the distinct ratings among all that were added; given up where they are more than 100."""

    def __init__(self) -> None:
        self._counts: Counter[float] | None = Counter()

    def add(self, ratings: npt.NDArray[np.float64]) -> None:
        if self._counts is None:
            return
        values, counts = np.unique(ratings, return_counts=True)
        if len(values) <= MAX_LEVELS:
            self._counts.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
        if max(len(values), len(self._counts)) > MAX_LEVELS:
            self._counts = None

    @property
    def values(self) -> tuple[float, ...] | None:
        """The distinct ratings, ascending; None where they are too many."""
        return None if self._counts is None else tuple(sorted(self._counts))

    @property
    def counts(self) -> tuple[int, ...] | None:
        """Number of ratings at each of :attr:`values`."""
        return None if self._counts is None else tuple(self._counts[value] for value in sorted(self._counts))
