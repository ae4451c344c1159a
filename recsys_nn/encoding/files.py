"""An encoder's parts as files: ``encoder.json``, ``users.parquet``, ``items.parquet``, perhaps ``drift.parquet``."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, model_validator

from recsys_nn.data import MAX_LEVELS, canonical_ids
from recsys_nn.encoding.baselines import EFFECTS, Biases
from recsys_nn.encoding.drift import Drift, DriftConfig
from recsys_nn.encoding.feature_columns import FeatureColumn
from recsys_nn.encoding.features import SIDES, Side, SideFeatures
from recsys_nn.encoding.state import EncoderState
from recsys_nn.encoding.vocabulary import Vocabulary
from recsys_nn.errors import ArtifactError, DataError, plain_repr
from recsys_nn.files import are_integers, plain_table, read_json, read_plain_table

ENCODER_FILES = ("encoder.json", "users.parquet", "items.parquet")
"""Those of every encoder."""
_DRIFT = "drift.parquet"
_MAX_JSON, _MAX_VALUES = 2 * 2**20, 500_000

_NAME = "name"
_FEATURE = "feature:"
"""Before the name of a feature's column, beside the columns id, count, name and those of the baselines."""


_Count = Annotated[int, Field(ge=1, lt=2**63)]


class _Fitted(BaseModel):
    """Content of encoder.json; runs of earlier versions have only the first three fields."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    rating_mean: float
    rating_std: float = Field(gt=0)
    scale: tuple[float, float]
    levels: tuple[float, ...] | None = Field(default=None, max_length=MAX_LEVELS, fail_fast=True)
    level_counts: tuple[_Count, ...] | None = Field(default=None, max_length=MAX_LEVELS, fail_fast=True)
    features: dict[Side, Annotated[tuple[FeatureColumn, ...], Field(min_length=1, fail_fast=True)]] = {}
    drift: DriftConfig | None = None

    @model_validator(mode="after")
    def _belongs_together(self) -> _Fitted:
        lowest, highest = self.scale
        if not lowest <= self.rating_mean <= highest or not self.rating_std <= highest - lowest:
            raise ValueError("the mean and the standard deviation must be those of ratings on the scale")
        levels, counts = self.levels or (), self.level_counts or ()
        if list(levels) != sorted(set(levels)) or len(levels) != len(counts):
            raise ValueError("the levels must ascend, with a count for each")
        return self


def write_encoder(encoder: EncoderState, folder: Path) -> None:
    """Writes an encoder into an existing folder: values of features into the tables, what was fitted into the JSON.

    Raises:
        ArtifactError: where the features have more categories than can be read again.
    """
    for side in SIDES:
        (folder / f"{side}s.parquet").write_bytes(plain_table(_side_frame(encoder, side)))
    values = {
        "rating_mean": encoder.rating_mean,
        "rating_std": encoder.rating_std,
        "scale": encoder.scale,
        "levels": encoder.levels,
        "level_counts": encoder.level_counts,
        "features": {side: features.state() for side, features in encoder.features.items()},
        "drift": None,
    }
    if encoder.drift is not None:
        values["drift"] = encoder.drift.config.model_dump()
        (folder / _DRIFT).write_bytes(plain_table(encoder.drift.to_frame()))
    content = (json.dumps(values) + "\n").encode()
    if len(content) > _MAX_JSON:
        raise ArtifactError(
            f"encoder.json must have at most {_MAX_JSON:,} bytes to be read again, not {len(content):,}: leave out the "
            "feature with the most categories, or make them fewer"
        )
    (folder / "encoder.json").write_bytes(content)


def read_encoder(
    folder: Path, read: Callable[[str], bytes] | None = None, sizes: Mapping[Side, int] | None = None
) -> dict[str, Any]:
    """Reads the fields of an encoder that :func:`write_encoder` wrote, by their names.

    Args:
        folder: folder that the encoder was written to.
        read: function that gives a file's content by its name; by default from the folder.
        sizes: number of users and of items, where that is known.

    Raises:
        ArtifactError: naming the file and what is wrong with it.
    """
    read = read or (lambda name: (folder / name).read_bytes())
    fitted: _Fitted = read_json(
        read("encoder.json"), _Fitted, str(folder / "encoder.json"), most_bytes=_MAX_JSON, most_values=_MAX_VALUES
    )
    sides = {side: _Table.read(folder / f"{side}s.parquet", read, (sizes or {}).get(side)) for side in SIDES}
    biases = {name: [table.floats(name) for table in sides.values()] for name in EFFECTS}
    parts: dict[str, Any] = {
        "rating_mean": fitted.rating_mean,
        "rating_std": fitted.rating_std,
        "scale": fitted.scale,
        "levels": fitted.levels,
        "level_counts": fitted.level_counts,
        "baselines": {name: Biases(fitted.rating_mean, *of_sides) for name, of_sides in biases.items()},
        "features": {
            side: SideFeatures(side, columns, sides[side].features(columns) if side in sides else None)
            for side, columns in fitted.features.items()
        },
        "item_names": sides["item"].names(),
    }
    for side, table in sides.items():
        parts[f"{side}s"] = Vocabulary(side, table.ids(side))
        parts[f"{side}_counts"] = table.counts()
    if fitted.drift is not None:
        name = folder / _DRIFT
        try:
            frame = read_plain_table(read(_DRIFT), str(name), columns=["user", "time"])
            parts["drift"] = Drift.restored(fitted.drift, frame, n_users=len(parts["users"].ids))
        except (ValueError, TypeError) as error:
            raise ArtifactError(f"{name} is damaged: {error}") from None
    return parts


class _Table:
    """Content of users.parquet or items.parquet, checked column by column when asked for, with row 0 put before."""

    def __init__(self, file: Path, frame: pd.DataFrame) -> None:
        self._file, self._frame = file, frame

    @classmethod
    def read(cls, file: Path, read: Callable[[str], bytes], rows: int | None) -> _Table:
        return cls(file, read_plain_table(read(file.name), str(file), rows=rows))

    def ids(self, side: Side) -> pd.Series:
        column = self._column("id")
        try:
            ids = canonical_ids(column, side)
        except DataError as error:
            raise self._damaged(str(error)) from None
        if not ids.is_unique:
            raise self._damaged(f"the id {plain_repr(ids[ids.duplicated()].iloc[0])} occurs twice")
        return ids

    def counts(self) -> npt.NDArray[np.int32]:
        column = self._column("count")
        if not are_integers(column, 0, 2**31 - 1) or not column.any():
            raise self._damaged("the column 'count' must say how often each was rated")
        return np.concatenate([[0], column.to_numpy(np.int32)]).astype(np.int32)

    def floats(self, name: str) -> npt.NDArray[np.float64]:
        column = self._column(name)
        if column.dtype != np.float64 or not np.isfinite(column).all():
            raise self._damaged(f"the column {name!r} must hold finite numbers")
        return np.concatenate([[0.0], column])

    def names(self) -> pd.Series | None:
        column = self._frame.get(_NAME)
        if column is not None and not isinstance(column.dtype, pd.StringDtype):
            raise self._damaged(f"the column {_NAME!r} must hold texts")
        return column

    def features(self, columns: tuple[FeatureColumn, ...]) -> pd.DataFrame:
        """Plain values of the features that these columns were fitted to."""
        values = pd.DataFrame({column.name: self._column(f"{_FEATURE}{column.name}") for column in columns})
        return values.astype(dict.fromkeys(values.select_dtypes("integer"), "Int64"))

    def _column(self, name: str) -> pd.Series:
        if name not in self._frame:
            raise self._damaged(f"the column {name!r} is missing")
        return self._frame[name]

    def _damaged(self, what: str) -> ArtifactError:
        return ArtifactError(f"{self._file} is damaged: {what}")


def _side_frame(encoder: EncoderState, side: Side) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "id": getattr(encoder, f"{side}s").ids,
        "count": getattr(encoder, f"{side}_counts")[1:],
    }
    for name, biases in encoder.baselines.items():
        columns[name] = getattr(biases, side)[1:]
    if side == "item" and encoder.item_names is not None:
        columns[_NAME] = encoder.item_names
    if side in encoder.features:
        values = encoder.features[side].values
        assert values is not None
        columns |= {f"{_FEATURE}{name}": values[name] for name in values}
    return pd.DataFrame(columns)
