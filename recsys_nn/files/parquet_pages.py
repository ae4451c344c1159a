"""Unpacked sizes of a Parquet file's pages, as their headers state them, read before any page is unpacked.

pyarrow takes a page's header at its word and makes room for up to 2 GiB, whatever the file's metadata states. A header
is a Thrift struct in the compact protocol, of which only what a header holds is read here: integers, booleans, binaries
and structs (https://github.com/apache/parquet-format, "PageHeader").
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

MAX_PAGES, MAX_DEPTH = 20_000, 4
_STOP, _BOOLEANS, _INTEGERS, _BINARY, _STRUCT = 0, (1, 2), (4, 5, 6), 8, 12
"""Thrift's types; a boolean field's type is its value."""
_UNPACKED, _PACKED = 2, 3
"""The fields with the sizes of a page's body."""


def unpacked_bytes(content: memoryview, metadata: Any) -> int:
    """Total bytes of all pages of a Parquet file once unpacked, as their headers state.

    Args:
        content: all bytes of the Parquet file.
        metadata: the file's metadata, as pyarrow gives it.

    Raises:
        ValueError: where the pages are not those of such a file, or more than 20,000.
    """
    total = pages = 0
    for group in range(metadata.num_row_groups):
        for column in range(metadata.num_columns):
            chunk = metadata.row_group(group).column(column)
            for size in _page_sizes(content, chunk):
                total, pages = total + size, pages + 1
                if pages > MAX_PAGES:
                    raise ValueError(f"more than {MAX_PAGES:,} pages")
    return total


def _page_sizes(content: memoryview, chunk: Any) -> Iterator[int]:
    place = chunk.data_page_offset
    if chunk.has_dictionary_page and 0 < chunk.dictionary_page_offset < place:
        place = chunk.dictionary_page_offset
    end = place + chunk.total_compressed_size
    if not 0 < place <= end <= len(content):
        raise ValueError("a column that lies outside the file")
    while place < end:
        header = _Header(content[place:end])
        sizes = header.struct()
        unpacked, packed = (sizes.get(field, -1) for field in (_UNPACKED, _PACKED))
        place += header.place + packed
        if min(unpacked, packed) < 0 or place > end:
            raise ValueError("a page that lies outside its column")
        yield unpacked


class _Header:
    """Reader of the Thrift struct at the beginning of some bytes; ``place`` is how far it has read."""

    def __init__(self, content: memoryview) -> None:
        self._content, self.place = content, 0

    def struct(self, depth: int = 1) -> dict[int, int]:
        """Reads the struct and returns its integers by the numbers of their fields."""
        if depth > MAX_DEPTH:
            raise ValueError("a header of a page with structs within structs")
        found: dict[int, int] = {}
        field = 0
        while (head := self._byte()) & 15 != _STOP:
            field = field + (head >> 4) if head >> 4 else _signed(self._varint())
            kind = head & 15
            if kind in _INTEGERS:
                found[field] = _signed(self._varint())
            elif kind == _BINARY:
                self._skip(self._varint())
            elif kind == _STRUCT:
                self.struct(depth + 1)
            elif kind not in _BOOLEANS:
                raise ValueError(f"a header of a page with a field of type {kind}")
        return found

    def _skip(self, length: int) -> None:
        self.place += length

    def _byte(self) -> int:
        if self.place >= len(self._content):
            raise ValueError("a header of a page that ends too early")
        self.place += 1
        return self._content[self.place - 1]

    def _varint(self) -> int:
        value = shift = 0
        while (byte := self._byte()) & 128:
            value, shift = value | (byte & 127) << shift, shift + 7
            if shift > 63:
                raise ValueError("a header of a page with a number of more than 64 bits")
        return value | byte << shift


def _signed(number: int) -> int:
    return number >> 1 ^ -(number & 1)
