"""Encoded ratings that need not fit into memory, as the Trainer takes them."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from recsys_nn.errors import DataError
from recsys_nn.tensors.row_file import Columns, RowFile, empty_columns, regrouped
from recsys_nn.tensors.tensors import Block, Examples, Tensors, drawn_in_chunks, held_out_of, shuffled_order

BLOCK_ROWS = 2**22


class StreamedTensors:
    """Encoded ratings that lie on disk, of which a block or two at a time are in memory.

    ``Encoder.encode_stream`` makes them; the Trainer takes them as it takes :class:`Tensors` with the inputs
    ``user`` and ``item``.

    Args:
        source: the folder that ``Encoder.encode_stream(..., cache=folder)`` wrote, or its file opened already.
        block_rows: number of examples in memory together, 16 bytes each. The more they are, the nearer comes the
            order of an epoch to one that is drawn among all examples.

    Raises:
        DataError: where the folder holds no encoded ratings.

    Example:
        >>> ratings.frame.to_parquet("ratings.parquet")
        >>> stream = rn.stream_ratings("ratings.parquet")
        >>> rn.Encoder.fit(stream).encode_stream(stream, cache="encoded")
        StreamedTensors(300 rows, inputs user, item)
        >>> rn.StreamedTensors("encoded").take([0, 7])
        Tensors(2 rows, inputs user, item)
    """

    def __init__(self, source: str | Path | RowFile, *, block_rows: int = BLOCK_ROWS) -> None:
        if block_rows < 1:
            raise DataError(f"block_rows must be a positive integer such as 10000, not {block_rows}")
        self._rows = source if isinstance(source, RowFile) else RowFile(source)
        self._block_rows = block_rows
        self._sizes = self._rows.sizes
        # A bit a row of the file, chunk by chunk: whether this part has it. None: it has all.
        self._kept: list[npt.NDArray[np.uint8]] | None = None

    def __len__(self) -> int:
        return int(self._sizes.sum())

    def __repr__(self) -> str:
        return f"StreamedTensors({len(self):,} rows, inputs user, item)"

    def take(self, rows: npt.NDArray[np.int64]) -> Tensors:
        """The rows at these positions, in memory; each chunk of the file that holds some of them is read once."""
        n = len(self)
        positions = np.asarray(rows, dtype=np.int64)
        if ((positions < -n) | (positions >= n)).any():
            raise IndexError(f"a position among {positions} is beyond the {n} rows")
        positions = positions % n
        ends = np.cumsum(self._sizes)
        chunk_of = np.searchsorted(ends, positions, side="right")
        needed = np.unique(chunk_of)
        found = empty_columns(len(positions))
        for chunk, columns in zip(needed, self._chunks(needed), strict=True):
            here = np.flatnonzero(chunk_of == chunk)
            within = positions[here] - (ends[chunk] - self._sizes[chunk])
            for to, column in zip(found, columns, strict=True):
                to[here] = column[within]
        return _tensors(found)

    def blocks(
        self,
        *,
        batch_size: int,
        seed: int = 0,
        epoch: int = 0,
        shuffle: bool = False,
        worker: tuple[int, int] | None = None,
    ) -> Iterator[Block]:
        """The blocks of an epoch, one after the other; each example is in exactly one of them.

        With ``shuffle``, an epoch visits the chunks of the file (65,536 neighbouring rows each) in a random order,
        which brings together in a block rows from all over the table, and the examples of a block in a random order.
        Without, it follows the table.

        Args:
            batch_size: examples that a step takes; all blocks but the last hold a multiple of it.
            seed: number that, with ``epoch``, decides the order.
            epoch: number of the epoch, from 0.
            shuffle: whether the order is a new one in every epoch, or that of the table.
            worker: (r, n), for those of N rows alone that are worker r's of n in this epoch: in the order of its chunks
                those from r ⌊N / n⌋ up to (r + 1) ⌊N / n⌋, so that all have as many. No more is read than the chunks
                in which they are.
        """
        rng = np.random.default_rng([seed, epoch])
        chunks = rng.permutation(len(self._sizes)) if shuffle else np.arange(len(self._sizes))
        rank, n = worker or (0, 1)
        rows = len(self) // n
        size = min(max(self._block_rows // batch_size, 1) * batch_size, rows)
        for columns in regrouped(self._between(chunks, rank * rows, (rank + 1) * rows), size):
            yield Block(_tensors(columns), shuffled_order(len(columns[0]), rng if shuffle else None))
            del columns  # or they would stand beside the next block while it is read

    def of_worker(self, rank: int, n: int) -> Examples:
        """The examples that one of ``n`` workers trains on, others in each epoch (``worker`` of :meth:`blocks`).

        The N mod n rows at the end of an epoch are nobody's.
        """
        if len(self) < n:
            raise DataError(f"{len(self):,} rows are too few for {n} workers: use fewer workers")
        return _WorkersRows(self, rank, n)

    def split(self, fraction: float, *, seed: int) -> tuple[StreamedTensors, Tensors]:
        """A random ``fraction`` of the rows held out: (the rest, the held-out part), both in the given order.

        The held-out part is in memory. Their number is that of :meth:`Tensors.split`; they are drawn in the same
        proportion from every chunk of the file. The rest reads the same file and leaves them out.
        """
        n_held_out = held_out_of(len(self), fraction)
        held_out, filled = empty_columns(n_held_out), 0
        quotas = np.zeros_like(self._sizes)
        kept = []
        chunks = np.arange(len(self._sizes))
        drawn_of_each = drawn_in_chunks(self._sizes, n_held_out, np.random.default_rng(seed))
        for chunk, columns, drawn in zip(chunks, self._chunks(chunks), drawn_of_each, strict=True):
            for to, column in zip(held_out, columns, strict=True):
                to[filled : filled + len(drawn)] = column[drawn]
            filled, quotas[chunk] = filled + len(drawn), len(drawn)
            mask = self._mask(chunk)
            mask[np.flatnonzero(mask)[drawn]] = False
            kept.append(np.packbits(mask))
        rest = copy.copy(self)
        rest._kept, rest._sizes = kept, self._sizes - quotas
        return rest, _tensors(held_out)

    def _chunks(self, which: npt.NDArray[np.int64]) -> Iterator[Columns]:
        for chunk, columns in zip(which, self._rows.chunks(which), strict=True):
            if self._kept is None:
                yield columns
            else:
                users, items, ratings = columns
                rows = np.flatnonzero(self._mask(chunk))
                yield users[rows], items[rows], ratings[rows]

    def _between(self, chunks: npt.NDArray[np.int64], first: int, last: int) -> Iterator[Columns]:
        """The rows from ``first`` up to ``last`` of these chunks, one behind the other."""
        ends = np.cumsum(self._sizes[chunks])
        starts = ends - self._sizes[chunks]
        needed = (ends > first) & (starts < last)
        for start, columns in zip(starts[needed], self._chunks(chunks[needed]), strict=True):
            users, items, ratings = columns
            own = slice(max(first - start, 0), last - start)
            yield users[own], items[own], ratings[own]

    def _mask(self, chunk: np.int64) -> npt.NDArray[np.bool_]:
        n = int(self._rows.sizes[chunk])
        if self._kept is None:
            return np.ones(n, dtype=np.bool_)
        return np.unpackbits(self._kept[chunk], count=n).astype(np.bool_)


@dataclass(frozen=True)
class _WorkersRows:
    streamed: StreamedTensors
    rank: int
    n: int

    def __len__(self) -> int:
        return len(self.streamed) // self.n

    def take(self, rows: npt.NDArray[np.int64]) -> Tensors:
        return self.streamed.take(rows)

    def blocks(self, *, batch_size: int, seed: int = 0, epoch: int = 0, shuffle: bool = False) -> Iterator[Block]:
        return self.streamed.blocks(
            batch_size=batch_size, seed=seed, epoch=epoch, shuffle=shuffle, worker=(self.rank, self.n)
        )


def _tensors(columns: Columns) -> Tensors:
    users, items, ratings = columns
    return Tensors.unchecked({"user": users, "item": items}, ratings)
