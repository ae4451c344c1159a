"""Tables of a run folder as Parquet: plain columns, read without trusting what the file says of itself.

A few bytes of Parquet can stand for gigabytes: rows by run lengths, texts by a dictionary, pages by compression. So the
metadata, the headers of the pages and the lengths of the texts are looked at in this order, each before what it would
take is allocated. What pandas and Arrow have noted beside the columns (indexes, types of their own) has no effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from recsys_nn.errors import ArtifactError
from recsys_nn.files.parquet_pages import unpacked_bytes

MIN_ROOM, ROOM_A_BYTE = 8 * 2**20, 64
"""Bytes that a table may take in memory: so many, and so many a byte of its file."""
Compression = Literal["snappy", "zstd"]
MAX_COLUMNS, MAX_ROW_GROUPS = 1000, 10_000


def plain_table(frame: pd.DataFrame, compression: Compression = "snappy") -> bytes:
    """Parquet bytes of a table, such that :func:`read_plain_table` accepts them.

    A table of which a few bytes would stand for too many is written without compression and dictionaries.

    Args:
        frame: the table; its index is not written.
        compression: compression codec of its pages.
    """
    content = frame.to_parquet(index=False, compression=compression)
    if frame.memory_usage(index=False, deep=True).sum() > (MIN_ROOM + ROOM_A_BYTE * len(content)) / 2:
        return frame.to_parquet(index=False, compression=None, use_dictionary=False)
    return content


def read_plain_table(
    content: bytes, name: str, *, columns: Sequence[str] | None = None, rows: int | None = None
) -> pd.DataFrame:
    """Reads a table of numbers, texts, times and booleans; integers of which some are missing are ``Int64``.

    Args:
        content: bytes of the Parquet file.
        name: name of the file, for error messages.
        columns: names of the columns to read; None reads all.
        rows: number of rows that it has to have, where that is known.

    Raises:
        ArtifactError: naming the file and what is wrong with it.
    """
    try:
        return _read(content, columns, rows)
    except (pa.ArrowException, OSError, ValueError, KeyError, OverflowError, RecursionError) as error:
        raise ArtifactError(f"{name} is damaged: {' '.join(str(error).split())[:500]}") from None


def _read(content: bytes, columns: Sequence[str] | None, rows: int | None) -> pd.DataFrame:
    limits = {"thrift_string_size_limit": max(len(content), 1), "thrift_container_size_limit": MAX_ROW_GROUPS}
    stated = pq.ParquetFile(pa.BufferReader(content), **limits)
    metadata, schema = stated.metadata, stated.schema_arrow
    found, room = metadata.num_rows, MIN_ROOM + ROOM_A_BYTE * len(content)
    if rows is not None and found != rows:
        raise ValueError(f"it must have {rows:,} rows, not {found:,}")
    if metadata.num_columns > MAX_COLUMNS or metadata.num_row_groups > MAX_ROW_GROUPS:
        raise ValueError(
            f"it has too many columns, {metadata.num_columns:,}, or groups of rows, {metadata.num_row_groups:,}"
        )
    fields = [_plain(schema, column) for column in (schema.names if columns is None else columns)]
    wanted, texts = [field.name for field in fields], [field.name for field in fields if _is_text(field.type)]
    _check_room(found * sum(map(_width, fields)), room)
    if not found:
        return schema.empty_table().select(wanted).replace_schema_metadata().to_pandas()
    _check_room(unpacked_bytes(memoryview(content), metadata), room)
    file = pq.ParquetFile(pa.BufferReader(content), read_dictionary=texts, pre_buffer=False, **limits)
    table = file.read(columns=wanted, use_threads=False).replace_schema_metadata()
    _check_room(sum(_text_bytes(table[column]) for column in texts), room)
    for column in texts:
        table = table.set_column(table.column_names.index(column), column, table[column].cast(pa.large_string()))
    table.validate(full=True)  # that texts are UTF-8
    if table.num_rows != found:
        raise ValueError(f"it has {table.num_rows:,} rows, but its metadata says {found:,}")
    frame = table.to_pandas(types_mapper=_INTEGERS.get)
    whole = [field for field in table.schema if field.type in _INTEGERS and not table[field.name].null_count]
    return frame.astype({field.name: field.type.to_pandas_dtype() for field in whole})


def are_integers(column: pd.Series, lowest: int, highest: int) -> bool:
    """Tells whether a column holds integers within these bounds only, none of them missing."""
    whole = isinstance(column.dtype, np.dtype) and column.dtype.kind in "iu"
    return whole and bool(column.between(lowest, highest).all())


_INTEGERS = {getattr(pa, f"{sign}int{bits}")(): pd.Int64Dtype() for sign in ("", "u") for bits in (8, 16, 32, 64)}


def _plain(schema: pa.Schema, column: str) -> pa.Field:
    if (times := len(schema.get_all_field_indices(column))) != 1:
        raise ValueError(f"the column {column!r} {'is missing' if not times else 'occurs twice'}")
    field = schema.field(column)
    types = pa.types
    plain = (types.is_integer, types.is_floating, types.is_boolean, types.is_timestamp, types.is_null, _is_text)
    if not any(is_of_kind(field.type) for is_of_kind in plain):
        raise ValueError(f"the column {column!r} must hold numbers, texts or times, not {field.type}")
    return field


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)


def _width(field: pa.Field) -> int:
    """Bytes that a field takes in each row, without its text."""
    return 1 if pa.types.is_null(field.type) else max(field.type.bit_width // 8, 1) if not _is_text(field.type) else 8


def _check_room(needed: int, room: int) -> None:
    if needed > room:
        raise ValueError(f"its rows must take at most {room:,} bytes, not {needed:,}")


def _text_bytes(column: pa.ChunkedArray) -> int:
    total = 0
    for chunk in column.chunks:
        lengths = pc.fill_null(pc.binary_length(chunk.dictionary), 0).to_numpy(zero_copy_only=False)
        places = chunk.indices.drop_null().to_numpy()
        total += int(np.bincount(places, minlength=len(lengths)) @ lengths.astype(np.int64)) if len(places) else 0
    return total
