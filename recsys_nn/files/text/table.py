"""Delimited text files of ratings, read exactly.

Every field comes out as the text that stands in the file, or the file is refused with a `DataError` that
names the line. Nothing is guessed about types: ids, ratings and timestamps are texts here.

pyarrow splits the text, fast. What it would take in silence (an unclosed quote, text behind a closing quote,
equal column names, NUL bytes) is looked for here.
"""

import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from recsys_nn.errors import DataError
from recsys_nn.files.text.records import Block, read_blocks, shortened

_RAGGED_SHOWN = 5


@dataclass(frozen=True)
class Ragged:
    """A record of a text file that has too many or too few fields for a row."""

    record: int  # of its block
    line: int
    problem: str
    text: str


@dataclass(frozen=True)
class TextPart:
    """Consecutive rows of a text file; without those with too many or too few fields, where these are left out."""

    table: pa.Table  # columns of type string without nulls, in the order of the file
    header: bool  # whether the first row of the file holds the names
    block: Block
    records: npt.NDArray[np.int64]  # which of the block's records each row is
    ragged: tuple[Ragged, ...]

    def where(self, row: int) -> str:
        """The place of a row (from 0) for an error message: the file and the line in which it begins."""
        return f"{self.block.path}, line {self.block.line_of(self.records[row])}"

    def text_of(self, row: int) -> str:
        """A row (from 0) as it stands in the file."""
        return self.block.text_of(self.records[row])


@dataclass(frozen=True)
class TextTable:
    """The rows of a text file, and how it was read."""

    path: Path
    table: pa.Table  # columns of type string without nulls, in the order of the file
    separator: str
    encoding: str | None  # as given to `read_text`
    quoting: bool
    header: bool  # whether the first row of the file holds the names

    def line_of(self, row: int) -> int:
        """The line of the file, from 1, in which a row of the table (from 0) begins.

        Reads the file again, so it is meant for error messages. IndexError if the table has no such row;
        DataError if the file cannot be read any more or has become shorter.
        """
        if not 0 <= row < self.table.num_rows:
            raise IndexError(f"row {row} of a table with {self.table.num_rows} rows")
        record = row + self.header
        for block in read_blocks(self.path, self.separator, self.encoding, self.quoting):
            if record < block.n_records:
                return block.line_of(record)
            record -= block.n_records
        raise DataError(f"{self.path}: the file has changed since it was read: row {row} is gone")

    def where(self, row: int) -> str:
        """The place of a row of the table (from 0) for an error message: the file and `line_of` it."""
        return f"{self.path}, line {self.line_of(row)}"


def read_text(
    path: str | os.PathLike[str],
    *,
    separator: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    column_names: Sequence[str] | None = None,
    quoting: bool = True,
) -> TextTable:
    """Reads a delimited text file, plain or gzip, without changing a character of any field.

    Lines may end in LF, CRLF or CR; blank lines are no rows.

    Args:
        path: path of the text file.
        separator: one or more characters; None detects one of , tab ; | :: from the first lines.
        encoding: None means UTF-8, or what a byte order mark says.
        header: whether the first row holds the column names; None: it does unless one of its fields is a number.
        column_names: names for a file without a header; without them the columns are named "0", "1", ...
        quoting: whether a field that begins with " ends at the next single "; else " is a character like others.

    Raises:
        DataError: if the file cannot be read, is no text in this encoding, is empty or has no rows, or has rows
            of different lengths, a quoted field that does not end with its quote, or two equal column names.
    """
    parts = read_text_parts(
        path, separator=separator, encoding=encoding, header=header, column_names=column_names, quoting=quoting
    )
    first = next(parts)
    table = pa.concat_tables([first.table, *(part.table for part in parts)])
    return TextTable(first.block.path, table, first.block.separator, encoding, quoting, first.header)


def read_text_parts(
    path: str | os.PathLike[str],
    *,
    separator: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    column_names: Sequence[str] | None = None,
    quoting: bool = True,
    ragged: Literal["refuse", "leave out"] = "refuse",
) -> Iterator[TextPart]:
    """Reads a delimited text file in blocks (16 MiB), for files larger than memory; no row is longer than a block.

    What is wrong with the file is found when its block is read.

    Args:
        path: path of the text file.
        separator: one or more characters; None detects it as :func:`read_text` does.
        encoding: None means UTF-8, or what a byte order mark says.
        header: whether the first row holds the column names; None: it does unless one of its fields is a number.
        column_names: names for a file without a header; without them the columns are named "0", "1", ...
        quoting: whether a field that begins with " ends at the next single "; else " is a character like others.
        ragged: whether a row with too many or too few fields is an error, or is left out, which its part tells.
    """
    names: Sequence[str] = ()
    empty = True
    for block in read_blocks(Path(path), separator, encoding, quoting):
        beginning = not names
        width = block.width() if beginning else len(names)
        rows, bad = _split(block, width, most=None if ragged == "leave out" else _RAGGED_SHOWN)
        if bad and ragged == "refuse":
            raise _ragged_error(block, bad)
        records = np.delete(np.arange(rows.num_rows + len(bad)), [row.number - 1 for row in bad])
        if beginning:
            first_row = [column[0].as_py() for column in rows.columns]
            if header is None:
                header = not any(map(_is_number, first_row))
            names = _column_names(block, first_row, header, column_names)
            rows, records = rows.slice(int(header)), records[int(header) :]
        if len(records) or bad:
            empty = False
            yield TextPart(rows.rename_columns(names), bool(header), block, records, _described(block, bad))
    if empty:
        raise DataError(f"{path} has no rows, only the header {shortened(block.separator.join(first_row))}")


def _split(block: Block, width: int, most: int | None) -> tuple[pa.Table, list[Any]]:
    """Splits the records into a table of strings and those that are ragged, ``most`` of these where it is a number."""
    ragged: list[Any] = []

    def collect(row: Any) -> str:
        ragged.append(row)
        return "error" if len(ragged) == most else "skip"

    names = [str(index) for index in range(width)]
    try:
        table = csv.read_csv(
            pa.BufferReader(block.data),
            # Without threads, since with them pyarrow does not number the ragged rows.
            csv.ReadOptions(column_names=names, block_size=len(block.data) + 1, use_threads=False),
            csv.ParseOptions(
                delimiter=block.delimiter.decode(),
                quote_char='"' if block.quoted else False,
                newlines_in_values=block.quoted,
                invalid_row_handler=collect,
            ),
            csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False
            ),
        )
    except pa.ArrowInvalid as error:
        if not ragged:  # else it was `collect` that ended the reading
            raise DataError(f"{block.path}, line {block.line}: cannot be split into rows: {error}") from error
        return pa.table({}), ragged
    if block.quoted and block.delimiter != block.separator.encode():
        stand_in = block.delimiter.decode()
        columns = [pc.replace_substring(column, stand_in, block.separator) for column in table.columns]
        table = pa.table(columns, names)
    return table, ragged


def _described(block: Block, ragged: Sequence[Any]) -> tuple[Ragged, ...]:
    """Line, problem and text of each record that pyarrow found too long or too short."""
    return tuple(
        Ragged(
            row.number - 1,
            block.line_of(row.number - 1),
            f"{_fields(row.actual_columns)} where {row.expected_columns} "
            f"{'is' if row.expected_columns == 1 else 'are'} expected",
            block.original(row.text),
        )
        for row in ragged
    )


def _ragged_error(block: Block, ragged: Sequence[Any]) -> DataError:
    problems = [f"line {row.line}: {row.problem}: {shortened(row.text)}" for row in _described(block, ragged)]
    if len(ragged) == _RAGGED_SHOWN:
        problems.append("later lines were not checked")
    return DataError(f"{block.path}, {'; '.join(problems)}")


def _column_names(block: Block, first_row: Sequence[str], header: bool, given: Sequence[str] | None) -> Sequence[str]:
    """The names of the columns, from the header, the caller or by number.

    DataError if the caller's are too many or too few or come on top of a header, or if two names are equal
    but for blanks around them. Else names are left as they are, a blank one too: pandas names its index so.
    """
    where = f"{block.path}, line {block.line}"
    if given is None:
        names = first_row if header else [str(index) for index in range(len(first_row))]
    elif header:
        shown = shortened(block.separator.join(first_row))
        raise DataError(
            f"{where}: {shown} is taken for the header, but column_names {list(given)!r} are given too: set the option "
            "header to false if it is a row, or leave column_names out"
        )
    elif len(given) != len(first_row):
        raise DataError(f"{where}: {_fields(len(first_row))}, but column_names {list(given)!r} has {len(given)}")
    else:
        names = given
    position_of: dict[str, int] = {}
    for position, name in enumerate(names, start=1):
        first_position = position_of.setdefault(name.strip(), position)
        if first_position != position:
            same = f"columns {first_position} and {position} have the same name {name.strip()!r}"
            raise DataError(f"{where}: {same}: rename one")
    return names


def _fields(number: int) -> str:
    return "1 field" if number == 1 else f"{number} fields"


def _is_number(field: str) -> bool:
    """Tells whether a field is a finite number in the usual notation: Python's 1_000 is none."""
    try:
        return math.isfinite(float(field)) and "_" not in field
    except ValueError:
        return False
