"""Pairs of a user and an item to predict, whole or part by part from files of any size."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from recsys_nn.data.feature_values import Written
from recsys_nn.data.ids import IdType
from recsys_nn.data.readers import Table, parse_table_ids, read_table
from recsys_nn.data.table_format import READERS, TableFormat
from recsys_nn.errors import DataError, Where
from recsys_nn.files import (
    PARQUET_SUFFIXES,
    TextPart,
    opened_parquet,
    parquet_files,
    parquet_parts,
    read_text_parts,
    restored,
)

PART_ROWS = 2**18
"""Of Parquet; a text file comes in parts of 16 MiB."""
SIDES = ("user", "item")


@dataclass(frozen=True)
class LeftOut:
    """A row of a file that is not predicted.

    Args:
        where: file and line of the row, or its number in Parquet.
        why: reason why it is left out.
        row: text of the row as it stands in the file, or JSON of a row of Parquet.
    """

    where: str
    why: str
    row: str


@dataclass(frozen=True)
class PairsPart:
    """Consecutive rows of a file of pairs, with all columns as they stand there.

    Args:
        table: table of the rows, with all columns.
        numbers: position of each row among those of the part and those that are left out, ascending.
        row_text: function that gives a row as it stands in the file.
        done: the share of the source that has been read with it.
        left_out: rows with too many or too few fields, by their numbers.
    """

    table: Table
    numbers: npt.NDArray[np.int64]
    row_text: Callable[[int], str]
    done: float
    left_out: Mapping[int, LeftOut] = field(default_factory=dict)

    def without(self, rows: npt.NDArray[np.int64], reason: Callable[[int], str]) -> PairsPart:
        """The part in which these rows are left out."""
        kept = np.delete(np.arange(len(self.numbers)), rows)
        where, row_text = self.table.where, self.row_text
        left_out = {int(self.numbers[row]): LeftOut(where(row), reason(row), row_text(row)) for row in rows}
        return PairsPart(
            replace(self.table, data=self.table.data.take(kept), where=lambda row: where(int(kept[row]))),
            self.numbers[kept],
            lambda row: row_text(int(kept[row])),
            self.done,
            {**self.left_out, **left_out},
        )


def read_pairs(
    path: str | Path, layout: TableFormat, id_types: Mapping[str, IdType], *, context: Collection[str] = ()
) -> tuple[pd.DataFrame, Where]:
    """Reads the columns user and item of a file of pairs to predict, and the places of its rows.

    Args:
        path: path of a text or Parquet file.
        layout: layout of the pairs' table.
        id_types: type of each side's ids when read from text.
        context: columns to read as well, where the file has them: the timestamp and features of ratings.
    """
    table = read_table(path, layout)
    return PairsSource(path, layout, id_types, context=context).pairs(table, {}), table.where


class PairsSource:
    """A text or Parquet file of pairs, or a folder of Parquet files, which need not fit into memory.

    Args:
        path: path of the file or folder; a folder's files are read in the order of their paths, without hidden ones.
        layout: layout of the pairs' table.
        id_types: type of each side's ids when read from text.
        context: columns to read as well, where the file has them: the timestamp and features of ratings.
        ragged: whether rows of a text file with too many or too few fields are errors or are left out.
    """

    def __init__(
        self,
        path: str | Path,
        layout: TableFormat,
        id_types: Mapping[str, IdType],
        *,
        context: Collection[str] = (),
        ragged: Literal["refuse", "leave out"] = "refuse",
    ) -> None:
        self.path = Path(path).expanduser()
        self._layout = layout
        self._id_types = id_types
        self._context = context
        self._ragged = ragged

    def parts(self) -> Iterator[PairsPart]:
        """Reads the rows in their order, in at least one part; what is wrong with the file is found when it is read."""
        if self.path.is_dir():
            return self._parquet_parts(parquet_files(self.path))
        if self.path.suffix.lower() in PARQUET_SUFFIXES:
            return self._parquet_parts([self.path])
        if self.path.suffix.lower() in READERS:
            return iter([self._whole()])
        return map(self._part_of_text, self._text_parts())

    def pairs(self, table: Table, written: Mapping[str, Written] | None = None) -> pd.DataFrame:
        """The columns user, item and those of the context that the table has, which is one of the source or all of it.

        The values of a text file are read alike in all parts, for which a file that has columns of the context is read
        once before; but whether a timestamp is epoch seconds or a date is decided for each part.

        Args:
            table: table of a part, or of the whole source.
            written: forms of the texts of the context's columns, where the table is no part.

        Raises:
            DataError: where there is no such column, or ids are not written as the type that they are.
        """
        by_position = any(isinstance(column, int) for column in (self._layout.user, self._layout.item))
        if table.text and self._layout.header is None and by_position:
            raise DataError(f"{self.path}: columns are named by position: set the option header to true or false")
        features = table.features(table.found(self._context), self._written if written is None else written)
        pairs = table.renamed(self._roles, required=SIDES).assign(**features)
        if table.text:
            parse_table_ids(pairs, table.places(self._roles, SIDES), self._id_types)
        return pairs

    def columns(self, table: Table) -> pa.Table:
        """All columns of a part under their own names; in a file that has none, user and item have these."""
        rows: pa.Table = table.data
        if table.header:
            return rows
        names = table.names
        for role, position in table.chosen(self._roles, SIDES).items():
            names[position] = role
        return rows.rename_columns(names)

    @property
    def _roles(self) -> dict[str, str | int | None]:
        return {role: column for role, column in self._layout.columns().items() if role in (*SIDES, *self._context)}

    @cached_property
    def _written(self) -> dict[str, Written]:
        """Forms in which the columns of the context are written in the whole text file."""
        written: dict[str, Written] = {}
        if self.path.is_dir() or self.path.suffix.lower() in READERS:
            return written
        for part in map(self._part_of_text, self._text_parts()):
            names = part.table.found(self._context)
            if not names:
                break
            for name in names:
                column = part.table.column(part.table.names.index(name))
                written[name] = max(written.get(name, Written.NOTHING), Written.of(column))
        return written

    def _text_parts(self) -> Iterator[TextPart]:
        layout = self._layout
        return read_text_parts(
            self.path,
            separator=layout.separator,
            encoding=layout.encoding,
            header=layout.header,
            ragged=self._ragged,
        )

    def _part_of_text(self, part: TextPart) -> PairsPart:
        place = part.block.path
        left_out = {bad.record: LeftOut(f"{place}, line {bad.line}", bad.problem, bad.text) for bad in part.ragged}
        data = restored(part.table, str(place))
        table = Table(data, str(self.path), part.where, text=True, header=part.header)
        return PairsPart(table, part.records, part.text_of, part.block.done, left_out)

    def _whole(self) -> PairsPart:
        table = read_table(self.path)
        data = table.data
        if isinstance(data, pd.DataFrame):
            try:
                data = pa.Table.from_pandas(data, preserve_index=False)
            except pa.ArrowException as error:
                raise DataError(f"{self.path}: a column has values of several types: {error}") from None
        return _part_of_parquet(data, self.path, table.where, 1.0)

    def _parquet_parts(self, files: list[Path]) -> Iterator[PairsPart]:
        schema, n_rows = _common_schema(files)
        read = 0
        for file in files:
            for data, where in parquet_parts(file, PART_ROWS):
                read += data.num_rows
                yield _part_of_parquet(_as(schema, data, file), file, where, read / n_rows)
        if not n_rows:
            yield _part_of_parquet(schema.empty_table(), files[0], str, 1.0)


def _part_of_parquet(data: pa.Table, file: Path, where: Where, done: float) -> PairsPart:
    def row_text(row: int) -> str:
        return json.dumps(data.slice(row, 1).to_pylist()[0], default=str, ensure_ascii=False)

    return PairsPart(Table(data, str(file), where, text=False), np.arange(data.num_rows), row_text, done)


def _common_schema(files: list[Path]) -> tuple[pa.Schema, int]:
    """The columns that all files have, of types that take those of all, and the number of all rows."""
    schemas, n_rows = [], 0
    for file in files:
        with opened_parquet(file) as opened:
            schemas.append(opened.schema_arrow)
            n_rows += opened.metadata.num_rows
        if sorted(schemas[-1].names) != sorted(schemas[0].names):
            raise DataError(
                f"{file} has the columns {', '.join(map(repr, schemas[-1].names))}, but {files[0]} has "
                f"{', '.join(map(repr, schemas[0].names))}: write the same columns in all files"
            )
    if len(files) == 1:
        return schemas[0], n_rows
    try:
        return pa.unify_schemas(schemas, promote_options="permissive"), n_rows
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise DataError(f"{files[0].parent}: a column has different types in these files: {error}") from None


def _as(schema: pa.Schema, data: pa.Table, file: Path) -> pa.Table:
    if data.schema.equals(schema):
        return data
    try:
        return data.select(schema.names).cast(schema)
    except pa.ArrowInvalid as error:
        raise DataError(f"{file}: a column has another type than in the other files: {error}") from None
