"""The drift of users in time: which knots of a user's spline a rating lies between, and how near to each.

A user's bias moves along a linear spline in the user's own time (after Koren 2009, "Collaborative filtering with
temporal dynamics", section 3.2, there with kernels around control points):

    b_u(t) = A_u + (1 - g) D_uj + g D_u,j+1        j + g = K_u τ_u(t) / (n_u - 1)

where τ_u(t), the rank of t among the times of the n_u training ratings of user u, runs from 0 to n_u - 1, and the
K_u = max(1, n_u / ``every`` rounded) segments between the knots are equally long in it. In ranks, every knot has as
many ratings around it, however unevenly a user rates.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from recsys_nn.data import as_times, plain_column, plain_column_or_missing
from recsys_nn.encoding.feature_columns import Slots
from recsys_nn.errors import DataError, Where, row_number
from recsys_nn.files import are_integers

Rows = npt.NDArray[np.integer[Any]]


class DriftConfig(BaseModel):
    """Config of the drift of users; a plain string is the name of its column.

    Args:
        column: the times of the ratings: ``timestamp``, or a column of times that is kept beside them.
        every: training ratings of a user between two knots.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    every: int = Field(default=4, ge=1)

    @model_validator(mode="before")
    @classmethod
    def _of_its_name(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value


@dataclass(frozen=True, eq=False)
class Drift:
    """The knots of all users, as the rows of one table: row 0 for no time or no user, then those of each user in turn.

    Args:
        config: column of times and distance of the knots.
        users: the encoder's user row of each training rating that has a time, int32 (n,), ascending.
        times: times of these ratings in microseconds since 1970, int64 (n,), ascending within each user.
    """

    config: DriftConfig
    users: npt.NDArray[np.int32]
    times: npt.NDArray[np.int64]

    @classmethod
    def fit(cls, config: DriftConfig, users: Rows, frame: pd.DataFrame, where: Where = row_number) -> Drift:
        """Fits the knots of all users to training ratings.

        Args:
            config: column of times and distance of the knots.
            users: the encoder's rows of their users.
            frame: table with a row a rating and the column that the config names.
            where: names a row of the frame in error messages.

        Raises:
            DataError: where the column is missing or holds no times.
        """
        times = as_times(plain_column(frame, config.column, "rating", where), config.column, where)
        known = times.notna().to_numpy()
        if not known.any():
            raise DataError(
                f"the feature {config.column!r} has no value in training, so that users cannot drift: leave drift out"
            )
        users, microseconds = users[known], times[known].to_numpy().astype(np.int64)
        order = np.lexsort((microseconds, users))
        return cls(config, users[order].astype(np.int32), microseconds[order])

    @property
    def n_rows(self) -> int:
        """Rows of the table of knots, row 0 included."""
        return int(self._first_knots[-1])

    @cached_property
    def counts(self) -> npt.NDArray[np.int64]:
        """Number of training ratings of which each row is one of the two knots, (n_rows,)."""
        rows, _ = self._between_knots(self.users, self.times)
        return np.bincount(rows.ravel(), minlength=self.n_rows)

    def encode(self, users: Rows, frame: pd.DataFrame, where: Where = row_number) -> Slots:
        """The two knots of each rating, rows int32 (n, 2), and how near it is to each, weights float32 (n, 2).

        Weights sum to 1, and are 0 with row 0 where the user has no training rating with a time or the rating no time.
        The rank of a time between those of two ratings lies half-way between theirs, of a time before the first or
        behind the last it is theirs; equal times share the middle of their ranks.

        Args:
            users: rows of the encoder; rows that training did not have are allowed.
            frame: table with a row a rating; without the column there are no times.
            where: names a row of the frame in error messages.
        """
        column = self.config.column
        times = as_times(plain_column_or_missing(frame, column, where), column, where)
        known = times.notna().to_numpy() & (users < len(self._n_ratings))
        known[known] = self._n_ratings[users[known]] > 0
        rows, weights = np.zeros((len(users), 2), np.int32), np.zeros((len(users), 2), np.float32)
        rows[known], weights[known] = self._between_knots(users[known], times[known].to_numpy().astype(np.int64))
        return rows, weights

    def to_frame(self) -> pd.DataFrame:
        """The training times as a table: user (its row), time."""
        return pd.DataFrame({"user": self.users, "time": self.times.astype("datetime64[us]")})

    @classmethod
    def restored(cls, config: DriftConfig, frame: pd.DataFrame, *, n_users: int) -> Drift:
        """The drift of this config and the table that :meth:`to_frame` gave; a ValueError where it gave no such."""
        if not len(frame) or frame["time"].isna().any() or not are_integers(frame["user"], 0, n_users):
            raise ValueError(f"the times of users who drift must be of {n_users:,} users")
        users, times = frame["user"].to_numpy(np.int32), frame["time"].to_numpy("datetime64[us]")
        if (np.lexsort((times, users)) != np.arange(len(users))).any():
            raise ValueError("the times of users who drift must be in the order of users and times")
        return cls(config, users, times.astype(np.int64))

    def _between_knots(self, users: Rows, times: npt.NDArray[np.int64]) -> Slots:
        """Knots and weights (:meth:`encode`) of ratings by users with training times, at times in microseconds."""
        last, n_segments = self._n_ratings[users] - 1, self._n_segments[users]
        place = n_segments * self._ranks(users, times) / np.maximum(last, 1)
        segment = np.minimum(place.astype(np.int64), n_segments - 1)
        lower = self._first_knots[users] + segment
        beyond = place - segment
        rows, weights = np.stack([lower, lower + 1], axis=1), np.stack([1 - beyond, beyond], axis=1)
        return rows.astype(np.int32), weights.astype(np.float32)

    def _ranks(self, users: Rows, times: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        """τ_u(t): the user's ratings before t, and half of those at t but one; at least 0 and at most n_u - 1."""
        before, until = (self._earlier(users, times, is_earlier) for is_earlier in (np.less, np.less_equal))
        return np.clip((before + until - 1) / 2, 0, self._n_ratings[users] - 1)

    def _earlier(self, users: Rows, times: npt.NDArray[np.int64], is_earlier: np.ufunc) -> npt.NDArray[np.int64]:
        """Number of earlier training times of the same user, by binary searches in step, each among a user's times."""
        first = self._first_ratings[users]
        found, end = first, first + self._n_ratings[users]
        for bit in reversed(range(int(self._n_ratings.max()).bit_length())):
            ahead = np.minimum(found + 2**bit, end)
            found = np.where(is_earlier(self.times[ahead - 1], times), ahead, found)
        return found - first

    @cached_property
    def _n_ratings(self) -> npt.NDArray[np.int64]:
        return np.bincount(self.users)

    @cached_property
    def _first_ratings(self) -> npt.NDArray[np.int64]:
        return np.cumsum(self._n_ratings) - self._n_ratings

    @cached_property
    def _n_segments(self) -> npt.NDArray[np.int64]:
        segments = np.maximum(1, np.rint(self._n_ratings / self.config.every)).astype(np.int64)
        return np.where(self._n_ratings > 0, segments, 0)

    @cached_property
    def _first_knots(self) -> npt.NDArray[np.int64]:
        """The row of each user's first knot, and at the end the number of rows."""
        knots = np.where(self._n_ratings > 0, self._n_segments + 1, 0)
        return 1 + np.concatenate([[0], np.cumsum(knots)])
