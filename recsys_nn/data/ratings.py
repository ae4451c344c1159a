"""The one validated table of ratings."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from numbers import Real
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data.feature_values import plain_values
from recsys_nn.data.ids import canonical_ids, id_type
from recsys_nn.data.timestamps import as_timestamps
from recsys_nn.errors import DataError, Where, did_you_mean, in_column, must_be, must_be_one_of, plain_repr, row_number

Duplicates = Literal["error", "last", "mean"]
COLUMNS = ("user", "item", "rating", "timestamp")


class Truth(Protocol):
    """Distribution that the rating of a pair is drawn from, with a mean and a variance.

    For pairs of ids (n,) ``expected`` is E[r_ui], which no predictor can better in RMSE, ``variance`` is Var[r_ui], the
    error that it leaves, and ``draw`` gives new ratings; each (n,) float64.
    """

    def expected(self, users: pd.Series, items: pd.Series) -> npt.NDArray[np.float64]: ...

    def variance(self, users: pd.Series, items: pd.Series) -> npt.NDArray[np.float64]: ...

    def draw(self, users: pd.Series, items: pd.Series, rng: np.random.Generator) -> npt.NDArray[np.float64]: ...


class Ratings:
    """An immutable table of ratings: who rated what, how, and perhaps when.

    Args:
        frame: a DataFrame with the columns ``user``, ``item``, ``rating`` and, if known, ``timestamp``; other
            columns are left out. Ids are integers or strings and stay as they are, ratings are finite numbers,
            timestamps are epoch seconds or ISO dates and become UTC datetimes.
        scale: (lowest, highest) possible rating; by default the lowest and highest observed.
        user_features: a DataFrame with a column ``user`` and one row a user; kept beside the ratings.
        item_features: a DataFrame with a column ``item`` and one row an item; kept beside the ratings.
        rating_features: further columns of ``frame`` to keep, such as the device that a rating was given on: numbers,
            texts or times, which may be missing. The timestamp can be a feature without being named here.
        duplicates: what to do when a pair stands in the table more than once: ``"error"``, keep the ``"last"``
            (the latest by timestamp where there is one, else the last in the table), or its ``"mean"``
            (with the latest timestamp and rating features).
        truth: distribution that any pair's rating is drawn from, for generated data.
        where: names a row of ``frame`` in error messages; readers give file and line.

    Raises:
        DataError: naming the first offending row and value.

    Example:
        >>> import pandas as pd
        >>> table = pd.DataFrame({"user": ["ann", "ann", "bob"], "item": ["Up", "Alien", "Up"], "rating": [5, 3, 4]})
        >>> rn.Ratings(table, scale=(1, 5))
        Ratings(3 ratings, 2 users, 2 items, 1 to 5)
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        *,
        scale: tuple[float, float] | None = None,
        user_features: pd.DataFrame | None = None,
        item_features: pd.DataFrame | None = None,
        rating_features: Sequence[str] = (),
        duplicates: Duplicates = "error",
        truth: Truth | None = None,
        where: Where = row_number,
    ) -> None:
        table = _checked_table(frame, where).assign(**_kept_beside(frame, rating_features, where))
        self._scale = _checked_scale(table["rating"], scale, where)
        self._frame = _without_duplicates(table, duplicates, where)
        self._merged = len(table) - len(self._frame)
        self._user_features = _feature_table(user_features, "user", table["user"])
        self._item_features = _feature_table(item_features, "item", table["item"])
        self._truth = truth

    @classmethod
    def part(cls, frame: pd.DataFrame, *, scale: tuple[float, float], where: Where = row_number) -> Ratings:
        """Ratings of some rows of a table that is too large to be held: checked alike, but not for repeated pairs.

        Args:
            frame: some rows, with the columns of the whole table.
            scale: (lowest, highest) possible rating of the whole table.
            where: names a row of ``frame`` in error messages.
        """
        part = object.__new__(cls)
        part._frame = _checked_table(frame, where)
        part._scale = scale
        part._merged = 0
        part._user_features = part._item_features = part._truth = None
        _check_within(part._frame["rating"], scale, where)
        return part

    @property
    def frame(self) -> pd.DataFrame:
        """The columns ``user``, ``item``, ``rating``, perhaps ``timestamp``, and rating features; a copy to change."""
        return self._frame.copy(deep=False)

    @property
    def scale(self) -> tuple[float, float]:
        """(lowest, highest) possible rating, as given or as observed in the whole table."""
        return self._scale

    @property
    def user_features(self) -> pd.DataFrame | None:
        return None if self._user_features is None else self._user_features.copy(deep=False)

    @property
    def item_features(self) -> pd.DataFrame | None:
        return None if self._item_features is None else self._item_features.copy(deep=False)

    @property
    def truth(self) -> Truth | None:
        return self._truth

    @property
    def n_merged(self) -> int:
        """Rows of the whole table that ``duplicates`` has merged into others of the same pair."""
        return self._merged

    @property
    def has_timestamps(self) -> bool:
        return "timestamp" in self._frame.columns

    @property
    def rating_features(self) -> tuple[str, ...]:
        """The columns that were kept beside the ratings."""
        return tuple(name for name in self._frame.columns if name not in COLUMNS)

    @property
    def n_users(self) -> int:
        return int(self._frame["user"].nunique())

    @property
    def n_items(self) -> int:
        return int(self._frame["item"].nunique())

    def chunks(self) -> Iterator[tuple[Ratings, Where]]:
        """Yields the whole table as a single chunk, where a RatingsStream has many, with what names its rows."""
        yield self, row_number

    def take(self, rows: npt.ArrayLike) -> Ratings:
        """The ratings at these positions (or where a mask is true), with the scale and features of all."""
        positions = np.asarray(rows)
        if positions.dtype == bool:
            if len(positions) != len(self):
                raise DataError(
                    f"a mask must have a value for each of {len(self)} ratings, not {len(positions)} values"
                )
            positions = np.flatnonzero(positions)
        part = copy.copy(self)
        part._frame = self._frame.take(positions.astype(np.int64)).reset_index(drop=True)
        return part

    def joined(self, other: Ratings) -> Ratings:
        """These ratings and then those of another part of the same table."""
        whole = copy.copy(self)
        whole._frame = pd.concat([self._frame, other._frame], ignore_index=True)
        return whole

    def with_features(
        self, *, user_features: pd.DataFrame | None = None, item_features: pd.DataFrame | None = None
    ) -> Ratings:
        """The ratings with these tables of features, in the place of those that they had."""
        ratings = copy.copy(self)
        if user_features is not None:
            ratings._user_features = _feature_table(user_features, "user", self._frame["user"])
        if item_features is not None:
            ratings._item_features = _feature_table(item_features, "item", self._frame["item"])
        return ratings

    def liked(self, threshold: float) -> Ratings:
        """Ratings of 1 where one is at least ``threshold``, else 0, on the scale (0, 1); for a binary head.

        Example:
            >>> ratings.liked(4)
            Ratings(300 ratings, 30 users, 15 items, 0 to 1)
            >>> ratings.liked(4).frame["rating"].unique()
            array([1., 0.])
        """
        ratings = copy.copy(self)
        ratings._frame = self._frame.assign(rating=(self._frame["rating"] >= threshold).astype("float64"))
        ratings._scale, ratings._truth = (0.0, 1.0), None
        return ratings

    def redrawn(self, rng: np.random.Generator) -> Ratings:
        """The pairs of generated data, rated anew: other noise around the same truth."""
        if self._truth is None:
            raise DataError("only generated ratings can be drawn anew: take the data set 'synthetic'")
        ratings = copy.copy(self)
        ratings._frame = self._frame.assign(rating=self._truth.draw(self._frame["user"], self._frame["item"], rng))
        return ratings

    def __len__(self) -> int:
        return len(self._frame)

    def __repr__(self) -> str:
        lowest, highest = self._scale
        return (
            f"Ratings({len(self):,} ratings, {self.n_users:,} users, {self.n_items:,} items, {lowest:g} to {highest:g})"
        )


def _checked_table(frame: pd.DataFrame, where: Where) -> pd.DataFrame:
    missing = [name for name in ("user", "item", "rating") if name not in frame.columns]
    if missing:
        raise DataError(f"there is no column {missing[0]!r} among {', '.join(map(repr, frame.columns))}")
    columns = {
        "user": canonical_ids(frame["user"], "user", in_column(where, "user")),
        "item": canonical_ids(frame["item"], "item", in_column(where, "item")),
        "rating": finite_ratings(frame["rating"], in_column(where, "rating")),
    }
    if "timestamp" in frame.columns:
        columns["timestamp"] = as_timestamps(frame["timestamp"], in_column(where, "timestamp"))
    return pd.DataFrame(columns)


def _kept_beside(frame: pd.DataFrame, names: Sequence[str], where: Where) -> dict[str, pd.Series]:
    if isinstance(names, str):
        raise DataError(f"rating_features must be a list of column names such as [{names!r}], not {names!r}")
    others = [str(name) for name in frame.columns if name not in COLUMNS]
    for name in names:
        if name in COLUMNS:
            raise DataError(f"rating_features must be without {name!r}, which the table keeps anyway: leave it out")
        if name not in others:
            raise DataError(f"rating_features: there is no column {name!r}{did_you_mean(name, others)}")
    return {name: plain_values(frame[name], name, where) for name in names}


def finite_ratings(values: pd.Series, where: Where) -> pd.Series:
    """The ratings as float64, or a DataError that names the first that is no finite number."""
    series = values.reset_index(drop=True)
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    kind = pd.api.types.infer_dtype(series, skipna=True)
    if kind not in ("integer", "floating", "mixed-integer-float", "decimal", "empty"):
        number = [isinstance(value, Real) and not isinstance(value, bool) for value in series]
        row = number.index(False)
        value = series.iloc[row]
        raise DataError(f"{where(row)}: the rating must be a number, not {plain_repr(value)} ({type(value).__name__})")
    numbers = series.astype("float64")
    bad = ~np.isfinite(numbers.to_numpy(na_value=np.nan))
    if bad.any():
        row = int(bad.argmax())
        raise DataError(f"{where(row)}: the rating must be a finite number, not {plain_repr(series.iloc[row])}")
    return numbers


def _checked_scale(ratings: pd.Series, scale: tuple[float, float] | None, where: Where) -> tuple[float, float]:
    if scale is None:
        return float(ratings.min()), float(ratings.max())  # NaN where there is none
    bounds = scale_bounds(scale)
    _check_within(ratings, bounds, where)
    return bounds


def scale_bounds(scale: tuple[float, float]) -> tuple[float, float]:
    """A given scale as two floats, or a DataError where it is not (lowest, highest)."""
    if not (isinstance(scale, tuple | list) and len(scale) == 2 and all(isinstance(bound, Real) for bound in scale)):
        raise DataError(f"scale must be a pair of numbers (lowest, highest), not {scale!r}")
    lowest, highest = (float(bound) for bound in scale)
    if not (np.isfinite(lowest) and np.isfinite(highest) and lowest < highest):
        raise DataError(f"scale must be (lowest, highest) with lowest < highest, not {tuple(scale)}")
    return lowest, highest


def _check_within(ratings: pd.Series, scale: tuple[float, float], where: Where) -> None:
    lowest, highest = scale
    outside = ((ratings < lowest) | (ratings > highest)).to_numpy()
    if outside.any():
        row = int(outside.argmax())
        raise DataError(
            f"{in_column(where, 'rating')(row)}: the rating {ratings.iloc[row]:g} is outside the scale "
            f"{lowest:g} to {highest:g}, as {int(outside.sum())} of {len(ratings)} ratings are: correct them or the "
            "scale"
        )


def _without_duplicates(table: pd.DataFrame, policy: Duplicates, where: Where) -> pd.DataFrame:
    if policy not in ("error", "last", "mean"):
        raise DataError(must_be_one_of("duplicates", policy, ("error", "last", "mean")))
    if not _has_duplicates(table):
        return table
    pair = ["user", "item"]
    later = table.duplicated(pair).to_numpy()
    if policy == "error":
        row = int(later.argmax())
        user, item = table["user"].iloc[row], table["item"].iloc[row]
        first = int(((table["user"] == user) & (table["item"] == item)).to_numpy().argmax())
        raise DataError(
            f"{where(row)}: user {plain_repr(user)} already rated item {plain_repr(item)} at {where(first)} "
            f"({int(later.sum())} rows repeat a pair): set the option duplicates to 'last' or 'mean'"
        )
    newest = table.sort_values("timestamp", kind="stable") if "timestamp" in table.columns else table
    newest = newest.drop_duplicates(pair, keep="last").sort_index()
    if policy == "mean":
        means = table.groupby(pair, sort=False)["rating"].mean()
        newest["rating"] = means.loc[pd.MultiIndex.from_frame(newest[pair])].to_numpy()
    return newest.reset_index(drop=True)


def _has_duplicates(table: pd.DataFrame) -> bool:
    """Tells whether a pair is repeated; sorting one number a pair takes a third of the time of ``duplicated``."""
    users, items = (pd.factorize(table[side])[0].astype(np.int64) for side in ("user", "item"))
    keys = users * (items.max(initial=0) + 1) + items
    keys.sort()
    return bool((keys[1:] == keys[:-1]).any())


def _feature_table(features: pd.DataFrame | None, name: str, ids: pd.Series) -> pd.DataFrame | None:
    if features is None:
        return None
    if not isinstance(features, pd.DataFrame):
        raise DataError(must_be(f"{name}_features", f"a DataFrame with a column {name!r}", features))
    if name not in features.columns:
        raise DataError(f"the {name} features have no column {name!r} among {', '.join(map(repr, features.columns))}")
    table = features.reset_index(drop=True).copy()
    table[name] = canonical_ids(table[name], f"{name} (in its features)")
    if len(ids) and len(table) and id_type(table[name]) != id_type(ids):
        raise DataError(
            f"the {name} ids must be of type {id_type(ids)} in the {name} features too, not {id_type(table[name])}"
        )
    repeated = table[name].duplicated()
    if repeated.any():
        value = plain_repr(table[name][repeated].iloc[0])
        raise DataError(f"the {name} features have several rows for {name} {value}: keep one")
    return table
