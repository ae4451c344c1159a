"""Delimited text files of ratings, read exactly.

Every field comes out as the text that stands in the file, or the file is refused with a `DataError` that
names the line. Nothing is guessed about types: ids, ratings and timestamps are texts here.

pyarrow splits the text, fast. What it would take in silence (an unclosed quote, text behind a closing quote,
equal column names, NUL bytes) is looked for here.
"""

import codecs
import gzip
import io
import math
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from recsys_nn.errors import DataError

_SEPARATORS = (",", "\t", ";", "|", "::")
_SAMPLE_BYTES = 1 << 16  # of the beginning of a file: what the separator is detected from
_BLOCK_BYTES = 1 << 24  # what pyarrow splits at a time; no row can be longer
_RAGGED_SHOWN = 5
_TEXT_SHOWN = 60

_GZIP_MAGIC = b"\x1f\x8b"
_BINARY_MAGIC = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive or an Excel workbook (.xlsx)",
    b"\xd0\xcf\x11\xe0": "an Excel workbook (.xls)",
    b"ARROW1": "an Arrow (Feather) file",
}
# The mark of UTF-32-LE begins with that of UTF-16-LE and therefore stands before it.
_WIDE_BYTE_ORDER_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
# Control bytes that a text hardly ever holds: one that this text does not hold can stand for "::".
_STAND_INS = tuple(bytes([code]) for code in (*range(0x1F, 0x0D, -1), *range(1, 9)))

_QUOTED_FIELD = rb'"[^"]*+(?:""[^"]*+)*+"'
# What comes before the quote may be any separator: it is not known yet.
_QUOTED_FIELD_OF_ANY_SEPARATOR = re.compile(rb"(?<![^,\t;|:\r\n])" + _QUOTED_FIELD)


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
        source = _open_source(self.path, self.separator, self.encoding, self.quoting)
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

    separator: one or more characters; None detects one of , tab ; | :: from the first lines.
    encoding: None means UTF-8, or what a byte order mark says.
    header: whether the first row holds the column names; None: it does unless one of its fields is a number.
    column_names: the names for a file without a header; without them the columns are named "0", "1", ...
    quoting: whether a field that begins with " ends at the next single "; else " is a character like others.

    Lines may end in LF, CRLF or CR; blank lines are no rows. DataError if the file cannot be read, is no text
    in this encoding, is empty or has no rows, or has rows of different lengths, a quoted field that does not
    end with its quote, or two equal column names.
    """
    source = _open_source(Path(path), separator, encoding, quoting)
    rows = _split(source)
    first_row = [column[0].as_py() for column in rows.columns]
    if header is None:
        header = not any(map(_is_number, first_row))
    names = _column_names(source, first_row, header, column_names)
    table = rows.slice(int(header)).rename_columns(names)
    if table.num_rows == 0:
        raise DataError(f"{source.path}: there are no rows, only the header {_shown(source.separator.join(first_row))}")
    return TextTable(source.path, table, source.separator, encoding, quoting, header)


@dataclass(frozen=True)
class _Source:
    """A file's text in UTF-8, without a byte order mark, in which a single byte separates fields.

    A record is a header or a row: what stands between line ends outside quotes, and is not blank.
    """

    path: Path
    data: bytes
    separator: str  # as it stands in the file
    delimiter: bytes  # the byte that stands for it in `data`
    quoted: bool  # whether there are quotes, and they matter

    def lines_of(self, records: Sequence[int]) -> list[int]:
        """The lines in which records (from 0, ascending) begin; those that do not exist are left out."""
        wanted = set(records)
        found = enumerate(islice(self._records(), max(wanted) + 1))
        return [_line_at(self.data, match.start()) for record, match in found if record in wanted]

    def original(self, text: str) -> str:
        """A piece of the text with the separator that stands in the file."""
        return text.replace(self.delimiter.decode(), self.separator)

    def check_quotes(self) -> None:
        """DataError if a field that begins with a quote does not end with it, as csv.reader(strict=True)."""
        field = self._field()
        fields = rb"(?:%b[%b\r\n])*+(?:%b\Z)?+" % (field, re.escape(self.delimiter), field)
        match = re.match(fields, self.data)
        bad = match.end() if match else 0
        if bad == len(self.data):
            return
        closed = re.compile(_QUOTED_FIELD).match(self.data, bad)
        if closed is None:
            problem = "the quote that opens here is never closed"
        else:
            line = _line_at(self.data, closed.end())
            problem = f"the quote that opens here is closed in line {line}, but more text follows in the field"
        # Cutting bytes may leave half a character at the end, which is of no use in a message.
        field_text = self.data[bad : bad + 4 * _TEXT_SHOWN].decode(errors="ignore")
        raise DataError(
            f"{self.path}, line {_line_at(self.data, bad)}: {problem}: {_shown(self.original(field_text))}; "
            'write a quote within a quoted field as "", or read with quoting=False'
        )

    def width(self) -> int:
        """The number of fields of the first record, which all others must have."""
        field_ends = rb"%b(%b|\Z)" % (self._field(), re.escape(self.delimiter))
        return 1 + re.findall(field_ends, next(self._records()).group()).count(self.delimiter)

    def _records(self) -> Iterator[re.Match[bytes]]:
        """The records, if the quotes are right."""
        field = self._field()
        return re.finditer(rb"(?=[^\r\n])(?:%b%b)*+%b" % (field, re.escape(self.delimiter), field), self.data)

    def _field(self) -> bytes:
        """A regular expression of one field, if a separator, a line end or the end of the text follows."""
        delimiter = re.escape(self.delimiter)
        if not self.quoted:
            return rb"[^%b\r\n]*+" % delimiter
        return rb'(?:%b|[^"%b\r\n][^%b\r\n]*+|)' % (_QUOTED_FIELD, delimiter, delimiter)


def _open_source(path: Path, separator: str | None, encoding: str | None, quoting: bool) -> _Source:
    """The text of a file, checked for all that can be wrong with it but the number of fields."""
    data = _as_utf8(path, _read_bytes(path), encoding)
    if not re.search(rb"[^\r\n]", data):
        raise DataError(f"{path}: the file is empty")
    nul = data.find(b"\0")
    if nul >= 0:
        raise DataError(
            f"{path}, line {_line_at(data, nul)}: a NUL byte, where text is expected; if this is UTF-16 "
            "without a byte order mark, say encoding='utf-16-le' or 'utf-16-be'"
        )
    if separator is None:
        separator = _detect_separator(path, data, quoting)
    data, delimiter = _with_one_byte_separator(path, data, separator)
    source = _Source(path, data, separator, delimiter, quoted=quoting and b'"' in data)
    if source.quoted:
        source.check_quotes()
    return source


def _read_bytes(path: Path) -> bytes:
    """The content of a file, decompressed if it is gzip; DataError if that fails or it is no text file."""
    try:
        data = path.read_bytes()
        if path.suffix.lower() == ".gz" or data.startswith(_GZIP_MAGIC):
            data = gzip.decompress(data)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path}: not a complete gzip file: {error}") from error
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from error
    for magic, what in _BINARY_MAGIC.items():
        if data.startswith(magic):
            raise DataError(f"{path}: this is {what}, where a delimited text file is expected")
    return data


def _as_utf8(path: Path, data: bytes, encoding: str | None) -> bytes:
    """Text in any encoding as UTF-8 without a byte order mark; DataError if it is not in this encoding."""
    if encoding is None:
        marks = (name for mark, name in _WIDE_BYTE_ORDER_MARKS.items() if data.startswith(mark))
        encoding = next(marks, "utf-8")
    try:
        is_utf8 = codecs.lookup(encoding).name == "utf-8" and _is_valid_utf8(data)
        utf8 = data if is_utf8 else data.decode(encoding).encode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, errors="replace").encode()
        problem = f"byte 0x{data[error.start]:02x} is not {encoding} ({error.reason})"
        advice = "give the encoding of the file, often encoding='cp1252' or 'latin-1'"
        raise DataError(f"{path}, line {_line_at(before, len(before))}: {problem}; {advice}") from error
    except (LookupError, ValueError) as error:
        raise DataError(f"{path}: cannot be read with encoding={encoding!r}: {error}") from error
    text = utf8.removeprefix(codecs.BOM_UTF8)
    if text.startswith(codecs.BOM_UTF8):  # pyarrow would drop it
        raise DataError(f"{path}, line 1: two byte order marks where at most one is expected")
    return text


def _is_valid_utf8(data: bytes) -> bool:
    """Whether bytes are UTF-8; unlike data.decode() this takes no memory, which matters for large files."""
    offsets = pa.array([0, len(data)], pa.int64()).buffers()[1]
    try:
        pa.LargeStringArray.from_buffers(1, offsets, pa.py_buffer(data)).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _detect_separator(path: Path, data: bytes, quoting: bool) -> str:
    """The one that occurs equally often in most of the first lines; DataError if there is none, or a tie."""
    sample = data[:_SAMPLE_BYTES]
    if quoting:
        sample = _QUOTED_FIELD_OF_ANY_SEPARATOR.sub(b'""', sample)
    lines = [line for line in sample.splitlines() if line]
    if len(data) > _SAMPLE_BYTES and len(lines) > 1:
        lines.pop()  # it may be cut off
    agreeing_lines = {separator: _agreeing_lines(lines, separator.encode()) for separator in _SEPARATORS}
    most = max(agreeing_lines.values())
    if most == 0:
        raise DataError(
            f"{path}: none of the separators {', '.join(map(repr, _SEPARATORS))} occurs in the first lines; "
            "say separator=... (for a single column, any that does not occur)"
        )
    best = [separator for separator, count in agreeing_lines.items() if count == most]
    if len(best) > 1:
        raise DataError(f"{path}: the separator may be {' or '.join(map(repr, best))}; say separator=...")
    return best[0]


def _agreeing_lines(lines: Sequence[bytes], separator: bytes) -> int:
    """How many lines have the same number of separators, for the commonest number but 0."""
    lines_with = Counter(line.count(separator) for line in lines)
    return max((lines_with[count] for count in lines_with if count > 0), default=0)


def _with_one_byte_separator(path: Path, data: bytes, separator: str) -> tuple[bytes, bytes]:
    """Text in which one byte separates fields, as pyarrow wants it, and this byte.

    For any other separator a byte is put that the text does not hold, so that it can be undone within quotes.
    """
    if not separator or re.search('["\r\n\0\ud800-\udfff]', separator):
        raise DataError(f"{path}: separator={separator!r}: characters other than quotes and line ends are expected")
    encoded = separator.encode()
    if len(encoded) == 1:
        return data, encoded
    stand_in = next((byte for byte in _STAND_INS if byte not in data), None)
    if stand_in is None:
        raise DataError(f"{path}: the separator {separator!r} cannot be used in a text with all control characters")
    return data.replace(encoded, stand_in), stand_in


def _split(source: _Source) -> pa.Table:
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


def _ragged_error(source: _Source, ragged: Sequence[Any]) -> DataError:
    """What is wrong with the records that pyarrow found too long or too short."""
    lines = source.lines_of([row.number - 1 for row in ragged])
    problems = [
        f"line {line}: {_fields(row.actual_columns)} where {row.expected_columns} "
        f"{'is' if row.expected_columns == 1 else 'are'} expected: {_shown(source.original(row.text))}"
        for line, row in zip(lines, ragged, strict=True)
    ]
    if len(ragged) == _RAGGED_SHOWN:
        problems.append("the lines after that were not looked at")
    return DataError(f"{source.path}, {'; '.join(problems)}")


def _column_names(
    source: _Source, first_row: Sequence[str], header: bool, given: Sequence[str] | None
) -> Sequence[str]:
    """The names of the columns, from the header, the caller or by number.

    DataError if the caller's are too many or too few or come on top of a header, or if two names are equal
    but for blanks around them. Else names are left as they are, a blank one too: pandas names its index so.
    """
    where = f"{source.path}, line {source.lines_of([0])[0]}"
    if given is None:
        names = first_row if header else [str(index) for index in range(len(first_row))]
    elif header:
        shown = _shown(source.separator.join(first_row))
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


def _line_at(data: bytes, offset: int) -> int:
    """The line, from 1, of a position in a text whose lines end in LF, CRLF or CR."""
    line_feeds, returns, pairs = (data.count(end, 0, offset) for end in (b"\n", b"\r", b"\r\n"))
    return 1 + line_feeds + returns - pairs


def _shown(text: str) -> str:
    """A text as it stands in a message: quoted, and shortened if it is long."""
    return repr(text if len(text) <= _TEXT_SHOWN else text[: _TEXT_SHOWN - 3] + "...")
