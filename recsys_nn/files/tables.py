"""Tables into files: CSV, TSV (gzip too) and Parquet, whole or not at all; in text, nothing that a spreadsheet runs."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import BinaryIO, cast

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from recsys_nn.errors import OR_OVERWRITE, DataError
from recsys_nn.files.atomic import atomic_file
from recsys_nn.files.folders import PARQUET_SUFFIXES
from recsys_nn.files.spreadsheets import defused

_SEPARATORS = {".csv": ",", ".tsv": "\t"}


def check_output(path: Path, *, overwrite: bool) -> None:
    """Raises a DataError where a table must not or cannot be written; called before the work that makes it."""
    check_file_place(path, overwrite=overwrite)
    if _format(path) not in (*_SEPARATORS, *PARQUET_SUFFIXES):
        raise DataError(f"{path} must be a .csv, .tsv (either also .gz) or .parquet file")


def check_file_place(path: Path, *, overwrite: bool) -> None:
    """Raises a DataError where a file of any format must not or cannot be written."""
    if path.exists() and (path.is_dir() or not overwrite):
        raise DataError(f"{path} is a folder: name a file" if path.is_dir() else f"{path} exists: {OR_OVERWRITE}")
    if not path.absolute().parent.is_dir():
        raise DataError(f"{path}: the folder {path.absolute().parent} does not exist: create it, or choose another")


def write_table(frame: pd.DataFrame, path: Path) -> None:
    """Writes ``frame`` in the format that the path's suffix names."""
    table = pa.Table.from_pandas(frame, preserve_index=False)
    with table_writer(path, table.schema) as write:
        write(table)


@contextmanager
def table_writer(path: Path, schema: pa.Schema) -> Iterator[Callable[[pa.Table], None]]:
    """Yields a function that appends tables to a file, which is there when the block ends or not at all."""
    with ExitStack() as stack:
        stream = stack.enter_context(atomic_file(path))
        if _is_gzip(path):
            stream = stack.enter_context(_same_every_time(stream))
        if _format(path) in PARQUET_SUFFIXES:
            repeated = [column.name for column in schema if not pa.types.is_floating(column.type)]
            yield stack.enter_context(pq.ParquetWriter(stream, schema, use_dictionary=repeated)).write_table
            return
        with _written_as_text(path):
            options = pa.csv.WriteOptions(delimiter=_SEPARATORS[_format(path)], quoting_style="needed")
            text_schema = defused(schema.empty_table()).schema
            writer = stack.enter_context(pa.csv.CSVWriter(stream, text_schema, write_options=options))

        def write(table: pa.Table) -> None:
            with _written_as_text(path):
                text = defused(table)
            writer.write_table(text)

        yield write


@contextmanager
def _written_as_text(path: Path) -> Iterator[None]:
    try:
        yield
    except pa.ArrowInvalid as error:
        raise DataError(f"{path}: a column cannot be written as text ({error}): write a .parquet file") from None


def _format(path: Path) -> str:
    """The suffix that tells the format: that before .gz, for text."""
    inner = Path(path.stem).suffix.lower()
    return inner if _is_gzip(path) and inner in _SEPARATORS else path.suffix.lower()


def _same_every_time(stream: BinaryIO) -> BinaryIO:
    """Gzip stream with no name and no time in its header, so that the same table is the same bytes."""
    return cast(BinaryIO, gzip.GzipFile("", "wb", compresslevel=6, fileobj=stream, mtime=0))


def _is_gzip(path: Path) -> bool:
    return path.suffix.lower() == ".gz"
