"""The bytes of a text file as UTF-8 text in which one byte separates fields.

Encodings, byte order marks, gzip, separators and quotes are settled here, or the file is refused with its line;
what is left for `text.py` is to split the text into rows.
"""

import codecs
import gzip
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pyarrow as pa

from recsys_nn.errors import DataError

_SEPARATORS = (",", "\t", ";", "|", "::")
_SAMPLE_BYTES = 1 << 16  # of the beginning of a file: what the separator is detected from
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
class Source:
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
            f"{self.path}, line {_line_at(self.data, bad)}: {problem}: {shortened(self.original(field_text))}; "
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


def open_source(path: Path, separator: str | None, encoding: str | None, quoting: bool) -> Source:
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
    source = Source(path, data, separator, delimiter, quoted=quoting and b'"' in data)
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


def _line_at(data: bytes, offset: int) -> int:
    """The line, from 1, of a position in a text whose lines end in LF, CRLF or CR."""
    line_feeds, returns, pairs = (data.count(end, 0, offset) for end in (b"\n", b"\r", b"\r\n"))
    return 1 + line_feeds + returns - pairs


def shortened(text: str) -> str:
    """A text as it stands in a message: quoted, and shortened if it is long."""
    return repr(text if len(text) <= _TEXT_SHOWN else text[: _TEXT_SHOWN - 3] + "...")
