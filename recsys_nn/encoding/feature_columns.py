"""Features fitted to training values: each value becomes a few slots, (row of a table, weight) with row 0 for none.

    categorical   the row of the value, weight 1; of m values together: m slots of weight 1/√m, a vector of norm 1
    numeric       one row, weight (x - mean) / std
    bins          the row of the quantile bin, weight 1
    date          a trend, numeric in days, and the row of the period, weight 1

Missing values, and categories that training did not have, are row 0 with weight 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from recsys_nn.data import as_numbers, as_texts, as_times
from recsys_nn.errors import DataError, Where, refuse

MAX_BINS = 10_000
Period = Literal["day", "week", "month", "year"]
Mask = npt.NDArray[np.bool_]
Slots = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]
"""Rows and weights, each (n, number of slots)."""

_CODES: dict[Period, str] = {"day": "D", "week": "W", "month": "M", "year": "Y"}


class _Column(BaseModel):
    """Base of all fitted features: the name of their column."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str


class Categories(_Column):
    """One of several values, or with a separator several of them.

    Args:
        values: the categories, sorted; the one at position k has row k + 1.
        separator: text between several values of one owner.
        n_slots: the most values that one owner has; of more, the first in order count.
    """

    kind: Literal["categories"] = "categories"
    values: tuple[str, ...] = Field(min_length=1, fail_fast=True)
    separator: str | None = Field(default=None, min_length=1)
    n_slots: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _has_no_more_slots_than_values(self) -> Categories:
        if self.n_slots > len(self.values):
            raise ValueError(f"an owner cannot have {self.n_slots} of {len(self.values)} values")
        return self

    @classmethod
    def fit(cls, name: str, values: pd.Series, known: Mask, *, separator: str | None = None) -> Categories:
        """Fits the categories to plain values, taking those that are ``known`` from training."""
        texts = as_texts(values, name)
        categories = {part for text in texts[known].dropna().unique() for part in _parts(text, separator)}
        if not categories:
            raise DataError(f"the feature {name!r} has no value in training: leave it out")
        n_slots = max(len(categories & set(_parts(text, separator))) for text in texts.dropna().unique())
        return cls(name=name, values=tuple(sorted(categories)), separator=separator, n_slots=max(n_slots, 1))

    @property
    def n_rows(self) -> int:
        return len(self.values)

    def encode(self, values: pd.Series, where: Where) -> Slots:
        codes, distinct = pd.factorize(as_texts(values, self.name))
        row_of = {value: row for row, value in enumerate(self.values, start=1)}
        rows = np.zeros((len(distinct) + 1, self.n_slots), dtype=np.int32)  # the last, which code -1 takes, for missing
        weights = np.zeros(rows.shape, dtype=np.float32)
        for code, text in enumerate(distinct):
            known = [row_of[part] for part in _parts(text, self.separator) if part in row_of][: self.n_slots]
            rows[code, : len(known)] = known
            weights[code, : len(known)] = 1 / np.sqrt(max(len(known), 1))
        return rows[codes], weights[codes]


class Numeric(_Column):
    """A number, standardised: (x - mean) / std.

    Args:
        mean: mean of the training values.
        std: standard deviation of the training values, with divisor n.
    """

    kind: Literal["numeric"] = "numeric"
    mean: float
    std: float = Field(gt=0)

    @classmethod
    def fit(cls, name: str, values: pd.Series, known: Mask, where: Where) -> Numeric:
        """Fits mean and standard deviation to the plain values that are ``known`` from training."""
        numbers = _varied(name, values, known, where)
        return cls(name=name, mean=float(numbers.mean()), std=float(numbers.std()))

    @property
    def n_slots(self) -> int:
        return 1

    @property
    def n_rows(self) -> int:
        return 1

    def encode(self, values: pd.Series, where: Where) -> Slots:
        numbers = as_numbers(values, self.name, where)
        given = ~np.isnan(numbers)
        with np.errstate(over="ignore"):
            weights = np.where(given, (numbers - self.mean) / self.std, 0.0).astype(np.float32)
        refuse(
            np.isinf(weights),
            where,
            lambda row: (
                f"the feature {self.name!r} is {numbers[row]:g}, which is too far from its mean {self.mean:g} "
                f"(standard deviation {self.std:g}) for a 32-bit number"
            ),
        )
        return given.astype(np.int32)[:, None], weights[:, None]


class Bins(_Column):
    """A number as the category of the bin (e_k-1, e_k] that it falls into.

    Args:
        edges: ends e_0 < e_1 < ... of the bins; the first bin has no lower end, the last no upper.
    """

    kind: Literal["bins"] = "bins"
    edges: tuple[float, ...] = Field(min_length=1, max_length=MAX_BINS, fail_fast=True)

    @model_validator(mode="after")
    def _ascends(self) -> Bins:
        if list(self.edges) != sorted(set(self.edges)):
            raise ValueError("the edges of the bins must ascend")
        return self

    @classmethod
    def fit(cls, name: str, values: pd.Series, known: Mask, where: Where, *, bins: int) -> Bins:
        """Fits bins whose edges are the k/bins quantiles of the ``known`` values.

        The quantiles are values that occur (inverted distribution function), so that no bin is empty; equal ones are
        one edge, so that there may be fewer bins.
        """
        numbers = _varied(name, values, known, where)
        quantiles = np.quantile(numbers, np.arange(1, bins) / bins, method="inverted_cdf")
        edges = np.unique(quantiles[quantiles < numbers.max()])
        if not len(edges):
            raise DataError(
                f"the feature {name!r} is {numbers.max():g} so often that its {bins} bins are one: set bins higher"
            )
        return cls(name=name, edges=tuple(edges.tolist()))

    @property
    def n_slots(self) -> int:
        return 1

    @property
    def n_rows(self) -> int:
        return len(self.edges) + 1

    def encode(self, values: pd.Series, where: Where) -> Slots:
        numbers = as_numbers(values, self.name, where)
        given = ~np.isnan(numbers)
        rows = np.where(given, 1 + np.searchsorted(self.edges, numbers, side="left"), 0)
        return rows.astype(np.int32)[:, None], given.astype(np.float32)[:, None]


class Dates(_Column):
    """A time as two slots: the trend, row 1, and then the period, a category.

    Args:
        trend: numeric feature of the time in days.
        period: length of one period.
        periods: categories of the periods of training, such as "1998-03".
    """

    kind: Literal["dates"] = "dates"
    trend: Numeric
    period: Period
    periods: Categories

    @classmethod
    def fit(cls, name: str, values: pd.Series, known: Mask, where: Where, *, period: Period) -> Dates:
        """Fits trend and periods to the plain values that are ``known`` from training."""
        times = as_times(values, name, where)
        if times[known].nunique() == 1:
            raise _constant(name, times[known])
        trend = Numeric.fit(name, _days(times), known, where)
        return cls(name=name, trend=trend, period=period, periods=Categories.fit(name, _names(times, period), known))

    @property
    def n_slots(self) -> int:
        return 2

    @property
    def n_rows(self) -> int:
        return 1 + self.periods.n_rows

    def encode(self, values: pd.Series, where: Where) -> Slots:
        times = as_times(values, self.name, where)
        trend_rows, trend = self.trend.encode(_days(times), where)
        rows, weights = self.periods.encode(_names(times, self.period), where)
        return np.hstack([trend_rows, np.where(rows > 0, rows + 1, 0)]), np.hstack([trend, weights])


FeatureColumn = Annotated[Categories | Numeric | Bins | Dates, Field(discriminator="kind")]


def _parts(text: str, separator: str | None) -> Sequence[str]:
    return [text] if separator is None else sorted({part for part in text.split(separator) if part})


def _varied(name: str, values: pd.Series, known: Mask, where: Where) -> npt.NDArray[np.float64]:
    numbers = as_numbers(values, name, where)[known]
    numbers = numbers[~np.isnan(numbers)]
    if not len(numbers):
        raise DataError(f"the feature {name!r} has no value in training: leave it out")
    if numbers.min() == numbers.max():
        raise _constant(name, values[known])
    return numbers


def _constant(name: str, values: pd.Series) -> DataError:
    value = values.dropna().iloc[0]
    return DataError(
        f"the feature {name!r} is always {value} in training, so that nothing can be learned from it: leave it out"
    )


def _days(times: pd.Series) -> pd.Series:
    return (times - pd.Timestamp(0)) / pd.Timedelta(days=1)


def _names(times: pd.Series, period: Period) -> pd.Series:
    codes, periods = pd.factorize(times.dt.to_period(_CODES[period]))
    return pd.Series([*periods.astype(str), None], dtype="str").take(codes).reset_index(drop=True)
