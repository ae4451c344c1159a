"""Side features of users, items and the ratings themselves: how they are asked for, fitted and encoded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from recsys_nn.data import plain_column, plain_column_or_missing
from recsys_nn.encoding.drift import DriftConfig
from recsys_nn.encoding.feature_columns import (
    MAX_BINS,
    Bins,
    Categories,
    Dates,
    FeatureColumn,
    Mask,
    Numeric,
    Period,
    Slots,
)
from recsys_nn.errors import ConfigError, DataError, Where, did_you_mean, row_number, shown, worded

Side = Literal["user", "item", "rating"]
SIDES: tuple[Side, Side] = ("user", "item")
OTHER_SIDE: dict[Side, Side] = {"user": "item", "item": "user"}
Kind = Literal["categorical", "numeric", "date"]

_COLUMNS = TypeAdapter(tuple[FeatureColumn, ...])
_SETTINGS: dict[str, Kind] = {"separator": "categorical", "bins": "numeric", "period": "date"}
"""The kind of feature that each setting is for."""


class FeatureConfig(BaseModel):
    """Config of one feature; a plain string is the name of its column.

    Its ``kind``, where left out, is that of the column's type: texts are categorical, numbers numeric, times a date.

    Args:
        column: name of a user or item feature, or of a column of the ratings (``timestamp`` or one kept beside them).
        separator: text between several values of a categorical feature, as in "Comedy|Romance".
        bins: greatest number of categories that a numeric feature is cut into, at the training values' quantiles.
        period: span of a date feature that is one category; a month where left out.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    kind: Kind | None = None
    separator: str | None = Field(default=None, min_length=1)
    bins: int | None = Field(default=None, ge=2, le=MAX_BINS)
    period: Period = "month"

    @model_validator(mode="before")
    @classmethod
    def _of_its_name(cls, value: Any) -> Any:
        return {"column": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _has_settings_of_one_kind(self) -> FeatureConfig:
        given = self._settings()
        if self.kind is not None:
            self._check(self.kind, ConfigError)
        elif len(given) > 1:
            kinds = [f"{name} is for a {_SETTINGS[name]} feature" for name in given[:2]]
            raise ConfigError(f"the feature {self.column!r}: {', '.join(kinds)}: leave one out")
        return self

    def _settings(self) -> list[str]:
        """Names of the settings that differ from their defaults."""
        return [name for name in _SETTINGS if getattr(self, name) != type(self).model_fields[name].default]

    def _check(self, kind: Kind, error: type[ConfigError] | type[DataError]) -> None:
        for name in self._settings():
            if _SETTINGS[name] != kind:
                setting = f"{name}={getattr(self, name)!r}"
                raise error(
                    f"the feature {self.column!r}: {setting} must be left out, as it is for a {_SETTINGS[name]} "
                    f"feature, not a {kind} one"
                )

    def fit(self, values: pd.Series, known: Mask, where: Where) -> FeatureColumn:
        """Fits the feature to the plain values of its column, of which those that are ``known`` are training's.

        Raises:
            DataError: where a setting is not for the kind of the column, or nothing can be learnt from it.
        """
        kind = self.kind or _kind_of(values)
        self._check(kind, DataError)
        if kind == "categorical":
            return Categories.fit(self.column, values, known, separator=self.separator)
        if kind == "date":
            return Dates.fit(self.column, values, known, where, period=self.period)
        if self.bins is not None:
            return Bins.fit(self.column, values, known, where, bins=self.bins)
        return Numeric.fit(self.column, values, known, where)


class FeaturesConfig(BaseModel):
    """Config of the features of each side, and of the drift of users in time.

    Args:
        user: columns of the users' features.
        item: columns of the items' features.
        rating: ``timestamp``, or columns that are kept beside the ratings.
        drift: the column of the times in which the users' biases drift, usually ``timestamp``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: tuple[FeatureConfig, ...] = ()
    item: tuple[FeatureConfig, ...] = ()
    rating: tuple[FeatureConfig, ...] = ()
    drift: DriftConfig | None = None

    @classmethod
    def of(cls, features: FeaturesConfig | Mapping[str, Any] | None) -> FeaturesConfig:
        """The config that a mapping describes; without one, no features.

        Raises:
            DataError: where it describes none.
        """
        try:
            return cls.model_validate(features or {})
        except ValidationError as error:
            problem = error.errors()[0]
            place = ".".join(map(str, problem["loc"]))
            if problem["type"] == "extra_forbidden":
                inner = DriftConfig if problem["loc"][0] == "drift" else FeatureConfig
                known = (inner if len(problem["loc"]) > 1 else cls).model_fields
                raise DataError(
                    f"features.{place}: there is no such key{did_you_mean(str(problem['loc'][-1]), known)}"
                ) from None
            raise DataError(worded(f"features.{place}", problem, shown(problem["input"]))) from None

    def by_side(self) -> dict[Side, tuple[FeatureConfig, ...]]:
        """The features of each side that has some."""
        sides: dict[Side, tuple[FeatureConfig, ...]] = {"user": self.user, "item": self.item, "rating": self.rating}
        return {side: configs for side, configs in sides.items() if configs}


@dataclass(frozen=True, eq=False)
class SideFeatures:
    """All features of one side as a sparse block: K slots an owner, each a row of one table and a weight.

    The table of all features together has a row 0, which stands for missing and unknown values and has weight 0
    wherever it is used, and then the rows of each column in turn.

    Args:
        side: side that the features are of.
        columns: fitted features, each with its ``name``, ``n_slots`` and ``n_rows``.
        values: plain values of the columns for users and items, the row k of the frame for row k + 1 of the encoder;
            None for ratings.
    """

    side: Side
    columns: tuple[FeatureColumn, ...]
    values: pd.DataFrame | None = None

    @classmethod
    def fit(
        cls, side: Side, configs: Sequence[FeatureConfig], frame: pd.DataFrame, known: Mask, where: Where = row_number
    ) -> SideFeatures:
        """Fits the features of one side to a frame with a row an owner.

        Args:
            side: side that the features are of.
            configs: features that are asked for.
            frame: table with the columns that the configs name.
            known: mask of the rows known from training; from others nothing is learnt but how many slots they need.
            where: names a row of the frame in error messages.

        Raises:
            DataError: for a column that is missing, constant, or not of its kind.
        """
        names = dict.fromkeys(config.column for config in configs)
        values = pd.DataFrame({name: plain_column(frame, name, side, where) for name in names})
        columns = tuple(config.fit(values[config.column], known, where) for config in configs)
        return cls(side, columns, None if side == "rating" else values)

    @property
    def n_rows(self) -> int:
        """Rows of the joint table, row 0 included."""
        return 1 + sum(column.n_rows for column in self.columns)

    @property
    def slots(self) -> tuple[int, ...]:
        """The number of slots of each column, in order; their sum is K."""
        return tuple(column.n_slots for column in self.columns)

    @property
    def rows(self) -> npt.NDArray[np.int32] | None:
        """The K rows of the table for each encoder row of a user or an item, (n, K); row 0 is all 0."""
        return None if self._encoded is None else self._encoded[0]

    @property
    def weights(self) -> npt.NDArray[np.float32] | None:
        """The weights of :attr:`rows`, (n, K)."""
        return None if self._encoded is None else self._encoded[1]

    @cached_property
    def _encoded(self) -> Slots | None:
        if self.values is None:
            return None
        rows, weights = self.encode(self.values)
        return np.pad(rows, ((1, 0), (0, 0))), np.pad(weights, ((1, 0), (0, 0)))

    def encode(self, frame: pd.DataFrame, where: Where = row_number) -> Slots:
        """Encodes raw values, a row an owner, as rows int32 (n, K) and weights float32 (n, K).

        A column that the frame does not have is missing throughout.
        """
        slots = []
        first = 0
        for column in self.columns:
            rows, weights = column.encode(plain_column_or_missing(frame, column.name, where), where)
            slots.append((np.where(rows > 0, rows + first, 0).astype(np.int32), weights))
            first += column.n_rows
        rows, weights = (np.hstack(parts) for parts in zip(*slots, strict=True))
        return rows, weights

    def state(self) -> list[dict[str, Any]]:
        """The fitted columns as plain JSON values."""
        return _COLUMNS.dump_python(self.columns, mode="json")


def _kind_of(values: pd.Series) -> Kind:
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        return "date"
    return "numeric" if pd.api.types.is_numeric_dtype(values.dtype) else "categorical"


NAME_COLUMNS = ("title", "name", "item_name", "movie_title")


def is_name(column: object) -> bool:
    """Tells whether a column of items' features holds their names."""
    return str(column).lower() in NAME_COLUMNS


def item_names(features: pd.DataFrame | None, ids: pd.Series) -> pd.Series | None:
    """Names of these items, as text, the id where one has none; None where no column holds names.

    Args:
        features: table with a row an item, its id in the column ``item``.
        ids: ids of the items to name.
    """
    column = None if features is None else next(filter(is_name, features.columns), None)
    if features is None or column is None:
        return None
    names = features.set_index("item")[column].reindex(ids).reset_index(drop=True)
    return names.where(names.notna(), ids.reset_index(drop=True)).astype("str")
