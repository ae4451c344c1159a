"""Ratings from tables: DataFrames, delimited text files and Parquet."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from recsys_nn.data.columns import chosen_columns
from recsys_nn.data.feature_values import values_of_texts
from recsys_nn.data.ids import IdType, Where, parse_ids, row_number
from recsys_nn.data.ratings import COLUMNS, Ratings
from recsys_nn.data.text import read_text
from recsys_nn.errors import DataError, did_you_mean

PARQUET_SUFFIXES = (".parquet", ".pq")


class TableFormat(BaseModel):
    """How a table of ratings is laid out; what is left out is recognised, or asked for in the error.

    ``user``, ``item``, ``rating``, ``timestamp`` name the columns (or give their positions, from 0, where the
    file has no header). ``id_type`` says how ids written in a text file are read: ``"string"`` takes them
    exactly as written, ``"integer"`` refuses whatever is not a plain 64-bit integer.

    ``features`` are further columns to keep beside the ratings. In a text file such a column holds numbers where each
    of its texts is written as one (7, -0.5, 1e3, but not 007), else texts; an empty text is a missing value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: str | int | None = None
    item: str | int | None = None
    rating: str | int | None = None
    timestamp: str | int | None = None
    separator: str | None = None
    encoding: str | None = None
    header: bool | None = None
    id_type: IdType = "string"
    features: tuple[str, ...] = ()

    def columns(self) -> dict[str, str | int | None]:
        return {"user": self.user, "item": self.item, "rating": self.rating, "timestamp": self.timestamp}


RECOGNISED = TableFormat()


@dataclass(frozen=True)
class Table:
    """A table as it was found: columns by their own names, and the place of each row for messages."""

    frame: pd.DataFrame
    name: str
    where: Where
    text: bool
    header: bool = True

    def renamed(self, columns: Mapping[str, str | int | None], required: tuple[str, ...]) -> pd.DataFrame:
        """The columns for the roles user, item, rating and timestamp, under these names."""
        names = [str(name) for name in self.frame.columns]
        chosen = chosen_columns(names, columns, required=required, table=self.name, header=self.header)
        return pd.DataFrame({role: self.frame.iloc[:, position] for role, position in chosen.items()})

    def found(self, names: Collection[str]) -> tuple[str, ...]:
        """Those of these names that further columns of the table have."""
        return tuple(name for name in names if name in self.frame.columns and name not in COLUMNS)

    def features(self, names: Collection[str]) -> dict[str, pd.Series]:
        """The columns of these names as features; those of a text file become numbers where they are such.

        Raises:
            DataError: for a name that the table does not have, or that is one of the ratings' own.
        """
        for name in names:
            if name in COLUMNS:
                raise DataError(f"{self.name}: {name!r} is no further column: it is one of the ratings' own")
            if name not in self.frame.columns:
                near = did_you_mean(name, map(str, self.frame.columns))
                raise DataError(f"{self.name}: there is no column {name!r} to keep as a feature{near}")
        columns = {name: self.frame[name] for name in names}
        return {name: values_of_texts(texts) for name, texts in columns.items()} if self.text else columns


def read_table(path: str | Path, layout: TableFormat = RECOGNISED) -> Table:
    """A Parquet or delimited text file (CSV, TSV, ``::``; gzip too) as a table; text stays text."""
    file = Path(path).expanduser()
    if file.suffix.lower() in PARQUET_SUFFIXES:
        with reading_parquet(file):
            frame = pq.read_table(file).to_pandas()
        return Table(frame, str(file), lambda row: f"{file}, row {row}", text=False)
    text = read_text(file, separator=layout.separator, encoding=layout.encoding, header=layout.header)
    return Table(text.table.to_pandas(), str(file), text.where, text=True, header=text.header)


def read_ratings(
    path: str | Path,
    layout: TableFormat = RECOGNISED,
    *,
    id_types: Mapping[str, IdType] | None = None,
    context: Collection[str] = (),
    **options: Any,
) -> Ratings:
    """The ratings in a file.

    Args:
        path: of a text or Parquet file.
        layout: how it is laid out.
        id_types: how to read the ids of each side from text, where that differs from ``layout.id_type``.
        context: columns to keep as features of the ratings, like ``layout.features``, where the file has them.
        options: passed on to :class:`Ratings`: scale, duplicates, features of users and items.

    Raises:
        DataError: with the file and, for text, the line of the first row that is not a rating.
    """
    table = read_table(path, layout)
    kept = dict.fromkeys((*layout.features, *table.found(context)))
    return ratings_of_table(table, layout.model_copy(update={"features": tuple(kept)}), id_types=id_types, **options)


def ratings_of_table(
    table: Table, layout: TableFormat, *, id_types: Mapping[str, IdType] | None = None, **options: Any
) -> Ratings:
    frame = table.renamed(layout.columns(), required=("user", "item", "rating"))
    if not len(frame):
        raise DataError(f"{table.name} holds no ratings")
    if table.text:
        _parse_ids(frame, table, id_types or dict.fromkeys(("user", "item"), layout.id_type))
        frame["rating"] = _numbers(frame["rating"], table.where)
    frame = frame.assign(**table.features(layout.features))
    return Ratings(frame, where=table.where, rating_features=layout.features, **options)


def read_features(path: str | Path, side: str, id_type: IdType) -> pd.DataFrame:
    """The features of users or of items in a file with a row an owner, the owner's id in the column ``side``.

    Args:
        path: of a text or Parquet file; its column of ids has a usual name (user, userId, user_id, ...).
        side: ``"user"`` or ``"item"``.
        id_type: how ids are read from a text file.
    """
    table = read_table(path)
    position = chosen_columns(
        [str(name) for name in table.frame.columns], {side: None}, required=(side,), table=table.name
    )
    ids = table.frame.iloc[:, position[side]]
    others = [str(name) for name in table.frame.columns.delete(position[side])]
    return pd.DataFrame(
        {side: parse_ids(ids, id_type, side, table.where) if table.text else ids, **table.features(others)}
    )


def read_pairs(
    path: str | Path, layout: TableFormat, id_types: Mapping[str, IdType], *, context: Collection[str] = ()
) -> tuple[pd.DataFrame, Where]:
    """The columns user and item of a file of pairs to predict, and the places of its rows.

    Args:
        path: of a text or Parquet file.
        layout: how it is laid out.
        id_types: how the ids of each side are read from text.
        context: columns to read as well, where the file has them: the timestamp and features of ratings.
    """
    table = read_table(path, layout)
    by_position = any(isinstance(column, int) for column in (layout.user, layout.item))
    if table.text and layout.header is None and by_position:
        raise DataError(f"{path}: columns are given by position, so say whether the first line is a header")
    roles = {role: column for role, column in layout.columns().items() if role in ("user", "item", *context)}
    pairs = table.renamed(roles, required=("user", "item")).assign(**table.features(table.found(context)))
    if table.text:
        _parse_ids(pairs, table, id_types)
    return pairs, table.where


def table_of_frame(frame: pd.DataFrame) -> Table:
    return Table(frame.reset_index(drop=True), "the table", row_number, text=False)


def _parse_ids(frame: pd.DataFrame, table: Table, id_types: Mapping[str, IdType]) -> None:
    for side in ("user", "item"):
        frame[side] = parse_ids(frame[side], id_types[side], side, table.where)


@contextmanager
def reading_parquet(file: Path) -> Iterator[None]:
    """What pyarrow finds wrong with a file becomes a DataError that names it."""
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{file} does not exist") from None
    except (pa.ArrowInvalid, OSError) as error:
        raise DataError(f"{file} cannot be read as Parquet: {error}") from None


def _numbers(texts: pd.Series, where: Where) -> pd.Series:
    array = pa.array(texts, type=pa.large_string())
    try:
        return pd.Series(pc.cast(array, pa.float64()).to_numpy())
    except pa.ArrowInvalid:
        row = next(row for row, text in enumerate(texts) if not _is_number(text))
        raise DataError(f"{where(row)}: the rating {texts.iloc[row]!r} is not a number") from None


def _is_number(text: str) -> bool:
    try:
        pc.cast(pa.scalar(text), pa.float64())
    except pa.ArrowInvalid:
        return False
    return True
