"""Mean and standard deviation of numbers that come part by part."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt


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
