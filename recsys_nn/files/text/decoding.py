"""The bytes of a text file as UTF-8 text, piece by piece.

Gzip, encodings, byte order marks and NUL are settled here, or the file is refused with its line.
"""

from __future__ import annotations

import codecs
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, pairwise
from pathlib import Path

import numpy as np

from recsys_nn.errors import DataError, refuse_pipe

BLOCK_BYTES = 1 << 24  # what is read at a time; no row can be longer

_GZIP_MAGIC = b"\x1f\x8b"
_BINARY_MAGIC = {
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive or an Excel workbook (.xlsx)",
    b"PK\x05\x06": "an empty zip archive",
    b"BZh91AY&SY": "a bzip2 file",
    b"\xfd7zXZ\0": "an xz file",
    b"\x28\xb5\x2f\xfd": "a Zstandard file",
    _GZIP_MAGIC: "a gzip file within a gzip file",
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


@dataclass(frozen=True)
class Place:
    """A character of a file: its line and column, from 1."""

    path: Path
    line: int = 1
    column: int = 1

    def after(self, text: bytes) -> Place:
        """The place behind a piece of UTF-8 that begins here; one that ends within a character is taken as if not."""
        n_lines = n_line_ends(text)
        last_line = text[max(text.rfind(b"\n"), text.rfind(b"\r")) + 1 :]
        n_characters = len(last_line.decode(errors="ignore"))
        return Place(self.path, self.line + n_lines, n_characters + (1 if n_lines else self.column))

    def __str__(self) -> str:
        return f"{self.path}, line {self.line}, column {self.column}"


def utf8_pieces(path: Path, encoding: str | None) -> Iterator[tuple[bytes, float, bool]]:
    """Text in any encoding as UTF-8 without a byte order mark, in pieces that never end within a CRLF.

    With each piece, the share of the file that has been read, and whether it is the last.
    """
    place, held, decoder = Place(path), b"", None
    for (raw, done), following in pairwise(chain(_pieces(path), [(b"", 1.0)])):
        beginning, ended = decoder is None, not following[0]
        if decoder is None:
            marks = (name for mark, name in _WIDE_BYTE_ORDER_MARKS.items() if raw.startswith(mark))
            encoding = next(marks, "utf-8") if encoding is None else encoding
            decoder = _decoder(path, encoding)
        try:
            text = held + decoder.decode(raw, final=ended).encode()
        except UnicodeDecodeError as error:
            before = held + _as_far_as_it_goes(error.object[: error.start], encoding or "")
            problem = f"byte 0x{error.object[error.start]:02x} is not {encoding} ({error.reason})"
            advice = "set the option encoding to that of the file, often 'cp1252' or 'latin-1'"
            raise DataError(f"{place.after(before)}: {problem}; {advice}") from error
        except ValueError as error:
            raise DataError(f"{path} cannot be read with the encoding {encoding!r}: {error}") from error
        if beginning:
            text = text.removeprefix(codecs.BOM_UTF8)
            if text.startswith(codecs.BOM_UTF8):  # pyarrow would drop it
                raise DataError(f"{path}, line 1: the file begins with two byte order marks: remove one")
        held = b"\r" if not ended and text.endswith(b"\r") else b""
        text = text.removesuffix(held)
        nul = text.find(b"\0")
        if nul >= 0:
            raise DataError(
                f"{place.after(text[:nul])}: there is a NUL byte, which text cannot have; for UTF-16 without a byte "
                "order mark, set the option encoding to 'utf-16-le' or 'utf-16-be'"
            )
        yield text, done, ended
        place = place.after(text)


def _pieces(path: Path) -> Iterator[tuple[bytes, float]]:
    """The content of a file, decompressed if it is gzip; DataError if that fails or it is no text file.

    With each piece the share of the file that has been read.
    """
    refuse_pipe(path)
    try:
        with path.open("rb") as file:
            size = path.stat().st_size
            zipped = path.suffix.lower() == ".gz" or file.peek(2).startswith(_GZIP_MAGIC)
            stream = gzip.GzipFile(fileobj=file) if zipped and size else file
            beginning = True
            while piece := stream.read(BLOCK_BYTES):
                if beginning:
                    _check_is_text(path, piece)
                yield piece, file.tell() / size if size else 0.0
                beginning = False
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataError(f"{path} is not a complete gzip file: {error}") from error
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from error


def _check_is_text(path: Path, beginning: bytes) -> None:
    for magic, what in _BINARY_MAGIC.items():
        if beginning.startswith(magic):
            raise DataError(f"{path} must be a delimited text file, not {what}")


def _decoder(path: Path, encoding: str) -> codecs.IncrementalDecoder:
    try:
        "a".encode(encoding)  # which refuses codecs from bytes to bytes
        return codecs.getincrementaldecoder(encoding)()
    except (LookupError, ValueError) as error:
        raise DataError(f"{path} cannot be read with the encoding {encoding!r}: {error}") from error


def _as_far_as_it_goes(data: bytes, encoding: str) -> bytes:
    try:
        return data.decode(encoding, errors="replace").encode()
    except UnicodeError:  # of an encoding that cannot replace anything
        return b""


def n_line_ends(data: bytes) -> int:
    """Number of line ends in a text: LF, CRLF or CR."""
    line_feeds = np.count_nonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n"))  # bytes.count is for rare ones
    return int(line_feeds) + data.count(b"\r") - data.count(b"\r\n")
