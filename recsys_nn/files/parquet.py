"""Parquet files of any size, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_nn.errors import DataError, Where, place_in, refuse_pipe
from recsys_nn.files.folders import PARQUET_SUFFIXES, is_shown_parquet

_BUFFER_BYTES = 2**20
_SMALL_BYTES = 2**26


@contextmanager
def reading_parquet(file: Path) -> Iterator[None]:
    """Turns what pyarrow finds wrong with a file within the block into a DataError that names the file."""
    refuse_pipe(file)
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{file} does not exist") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as Parquet: {str(error).splitlines()[0]}") from None


@contextmanager
def opened_parquet(file: Path) -> Iterator[pq.ParquetFile]:
    """Opens a Parquet file whose row groups add up to the rows that it states: else pyarrow might read for ever.

    Raises:
        DataError: where they do not, or for anything else that is wrong with it, also while it is open.
    """
    # What is read ahead (pre_buffer) would be held until the last row has been read.
    with reading_parquet(file), pq.ParquetFile(file, buffer_size=_buffer_bytes(file), pre_buffer=False) as opened:
        metadata = opened.metadata
        n_rows = sum(metadata.row_group(group).num_rows for group in range(metadata.num_row_groups))
        if n_rows != metadata.num_rows:
            raise DataError(f"{file} is damaged: it has {metadata.num_rows:,} rows, but its groups have {n_rows:,}")
        _ = opened.schema_arrow.names  # are decoded when they are asked for
        yield opened


def _buffer_bytes(file: Path) -> int:
    """Read-buffer size in bytes; 0 reads each column chunk whole (small files).

    A buffer grows to what a page's header says, which may be damaged: up to 2 GiB, for which a small file is no reason.
    """
    return _BUFFER_BYTES if file.stat().st_size > _SMALL_BYTES else 0


def read_parquet(place: Path) -> pa.Table:
    """Reads all rows of a Parquet file, or of the Parquet files of a folder."""
    refuse_pipe(place)
    for file in parquet_files(place) if place.is_dir() else [place]:
        with opened_parquet(file):
            pass
    with reading_parquet(place):
        table = pq.read_table(place)
        table.validate(full=True)
    return table


def parquet_parts(file: Path, rows: int, columns: Sequence[str] | None = None) -> Iterator[tuple[pa.Table, Where]]:
    """Yields a Parquet file in parts of at most ``rows`` rows, each with their places; no row group is held whole.

    Args:
        file: path of the Parquet file.
        rows: greatest number of rows of a part.
        columns: names of the columns to read; None reads all.
    """
    with opened_parquet(file) as opened:
        first = 0
        for batch in opened.iter_batches(rows, columns=columns):
            batch.validate(full=True)
            yield pa.Table.from_batches([batch]), place_in(file, first)
            first += batch.num_rows


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files of a folder and its subfolders in the order of their paths, without what is hidden.

    Raises:
        DataError: where there are none.
    """
    shown = [path for path in folder.rglob("*") if is_shown_parquet(path.relative_to(folder)) and path.is_file()]
    if not shown:
        raise DataError(f"the folder {folder} holds no Parquet file ({', '.join(PARQUET_SUFFIXES)})")
    return sorted(shown)
