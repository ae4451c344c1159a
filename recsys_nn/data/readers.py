"""Ratings from tables: DataFrames, delimited text files and Parquet."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, ValidationError

from recsys_nn.data.column_roles import chosen_columns
from recsys_nn.data.feature_values import Written, values_of_texts
from recsys_nn.data.ids import IdType, parse_ids
from recsys_nn.data.ratings import COLUMNS, Ratings
from recsys_nn.errors import DataError, Places, Where, did_you_mean, in_column, row_number
from recsys_nn.files import PARQUET_SUFFIXES, place_in, read_parquet, read_text, restored


class TableFormat(BaseModel):
    """Layout of a table of ratings; what is left out is recognised, or asked for in the error.

    ``user``, ``item``, ``rating``, ``timestamp`` name the columns (or give their positions, from 0, where the
    file has no header). ``id_type`` says how ids written in a text file are read: ``"string"`` takes them
    exactly as written, ``"integer"`` refuses whatever is not a plain 64-bit integer. Of all texts, the apostrophe is
    taken away that is written before what a spreadsheet would else run (``'=a``), as this package writes it.

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

    @classmethod
    def of(cls, layout: TableFormat | Mapping[str, Any] | None) -> TableFormat:
        """The layout that a mapping describes; without one, all is recognised.

        Raises:
            DataError: where it describes none.
        """
        try:
            return cls.model_validate(layout or {})
        except ValidationError as error:
            problem = error.errors()[0]
            name = ".".join(map(str, problem["loc"]))
            if problem["type"] == "extra_forbidden":
                raise DataError(f"layout.{name} is unknown{did_you_mean(name, cls.model_fields)}") from None
            raise DataError(f"layout.{name}={problem['input']!r}: {problem['msg']}") from None

    def columns(self) -> dict[str, str | int | None]:
        return {"user": self.user, "item": self.item, "rating": self.rating, "timestamp": self.timestamp}


RECOGNISED = TableFormat()
_NULLABLE = {pa.uint64(): pd.UInt64Dtype()}


@dataclass(frozen=True)
class Table:
    """A table as it was found, or a part of one: columns by their own names, and the place of each row for messages."""

    data: pd.DataFrame | pa.Table
    name: str
    where: Where
    text: bool
    header: bool = True

    @property
    def names(self) -> list[str]:
        """Names of the columns, in their order."""
        return self.data.column_names if isinstance(self.data, pa.Table) else [str(name) for name in self.data.columns]

    def column(self, position: int) -> pd.Series:
        """The values of a column."""
        if isinstance(self.data, pd.DataFrame):
            return self.data.iloc[:, position]
        try:
            return series_of(self.data.column(position))
        except (pa.ArrowException, ValueError, OverflowError) as error:
            raise DataError(f"{self.name}: the column {self.names[position]!r} cannot be read: {error}") from None

    def chosen(self, columns: Mapping[str, str | int | None], required: tuple[str, ...]) -> dict[str, int]:
        """The positions of the columns for the roles user, item, rating and timestamp."""
        return chosen_columns(self.names, columns, required=required, table=self.name, header=self.header)

    def renamed(self, columns: Mapping[str, str | int | None], required: tuple[str, ...]) -> pd.DataFrame:
        """The columns for the roles user, item, rating and timestamp, under these names."""
        return pd.DataFrame({role: self.column(position) for role, position in self.chosen(columns, required).items()})

    def places(self, columns: Mapping[str, str | int | None], required: tuple[str, ...]) -> Places:
        """Places of the rows, with the names of the columns for these roles."""
        chosen = self.chosen(columns, required) if self.header else {}
        return Places(self.where, {role: self.names[position] for role, position in chosen.items()})

    def found(self, names: Collection[str]) -> tuple[str, ...]:
        """The given names that further columns of the table have."""
        return tuple(name for name in names if name in self.names and name not in COLUMNS)

    def features(self, names: Collection[str], written: Mapping[str, Written] | None = None) -> dict[str, pd.Series]:
        """The columns of these names as features; those of a text file become numbers where they are such.

        Args:
            names: names of the columns to take.
            written: forms of the columns' texts in the whole file of which this is a part.

        Raises:
            DataError: for a name that the table does not have, or that is one of the ratings' own.
        """
        for name in names:
            if name in COLUMNS:
                raise DataError(f"{self.name}: {name!r} is no further column: it is one of the ratings' own")
            if name not in self.names:
                near = did_you_mean(name, self.names)
                raise DataError(f"{self.name}: there is no column {name!r} to keep as a feature{near}")
        columns = {name: self.column(self.names.index(name)) for name in names}
        if not self.text:
            return columns
        return {name: values_of_texts(texts, (written or {}).get(name)) for name, texts in columns.items()}


def series_of(column: pa.ChunkedArray) -> pd.Series:
    """A column of Parquet or text as a Series; integers stay such where some are missing."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.null_count and pa.types.is_integer(column.type):
        return column.to_pandas(types_mapper=lambda kind: _NULLABLE.get(kind, pd.Int64Dtype()))
    return column.to_pandas()


def read_table(path: str | Path, layout: TableFormat = RECOGNISED) -> Table:
    """Reads a Parquet or delimited text file (CSV, TSV, ``::``; gzip too) as a table; text stays text."""
    file = Path(path).expanduser()
    if file.suffix.lower() in PARQUET_SUFFIXES:
        return Table(read_parquet(file), str(file), place_in(file), text=False)
    text = read_text(file, separator=layout.separator, encoding=layout.encoding, header=layout.header)
    return Table(restored(text.table, str(file)), str(file), text.where, text=True, header=text.header)


def read_ratings(
    path: str | Path,
    layout: TableFormat = RECOGNISED,
    *,
    id_types: Mapping[str, IdType] | None = None,
    context: Collection[str] = (),
    **options: Any,
) -> Ratings:
    """Reads the ratings in a file.

    Args:
        path: path of a text or Parquet file.
        layout: layout of the ratings' table.
        id_types: type of each side's ids when read from text, where that differs from ``layout.id_type``.
        context: columns to keep as features of the ratings, like ``layout.features``, where the file has them.
        options: arguments passed on to :class:`Ratings`: scale, duplicates, features of users and items.

    Raises:
        DataError: with the file and, for text, the line of the first row that is not a rating.
    """
    table = read_table(path, layout)
    kept = dict.fromkeys((*layout.features, *table.found(context)))
    return ratings_of_table(table, layout.model_copy(update={"features": tuple(kept)}), id_types=id_types, **options)


def ratings_of_table(
    table: Table, layout: TableFormat, *, id_types: Mapping[str, IdType] | None = None, **options: Any
) -> Ratings:
    roles, required = layout.columns(), ("user", "item", "rating")
    frame, where = table.renamed(roles, required), table.places(roles, required)
    if not len(frame):
        raise DataError(f"{table.name} holds no ratings")
    if table.text:
        parse_table_ids(frame, where, id_types or dict.fromkeys(("user", "item"), layout.id_type))
        frame["rating"] = _numbers(frame["rating"], in_column(where, "rating"))
    frame = frame.assign(**table.features(layout.features))
    return Ratings(frame, where=where, rating_features=layout.features, **options)


def read_features(path: str | Path, side: str, id_type: IdType) -> pd.DataFrame:
    """Reads the features of users or of items from a file with a row an owner, its id in the column ``side``.

    Args:
        path: path of a text or Parquet file; its column of ids has a usual name (user, userId, user_id, ...).
        side: side of the owners, ``"user"`` or ``"item"``.
        id_type: type of the ids when read from text.
    """
    table = read_table(path)
    position = chosen_columns(table.names, {side: None}, required=(side,), table=table.name)[side]
    ids = table.column(position)
    others = [*table.names[:position], *table.names[position + 1 :]]
    return pd.DataFrame(
        {side: parse_ids(ids, id_type, side, table.where) if table.text else ids, **table.features(others)}
    )


def table_of_frame(frame: pd.DataFrame) -> Table:
    return Table(frame.reset_index(drop=True), "the table", row_number, text=False)


def parse_table_ids(frame: pd.DataFrame, where: Where, id_types: Mapping[str, IdType]) -> None:
    """Reads the ids in a frame of a text file's columns as these types, in place."""
    for side in ("user", "item"):
        frame[side] = parse_ids(frame[side], id_types[side], side, in_column(where, side))


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
