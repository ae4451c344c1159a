"""Encoded ratings on disk: 12 bytes each, in chunks that are read one at a time."""

from __future__ import annotations

import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from recsys_nn.errors import DataError
from recsys_nn.files import atomic_file
from recsys_nn.tensors.aligned import aligned_empty

CHUNK_ROWS = 2**16
FILE_NAME = "encoded.arrow"
_SCHEMA = pa.schema(
    [("user", pa.int32()), ("item", pa.int32()), ("rating", pa.float32())],
    metadata={"format": "recsys_nn encoded ratings 1"},
)

Columns = tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.floating]]


class RowFile:
    """Rows of users (int32) and items (int32) and their ratings (float32), in an Arrow IPC file.

    Each chunk is read when it is asked for, into memory of its own: a mapped file would count as memory of the process
    as far as it has been read. All chunks but the last have ``CHUNK_ROWS`` rows.

    Args:
        folder: the folder of the file, which is named ``encoded.arrow``.

    Raises:
        DataError: where there is no such file.
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / FILE_NAME
        try:
            with _opened(self.path) as reader:
                if not reader.schema.equals(_SCHEMA, check_metadata=True):
                    raise DataError(f"{self.path} is an Arrow file, but not one of encoded ratings")
                n_chunks = reader.num_record_batches
                last = reader.get_batch(n_chunks - 1).num_rows if n_chunks else 0
        except FileNotFoundError:
            raise DataError(f"{folder} holds no encoded ratings ({FILE_NAME})") from None
        except pa.ArrowInvalid as error:
            raise DataError(f"{self.path} cannot be read as encoded ratings: {error}") from None
        self.sizes = np.full(n_chunks, CHUNK_ROWS, dtype=np.int64)
        self.sizes[-1:] = last

    @classmethod
    def write(cls, parts: Iterable[Columns], folder: str | Path) -> RowFile:
        """Writes rows into ``folder``, where the file appears whole or not at all and replaces one that was there."""
        Path(folder).mkdir(parents=True, exist_ok=True)
        with atomic_file(Path(folder) / FILE_NAME) as stream:
            _write(parts, stream)
        return cls(folder)

    @classmethod
    def temporary(cls, parts: Iterable[Columns]) -> RowFile:
        """Writes rows into a temporary folder, which is removed with the object."""
        folder = tempfile.mkdtemp(prefix="recsys-nn-")
        try:
            with (Path(folder) / FILE_NAME).open("wb") as stream:
                _write(parts, stream)
            rows = cls(folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
        weakref.finalize(rows, shutil.rmtree, folder, ignore_errors=True)
        return rows

    def __len__(self) -> int:
        return int(self.sizes.sum())

    def __iter__(self) -> Iterator[Columns]:
        return self.chunks(np.arange(len(self.sizes)))

    def chunks(self, which: npt.NDArray[np.int64]) -> Iterator[Columns]:
        """The columns (user, item, rating) of these chunks, one chunk after the other."""
        with _opened(self.path) as reader:
            for chunk in which:
                users, items, ratings = (column.to_numpy() for column in reader.get_batch(int(chunk)).columns)
                yield users, items, ratings


def regrouped(parts: Iterable[Columns], size: int) -> Iterator[Columns]:
    """Yields the given rows in their order, ``size`` of them together in fresh arrays, in the last perhaps fewer."""
    group: Columns | None = None
    filled = 0
    for part in parts:
        taken = 0
        while taken < len(part[0]):
            group = group or empty_columns(size, part[2].dtype)
            n = min(size - filled, len(part[0]) - taken)
            for to, column in zip(group, part, strict=True):
                to[filled : filled + n] = column[taken : taken + n]
            filled, taken = filled + n, taken + n
            if filled == size:
                yield group
                group, filled = None, 0
    if group is not None:
        users, items, ratings = group
        yield users[:filled], items[:filled], ratings[:filled]


def empty_columns(n: int, rating: npt.DTypeLike = np.float32) -> Columns:
    """Uninitialised arrays of users, items and ratings for ``n`` rows."""
    return aligned_empty(n, np.int32), aligned_empty(n, np.int32), aligned_empty(n, rating)


def _write(parts: Iterable[Columns], stream: BinaryIO) -> None:
    with pa.ipc.new_file(stream, _SCHEMA) as writer, np.errstate(over="ignore"):
        for columns in regrouped(parts, CHUNK_ROWS):
            users, items, ratings = columns
            writer.write_batch(pa.record_batch([users, items, ratings.astype(np.float32)], schema=_SCHEMA))


def _opened(path: Path) -> pa.ipc.RecordBatchFileReader:
    return pa.ipc.open_file(pa.OSFile(str(path)))
