"""A text file in blocks of whole records, in which one byte separates fields.

Separators and quotes are settled here, or the file is refused with its line; what is left for `text.py` is to split the
blocks into rows. Of a file, one block is in memory at a time.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recsys_nn.errors import DataError
from recsys_nn.files.text import decoding
from recsys_nn.files.text.decoding import Place, n_line_ends, utf8_pieces

_SEPARATORS = (",", "\t", ";", "|", "::")
_SAMPLE_BYTES = 1 << 16  # of the beginning of a file: what the separator is detected from
_TEXT_SHOWN = 60

# Control bytes that a text hardly ever holds: one that this text does not hold can stand for "::".
_STAND_INS = tuple(bytes([code]) for code in (*range(0x1F, 0x0D, -1), *range(1, 9)))

_QUOTED_FIELD = rb'"[^"]*+(?:""[^"]*+)*+"'
# What comes before the quote may be any separator: it is not known yet.
_QUOTED_FIELD_OF_ANY_SEPARATOR = re.compile(rb"(?<![^,\t;|:\r\n])" + _QUOTED_FIELD)


@dataclass(frozen=True)
class Block:
    """Records of a text file in UTF-8, without a byte order mark, in which a single byte separates fields.

    A record is a header or a row: what stands between line ends outside quotes, and is not blank.
    """

    path: Path
    data: bytes
    separator: str  # as it stands in the file
    delimiter: bytes  # the byte that stands for it in `data`
    quoted: bool  # whether there are quotes, and they matter
    line: int  # of the file, in which it begins
    done: float  # the share of the file that has been read with it

    @property
    def n_records(self) -> int:
        return len(self._records)

    def line_of(self, record: int) -> int:
        """The line of the file in which a record (from 0) begins."""
        return self.line + int(np.searchsorted(self._line_ends, self._records[record, 0]))

    def text_of(self, record: int) -> str:
        """A record (from 0) as it stands in the file."""
        begin, end = self._records[record]
        return self.original(self.data[begin:end].decode())

    def original(self, text: str) -> str:
        """A piece of the text with the separator that stands in the file."""
        return text.replace(self.delimiter.decode(), self.separator)

    def width(self) -> int:
        """The number of fields of the first record, which all others must have."""
        field_ends = rb"%b(%b|\Z)" % (self._field, re.escape(self.delimiter))
        return 1 + re.findall(field_ends, next(self._found_records()).group()).count(self.delimiter)

    def cut(self) -> tuple["Block", "Block"]:
        """Splits the block into the records whose ends have been read, and what follows them."""
        if self.quoted:
            record = rb"(?:%b%b)*+%b[\r\n]" % (self._field, re.escape(self.delimiter), self._field)
            end = re.compile(rb"(?:%b)*+" % record).match(self.data).end()  # type: ignore[union-attr]
        else:
            end = max(self.data.rfind(b"\n"), self.data.rfind(b"\r")) + 1
        whole, rest = self.data[:end], self.data[end:]
        return replace(self, data=whole), replace(self, data=rest, line=self.line + n_line_ends(whole))

    def check_record(self, *, ended: bool) -> None:
        """Raises a DataError where the text is no beginning of a record or, where it has ``ended``, no whole one.

        A field that begins with a quote ends with it, as for csv.reader(strict=True).
        """
        fields = rb"(?:%b[%b\r\n])*+(?:%b\Z)?+" % (self._field, re.escape(self.delimiter), self._field)
        match = re.match(fields, self.data)
        bad = match.end() if match else 0
        closed = re.compile(_QUOTED_FIELD).match(self.data, bad)
        too_long = not ended and len(self.data) > decoding.BLOCK_BYTES
        if bad == len(self.data):
            if too_long:
                raise DataError(f"{self.path}, line {self.line}: the row that begins here is longer than {_limit()}")
            return
        if closed is not None:
            if not ended and self.separator.encode().startswith(self.data[closed.end() :]):  # of "::", half
                return
            line = self._line_at(closed.end())
            problem = f"the quote that opens here is closed in line {line}, but more text follows in the field"
        elif ended or too_long:
            problem = "the quote that opens here is never closed" + ("" if ended else f" in the next {_limit()}")
        else:
            return
        # Cutting bytes may leave half a character at the end, which is of no use in a message.
        field_text = self.data[bad : bad + 4 * _TEXT_SHOWN].decode(errors="ignore")
        raise DataError(
            f"{Place(self.path, self.line).after(self.data[:bad])}: {problem}: {shortened(self.original(field_text))}; "
            'write a quote within a quoted field as "", or set the option quoting to false'
        )

    @property
    def _field(self) -> bytes:
        """A regular expression of one field, if a separator, a line end or the end of the text follows."""
        delimiter = re.escape(self.delimiter)
        if not self.quoted:
            return rb"[^%b\r\n]*+" % delimiter
        return rb'(?:%b|[^"%b\r\n][^%b\r\n]*+|)' % (_QUOTED_FIELD, delimiter, delimiter)

    def _found_records(self) -> Iterator[re.Match[bytes]]:
        """The records, if the quotes are right."""
        record = rb"(?=[^\r\n])(?:%b%b)*+%b" % (self._field, re.escape(self.delimiter), self._field)
        return re.finditer(record, self.data)

    @cached_property
    def _records(self) -> npt.NDArray[np.int64]:
        """Offsets at which each record begins and ends, (n, 2)."""
        return np.array([record.span() for record in self._found_records()], dtype=np.int64).reshape(-1, 2)

    @cached_property
    def _line_ends(self) -> npt.NDArray[np.int64]:
        """Offsets at which lines end, in LF, CRLF or CR."""
        text = np.frombuffer(self.data, dtype=np.uint8)
        line_feeds, returns = text == ord("\n"), text == ord("\r")
        returns[:-1] &= ~line_feeds[1:]
        return np.flatnonzero(line_feeds | returns)

    def _line_at(self, offset: int) -> int:
        return self.line + n_line_ends(self.data[:offset])


def read_blocks(path: Path, separator: str | None, encoding: str | None, quoting: bool) -> Iterator[Block]:
    """Yields a text file in blocks of whole records, checked for all that can be wrong but the number of fields.

    Raises:
        DataError: when what is wrong is read; the blocks before it have been given then.
    """
    rest, line, empty = b"", 1, True
    for piece, done, ended in utf8_pieces(path, encoding):
        data = rest + piece
        text = data.lstrip(b"\r\n")
        line += n_line_ends(data[: len(data) - len(text)])
        if not text:
            rest = b""
            continue
        if separator is None:
            separator = _detect_separator(path, text, quoting)
        text, delimiter = _with_one_byte_separator(path, text, separator)
        block = Block(path, text, separator, delimiter, quoting and b'"' in text, line, done)
        whole, following = block.cut()
        following.check_record(ended=ended)
        if ended or whole.data:
            empty = False
            yield block if ended else whole
        rest, line = following.data.replace(delimiter, separator.encode()), following.line
    if empty:
        raise DataError(f"{path}: the file is empty")


def _detect_separator(path: Path, data: bytes, quoting: bool) -> str:
    """The separator that occurs equally often in most of the first lines; DataError if there is none, or a tie."""
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
            "set the option separator (for a single column, to any text that does not occur)"
        )
    best = [separator for separator, count in agreeing_lines.items() if count == most]
    if len(best) > 1:
        raise DataError(f"{path}: the separator may be {' or '.join(map(repr, best))}: set the option separator")
    return best[0]


def _agreeing_lines(lines: Sequence[bytes], separator: bytes) -> int:
    """Number of lines that have the same number of separators, for the commonest number but 0."""
    lines_with = Counter(line.count(separator) for line in lines)
    return max((lines_with[count] for count in lines_with if count > 0), default=0)


def _with_one_byte_separator(path: Path, data: bytes, separator: str) -> tuple[bytes, bytes]:
    """Text in which one byte separates fields, as pyarrow wants it, and this byte.

    For any other separator a byte is put that the text does not hold, so that it can be undone within quotes.
    """
    if not separator or re.search('["\r\n\0\ud800-\udfff]', separator):
        raise DataError(f"{path}: separator must be characters other than quotes and line ends, not {separator!r}")
    encoded = separator.encode()
    if len(encoded) == 1:
        return data, encoded
    stand_in = next((byte for byte in _STAND_INS if byte not in data), None)
    if stand_in is None:
        raise DataError(f"{path}: the separator {separator!r} cannot be used in a text with all control characters")
    return data.replace(encoded, stand_in), stand_in


def _limit() -> str:
    return f"{decoding.BLOCK_BYTES >> 20} MiB"


def shortened(text: str) -> str:
    """A text as it stands in a message: quoted, and shortened if it is long."""
    return repr(text if len(text) <= _TEXT_SHOWN else text[: _TEXT_SHOWN - 3] + "...")
