"""Ratings in Parquet files that are larger than memory, read part by part."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import chain
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from recsys_nn.data.ratings import Ratings, finite_ratings, scale_bounds
from recsys_nn.data.readers import chosen_columns
from recsys_nn.data.summaries import Moments
from recsys_nn.errors import DataError, Places, Where, must_be
from recsys_nn.files import PARQUET_SUFFIXES, opened_parquet, parquet_files, parquet_parts
from recsys_nn.tensors import drawn_in_chunks, held_out_of

Chunk = tuple[Ratings, Where]
Rows = npt.NDArray[np.int64]

CHUNK_ROWS = 2**20
ROLES = ("user", "item", "rating")


class RatingsStream:
    """The ratings in Parquet files, in the order of files and rows; made by :func:`stream_ratings`.

    ``len(stream)`` comes from the files' metadata. Iterating gives :class:`Ratings` of up to a million rows each,
    checked as any others are, except that a pair which is repeated stays so: to find it, all pairs would have to be
    held. Any number of iterations may be made; each reads the files anew. Times and features are not read.

    Example:
        >>> ratings.frame.to_parquet("ratings.parquet")
        >>> stream = rn.stream_ratings("ratings.parquet")
        >>> [len(part) for part in stream]
        [300]
        >>> train, held_out = stream.split(0.1, seed=0)
        >>> len(train), len(held_out)
        (270, 30)
    """

    user_features = item_features = None
    n_merged = 0

    def __init__(self, files: list[ParquetRatings], *, scale: tuple[float, float] | None = None) -> None:
        self._files = files
        self._given_scale = scale

    @cached_property
    def scale(self) -> tuple[float, float]:
        """(lowest, highest) possible rating, as given; or else as observed, for which the ratings are read once."""
        if self._given_scale is not None:
            return self._given_scale
        observed = Moments()
        for frame, where in self._frames("rating"):
            observed.add(finite_ratings(frame["rating"], where).to_numpy())
        return observed.lowest, observed.highest

    def chunks(self) -> Iterator[Chunk]:
        """The ratings part by part, each with what names the file and row of any of its rows."""
        for frame, where in self._frames(*ROLES):
            yield Ratings.part(frame, scale=self.scale, where=where), where

    def liked(self, threshold: float) -> RatingsStream:
        """Stream of 1 where a rating is at least ``threshold``, else 0, as of :meth:`Ratings.liked`."""
        return _Derived(self, partial(_liked, threshold), len(self), scale=(0.0, 1.0))

    def joined(self, other: Ratings) -> RatingsStream:
        """These ratings and then those of a table, on the same scale."""
        table = Ratings.part(other.frame[list(ROLES)], scale=self.scale)
        return _Derived(self, partial(_before, table), len(self) + len(table), scale=self.scale)

    def split(self, fraction: float, *, seed: int) -> tuple[RatingsStream, Ratings]:
        """A random ``fraction`` of the ratings held out: (the rest, the held-out part), both in the given order.

        The held-out part is in memory. The ratings are drawn in the same proportion from every million of them. The
        rest reads the same files and leaves them out.
        """
        held_out = _drawn(len(self), held_out_of(len(self), fraction), np.random.default_rng(seed))
        frames = [chunk.take(own).frame for chunk, _, own in _with_rows(held_out, self.chunks())]
        part = Ratings.part(pd.concat(frames, ignore_index=True), scale=self.scale)
        return _Derived(self, partial(_without, held_out), len(self) - len(part), scale=self.scale), part

    def __iter__(self) -> Iterator[Ratings]:
        return (chunk for chunk, _ in self.chunks())

    def __len__(self) -> int:
        return sum(file.n_rows for file in self._files)

    def __repr__(self) -> str:
        return f"RatingsStream({len(self):,} ratings in {len(self._files)} Parquet files)"

    def _frames(self, *roles: str) -> Iterator[tuple[pd.DataFrame, Where]]:
        for file in self._files:
            yield from file.frames(roles)


class _Derived(RatingsStream):
    """A stream whose chunks are made of those of another."""

    def __init__(
        self,
        stream: RatingsStream,
        change: Callable[[Iterator[Chunk]], Iterator[Chunk]],
        n: int,
        *,
        scale: tuple[float, float],
    ) -> None:
        super().__init__(stream._files, scale=scale)
        self._stream, self._change, self._n = stream, change, n

    def chunks(self) -> Iterator[Chunk]:
        return self._change(self._stream.chunks())

    def __len__(self) -> int:
        return self._n


def _liked(threshold: float, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    return ((chunk.liked(threshold), where) for chunk, where in chunks)


def _before(table: Ratings, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    return chain(chunks, table.chunks())


def _without(held_out: Rows, chunks: Iterator[Chunk]) -> Iterator[Chunk]:
    for chunk, where, own in _with_rows(held_out, chunks):
        rest = np.delete(np.arange(len(chunk)), own)
        yield chunk.take(rest), partial(_of_whole, where, rest)


def _of_whole(where: Where, rest: Rows, row: int) -> str:
    return where(int(rest[row]))


def _with_rows(of_all: Rows, chunks: Iterator[Chunk]) -> Iterator[tuple[Ratings, Where, Rows]]:
    """Each chunk with those of its rows that are among these, which are ascending and counted over all chunks."""
    first = 0
    for chunk, where in chunks:
        begin, end = np.searchsorted(of_all, [first, first + len(chunk)])
        yield chunk, where, of_all[begin:end] - first
        first += len(chunk)


def _drawn(n: int, size: int, rng: np.random.Generator) -> Rows:
    """Draws ``size`` of the rows 0 to n - 1, ascending."""
    starts = np.arange(0, n, CHUNK_ROWS)
    sizes = np.minimum(CHUNK_ROWS, n - starts)
    return np.concatenate([start + rows for start, rows in zip(starts, drawn_in_chunks(sizes, size, rng), strict=True)])


@dataclass(frozen=True)
class ParquetRatings:
    """A Parquet file of ratings: its columns for user, item and rating, and the types of its ids."""

    path: Path
    columns: Mapping[str, str]
    id_types: Mapping[str, str]
    n_rows: int

    @classmethod
    def of(cls, path: Path, given: Mapping[str, str | int | None]) -> ParquetRatings:
        with opened_parquet(path) as file:
            schema, n_rows = file.schema_arrow, file.metadata.num_rows
        positions = chosen_columns(schema.names, given, required=tuple(given), table=str(path))
        columns = {role: schema.names[position] for role, position in positions.items()}
        id_types = {side: _id_type(schema.types[positions[side]]) for side in ("user", "item")}
        return cls(path, columns, id_types, n_rows)

    def frames(self, roles: tuple[str, ...]) -> Iterator[tuple[pd.DataFrame, Where]]:
        """The columns of these roles part by part, with the places of their rows."""
        for part, where in parquet_parts(self.path, CHUNK_ROWS, [self.columns[role] for role in roles]):
            frame = pd.DataFrame({role: part.column(self.columns[role]).to_pandas() for role in roles})
            yield frame, Places(where, self.columns)


def stream_ratings(
    source: str | os.PathLike[str],
    *,
    user: str | int | None = None,
    item: str | int | None = None,
    rating: str | int | None = None,
    scale: tuple[float, float] | None = None,
) -> RatingsStream:
    """Opens ratings in Parquet that need not fit into memory: for ``Encoder.fit`` and ``Encoder.encode_stream``.

    Only the three columns are read. Repeated pairs are not looked for: each row is an example.

    Args:
        source: a Parquet file or a folder, whose Parquet files, those in its subfolders included, are read in the order
            of their paths. What begins with a dot or an underscore is left out.
        user: the column of user ids: its name, or its position. Usual names (user, userId, user_id, ...) are
            recognised.
        item: the column of item ids, given in the same way.
        rating: the column of ratings, given in the same way.
        scale: (lowest, highest) possible rating; by default as observed.

    Raises:
        DataError: where there is no Parquet, no rating or no such column, or ids are integers in one file and strings
            in another. What is wrong with a row is found when it is read; the error names its file and place.

    Example:
        >>> from pathlib import Path
        >>> Path("parts").mkdir()
        >>> ratings.take(range(200)).frame.to_parquet("parts/2023.parquet")
        >>> ratings.take(range(200, 300)).frame.to_parquet("parts/2024.parquet")
        >>> rn.stream_ratings("parts", scale=(1, 5))
        RatingsStream(300 ratings in 2 Parquet files)
    """
    if not isinstance(source, str | os.PathLike):
        raise DataError(must_be("the source of a stream", "a path of Parquet files", source))
    bounds = None if scale is None else scale_bounds(scale)
    given = {"user": user, "item": item, "rating": rating}
    files = [ParquetRatings.of(path, given) for path in _parquet_files(Path(source).expanduser())]
    filled = [file for file in files if file.n_rows]
    if not filled:
        raise DataError(f"{source} holds no ratings")
    for file in filled[1:]:
        for side, kind in file.id_types.items():
            if kind != filled[0].id_types[side]:
                raise DataError(
                    f"{file.path}: the {side} ids ({file.columns[side]!r}) are of type {kind}, but in "
                    f"{filled[0].path} of type {filled[0].id_types[side]}: write them as one type in all files"
                )
    return RatingsStream(filled, scale=bounds)


def _parquet_files(source: Path) -> list[Path]:
    if not source.exists():
        raise DataError(f"{source} does not exist")
    if source.is_file():
        if source.suffix.lower() not in PARQUET_SUFFIXES:
            raise DataError(
                f"{source} must be a Parquet file ({', '.join(PARQUET_SUFFIXES)}) to be streamed: convert it, or read "
                "it whole with load_ratings"
            )
        return [source]
    return parquet_files(source)


def _id_type(column: pa.DataType) -> str:
    values = column.value_type if pa.types.is_dictionary(column) else column
    if pa.types.is_integer(values):
        return "integer"
    return "string" if pa.types.is_string(values) or pa.types.is_large_string(values) else str(values)
