"""Ratings from tables: DataFrames, delimited text files and Parquet."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
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
from recsys_nn.data.ids import IdType, Where, parse_ids, row_number
from recsys_nn.data.ratings import Ratings
from recsys_nn.data.text import read_text
from recsys_nn.errors import DataError

PARQUET_SUFFIXES = (".parquet", ".pq")


class TableFormat(BaseModel):
    """How a table of ratings is laid out; what is left out is recognised, or asked for in the error.

    ``user``, ``item``, ``rating``, ``timestamp`` name the columns (or give their positions, from 0, where the
    file has no header). ``id_type`` says how ids written in a text file are read: ``"string"`` takes them
    exactly as written, ``"integer"`` refuses whatever is not a plain 64-bit integer.
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
    **options: Any,
) -> Ratings:
    """The ratings in a file.

    Args:
        path: of a text or Parquet file.
        layout: how it is laid out.
        id_types: how to read the ids of each side from text, where that differs from ``layout.id_type``.
        options: passed on to :class:`Ratings`: scale, duplicates, features of users and items.

    Raises:
        DataError: with the file and, for text, the line of the first row that is not a rating.
    """
    return ratings_of_table(read_table(path, layout), layout, id_types=id_types, **options)


def ratings_of_table(
    table: Table, layout: TableFormat, *, id_types: Mapping[str, IdType] | None = None, **options: Any
) -> Ratings:
    frame = table.renamed(layout.columns(), required=("user", "item", "rating"))
    if not len(frame):
        raise DataError(f"{table.name} holds no ratings")
    if table.text:
        _parse_ids(frame, table, id_types or dict.fromkeys(("user", "item"), layout.id_type))
        frame["rating"] = _numbers(frame["rating"], table.where)
    return Ratings(frame, where=table.where, **options)


def read_pairs(path: str | Path, layout: TableFormat, id_types: Mapping[str, IdType]) -> tuple[pd.DataFrame, Where]:
    """The columns user and item of a file of pairs to predict, ids of text read as ``id_types``; and their places."""
    table = read_table(path, layout)
    by_position = any(isinstance(column, int) for column in (layout.user, layout.item))
    if table.text and layout.header is None and by_position:
        raise DataError(f"{path}: columns are given by position, so say whether the first line is a header")
    pairs = table.renamed({"user": layout.user, "item": layout.item}, required=("user", "item"))
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
