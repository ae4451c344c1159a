"""Interface of the truth behind generated ratings."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd


class Truth(Protocol):
    """Distribution that the rating of a pair is drawn from, with a mean and a variance.

    For pairs of ids (n,) ``expected`` is E[r_ui], which no predictor can better in RMSE, ``variance`` is Var[r_ui], the
    error that it leaves, and ``draw`` gives new ratings; each (n,) float64.
    """

    def expected(self, users: pd.Series, items: pd.Series) -> npt.NDArray[np.float64]: ...

    def variance(self, users: pd.Series, items: pd.Series) -> npt.NDArray[np.float64]: ...

    def draw(self, users: pd.Series, items: pd.Series, rng: np.random.Generator) -> npt.NDArray[np.float64]: ...
