"""The distinct ratings, where they are few."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt

MAX_LEVELS = 100


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
