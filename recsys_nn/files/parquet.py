"""Parquet files of any size, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePath

import pyarrow as pa
import pyarrow.parquet as pq

from recsys_nn.errors import DataError, Where
from recsys_nn.files.regular_file import refuse_pipe

PARQUET_SUFFIXES = (".parquet", ".pq")
_BUFFER_BYTES = 2**20
_SMALL_BYTES = 2**26


@contextmanager
def reading_parquet(file: Path) -> Iterator[None]:
    """What pyarrow finds wrong with a file becomes a DataError that names it."""
    refuse_pipe(file)
    try:
        yield
    except FileNotFoundError:
        raise DataError(f"{file} does not exist") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as Parquet: {str(error).splitlines()[0]}") from None


@contextmanager
def opened_parquet(file: Path) -> Iterator[pq.ParquetFile]:
    """A file that says in its parts that it has as many rows as it says in all: else pyarrow might read for ever.

    Raises:
        DataError: where it does not, or for anything else that is wrong with it, also while it is open.
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
    """Of the column of a group, which is read whole (0) where all of the file is small.

    A buffer grows to what a page's header says, which may be damaged: up to 2 GiB, for which a small file is no reason.
    """
    return _BUFFER_BYTES if file.stat().st_size > _SMALL_BYTES else 0


def read_parquet(place: Path) -> pa.Table:
    """All rows of a file, or of the Parquet files of a folder."""
    refuse_pipe(place)
    for file in parquet_files(place) if place.is_dir() else [place]:
        with opened_parquet(file):
            pass
    with reading_parquet(place):
        table = pq.read_table(place)
        table.validate(full=True)
    return table


def parquet_parts(file: Path, rows: int, columns: Sequence[str] | None = None) -> Iterator[tuple[pa.Table, Where]]:
    """The rows of a file by so many, each part with the places of its rows; no row group is held whole.

    Args:
        file: of Parquet.
        rows: of a part.
        columns: the names of those to read; all, where there are none.
    """
    with opened_parquet(file) as opened:
        first = 0
        for batch in opened.iter_batches(rows, columns=columns):
            batch.validate(full=True)
            yield pa.Table.from_batches([batch]), place_in(file, first)
            first += batch.num_rows


def place_in(file: Path, first: int = 0) -> Where:
    """Names the rows of a file from a ``first`` one on."""
    return lambda row: f"{file}, row {first + row}"


def parquet_files(folder: Path) -> list[Path]:
    """The Parquet files of a folder and its subfolders in the order of their paths, without what is hidden.

    Raises:
        DataError: where there are none.
    """
    shown = [path for path in folder.rglob("*") if is_shown_parquet(path.relative_to(folder)) and path.is_file()]
    if not shown:
        raise DataError(f"the folder {folder} holds no Parquet file ({', '.join(PARQUET_SUFFIXES)})")
    return sorted(shown)


def is_shown_parquet(name: PurePath) -> bool:
    """Whether what has this name below a folder is Parquet of that, nothing hidden."""
    return name.suffix.lower() in PARQUET_SUFFIXES and not any(part[0] in "._" for part in name.parts)
