"""Ratings from tables: DataFrames, delimited text, Parquet and other formats."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from recsys_nn.data.feature_values import Written, values_of_texts
from recsys_nn.data.ids import IdType, parse_ids
from recsys_nn.data.ratings import COLUMNS, Ratings
from recsys_nn.data.table_format import READERS, RECOGNISED, TableFormat, TableReader
from recsys_nn.errors import (
    DataError,
    Places,
    Where,
    did_you_mean,
    in_column,
    must_be,
    place_in,
    refuse_pipe,
    row_number,
)
from recsys_nn.files import read_text, restored

_ALIASES = {
    "user": ("user", "userid", "uid", "customer", "customerid", "reviewerid"),
    "item": ("item", "itemid", "iid", "movie", "movieid", "product", "productid", "book", "bookid", "isbn", "asin"),
    "rating": ("rating", "ratings", "score", "stars", "bookrating", "overall"),
    "timestamp": ("timestamp", "time", "date", "datetime", "unixreviewtime"),
}
_UNNAMED = ("user", "item", "rating", "timestamp")
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
                raise DataError(
                    f"{self.name}: rating features must be without {name!r}, which is kept anyway: leave it out"
                )
            if name not in self.names:
                near = did_you_mean(name, self.names)
                raise DataError(f"{self.name}: rating features: there is no column {name!r}{near}")
        columns = {name: self.column(self.names.index(name)) for name in names}
        if not self.text:
            return columns
        return {name: values_of_texts(texts, (written or {}).get(name)) for name, texts in columns.items()}


def _read_by(read: TableReader, file: Path) -> pd.DataFrame | pa.Table:
    refuse_pipe(file)
    if not file.exists():
        raise DataError(f"{file} does not exist")
    try:
        data = read(file)
    except DataError:
        raise
    except Exception as error:  # a reader of somebody else's may stumble in any way over a damaged file
        raise DataError(f"{file} cannot be read: {error}") from error
    if not isinstance(data, pd.DataFrame | pa.Table):
        raise DataError(must_be(f"{file}: the reader's result", "a DataFrame or a pyarrow Table", data))
    return data.reset_index(drop=True) if isinstance(data, pd.DataFrame) else data


def series_of(column: pa.ChunkedArray) -> pd.Series:
    """A column of Parquet or text as a Series; integers stay such where some are missing."""
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if column.null_count and pa.types.is_integer(column.type):
        return column.to_pandas(types_mapper=lambda kind: _NULLABLE.get(kind, pd.Int64Dtype()))
    return column.to_pandas()


def read_table(path: str | Path, layout: TableFormat = RECOGNISED) -> Table:
    """Reads a file of a registered format, or else delimited text (CSV, TSV, ``::``; gzip too), which stays text."""
    file = Path(path).expanduser()
    read = READERS.get(file.suffix.lower())
    if read is not None:
        return Table(_read_by(read, file), str(file), place_in(file), text=False)
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


def chosen_columns(
    names: Sequence[str],
    asked: Mapping[str, str | int | None],
    *,
    required: tuple[str, ...],
    table: str,
    header: bool = True,
) -> dict[str, int]:
    """The position of the column for each role; an optional role for which there is none is left out.

    Args:
        names: names of the table's columns, in their order.
        asked: column's name for each role (user, item, rating, timestamp) or, where no column has that name,
            its position; None for one whose name is usual.
        required: the roles that must have a column.
        table: name of the table, for the error.
        header: whether the table has names of its own; without, its columns stand in the usual order.

    Raises:
        DataError: where a role has no column or may have several, or two roles would share one.
    """
    chosen: dict[str, int] = {}
    for role, given in asked.items():
        position = _position(names, role, given, role in required, table, header)
        if position is None:
            continue
        for other, taken in chosen.items():
            if taken == position:
                raise DataError(
                    f"{table}: the column {names[position]!r} cannot be both {other} and {role}: set the option {role} "
                    "to another column"
                )
        chosen[role] = position
    return chosen


def _position(
    names: Sequence[str], role: str, given: str | int | None, required: bool, table: str, header: bool
) -> int | None:
    if given is not None:
        named = [k for k, name in enumerate(names) if name == str(given)]
        if not named and isinstance(given, int) and 0 <= given < len(names):
            return given
        return _only(names, role, named, f"no column {given!r}", table)
    if not header:
        return _usual_position(names, role, required, table)
    named = [k for k, name in enumerate(names) if name == role]
    fitting = named or [k for k, name in enumerate(names) if _plain(name) in _ALIASES[role]]
    return _only(names, role, fitting, "no column", table) if fitting or required else None


def _usual_position(names: Sequence[str], role: str, required: bool, table: str) -> int | None:
    position = _UNNAMED.index(role)
    if position < len(names) <= len(_UNNAMED):
        return position
    if required:
        raise DataError(
            f"{table} has no header and {len(names)} columns: set the option {role} to the position of its column, "
            f"such as {position}"
        )
    return None


def _only(names: Sequence[str], role: str, positions: list[int], none: str, table: str) -> int:
    if len(positions) == 1:
        return positions[0]
    problem = f"several columns may be the {role}" if positions else f"there is {none} for the {role}"
    listed = ", ".join(map(repr, names))
    raise DataError(f"{table}: {problem} among {listed}: set the option {role} to its column")


def _plain(name: str) -> str:
    return "".join(character for character in name.lower() if character.isalnum())
