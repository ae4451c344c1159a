"""Delimited text files of ratings, read exactly.

Every field comes out as the text that stands in the file, or the file is refused with a `DataError` that
names the line. Nothing is guessed about types: ids, ratings and timestamps are texts here.

pyarrow splits the text, fast. What it would take in silence (an unclosed quote, text behind a closing quote,
equal column names, NUL bytes) is looked for here.
"""

import io
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from recsys_nn.data.text_source import Source, open_source, shortened
from recsys_nn.errors import DataError

_BLOCK_BYTES = 1 << 24  # what pyarrow splits at a time; no row can be longer
_RAGGED_SHOWN = 5


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
        source = open_source(self.path, self.separator, self.encoding, self.quoting)
        lines = source.lines_of([row + self.header])
        if not lines:
            raise DataError(f"{self.path}: the file has changed since it was read: row {row} is gone")
        return lines[0]

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
    """Read a delimited text file, plain or gzip, without changing a character of any field.

    Lines may end in LF, CRLF or CR; blank lines are no rows.

    Args:
        path: of the file.
        separator: one or more characters; None detects one of , tab ; | :: from the first lines.
        encoding: None means UTF-8, or what a byte order mark says.
        header: whether the first row holds the column names; None: it does unless one of its fields is a number.
        column_names: names for a file without a header; without them the columns are named "0", "1", ...
        quoting: whether a field that begins with " ends at the next single "; else " is a character like others.

    Raises:
        DataError: if the file cannot be read, is no text in this encoding, is empty or has no rows, or has rows
            of different lengths, a quoted field that does not end with its quote, or two equal column names.
    """
    source = open_source(Path(path), separator, encoding, quoting)
    rows = _split(source)
    first_row = [column[0].as_py() for column in rows.columns]
    if header is None:
        header = not any(map(_is_number, first_row))
    names = _column_names(source, first_row, header, column_names)
    table = rows.slice(int(header)).rename_columns(names)
    if table.num_rows == 0:
        raise DataError(
            f"{source.path}: there are no rows, only the header {shortened(source.separator.join(first_row))}"
        )
    return TextTable(source.path, table, source.separator, encoding, quoting, header)


def _split(source: Source) -> pa.Table:
    """All records as a table of strings, the header as its first row; DataError if one is ragged."""
    ragged: list[Any] = []

    def collect(row: Any) -> str:
        ragged.append(row)
        return "skip" if len(ragged) < _RAGGED_SHOWN else "error"

    names = [str(index) for index in range(source.width())]
    try:
        table = csv.read_csv(
            pa.PythonFile(_Pieces(source.data), mode="r"),
            # Without threads, since with them pyarrow does not number the ragged rows.
            csv.ReadOptions(column_names=names, block_size=_BLOCK_BYTES, use_threads=False),
            csv.ParseOptions(
                delimiter=source.delimiter.decode(),
                quote_char='"' if source.quoted else False,
                newlines_in_values=source.quoted,
                invalid_row_handler=collect,
            ),
            csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False, check_utf8=False
            ),
        )
    except pa.ArrowInvalid as error:
        if not ragged:  # else it was `collect` that ended the reading
            limit = f"{_BLOCK_BYTES >> 20} MiB"
            raise DataError(f"{source.path}: cannot be split into rows shorter than {limit}: {error}") from error
    if ragged:
        raise _ragged_error(source, ragged)
    if source.quoted and source.delimiter != source.separator.encode():
        stand_in = source.delimiter.decode()
        columns = [pc.replace_substring(column, stand_in, source.separator) for column in table.columns]
        table = pa.table(columns, names)
    return table


class _Pieces(io.BytesIO):
    """Bytes in pieces that never end within a CRLF.

    Of a CRLF between two pieces pyarrow drops the LF, also in a quoted field, where it belongs to the text.
    """

    def read(self, size: int | None = -1, /) -> bytes:
        piece = super().read(size)
        if piece.endswith(b"\r") and super().read(1):
            self.seek(-2, io.SEEK_CUR)
            return piece[:-1]
        return piece


def _ragged_error(source: Source, ragged: Sequence[Any]) -> DataError:
    """What is wrong with the records that pyarrow found too long or too short."""
    lines = source.lines_of([row.number - 1 for row in ragged])
    problems = [
        f"line {line}: {_fields(row.actual_columns)} where {row.expected_columns} "
        f"{'is' if row.expected_columns == 1 else 'are'} expected: {shortened(source.original(row.text))}"
        for line, row in zip(lines, ragged, strict=True)
    ]
    if len(ragged) == _RAGGED_SHOWN:
        problems.append("the lines after that were not looked at")
    return DataError(f"{source.path}, {'; '.join(problems)}")


def _column_names(source: Source, first_row: Sequence[str], header: bool, given: Sequence[str] | None) -> Sequence[str]:
    """The names of the columns, from the header, the caller or by number.

    DataError if the caller's are too many or too few or come on top of a header, or if two names are equal
    but for blanks around them. Else names are left as they are, a blank one too: pandas names its index so.
    """
    where = f"{source.path}, line {source.lines_of([0])[0]}"
    if given is None:
        names = first_row if header else [str(index) for index in range(len(first_row))]
    elif header:
        shown = shortened(source.separator.join(first_row))
        raise DataError(
            f"{where}: {shown} is taken for the header, but column_names={list(given)!r} are given as well; "
            "say header=False if it is a row, or give no column_names"
        )
    elif len(given) != len(first_row):
        raise DataError(f"{where}: {_fields(len(first_row))}, but column_names={list(given)!r} has {len(given)}")
    else:
        names = given
    position_of: dict[str, int] = {}
    for position, name in enumerate(names, start=1):
        first_position = position_of.setdefault(name.strip(), position)
        if first_position != position:
            same = f"columns {first_position} and {position} have the same name {name.strip()!r}"
            raise DataError(f"{where}: {same}; all names must differ")
    return names


def _fields(number: int) -> str:
    return "1 field" if number == 1 else f"{number} fields"


def _is_number(field: str) -> bool:
    """Whether a field is a finite number in the usual notation: Python's 1_000 is none."""
    try:
        return math.isfinite(float(field)) and "_" not in field
    except ValueError:
        return False
