"""Ratings in Parquet files that are larger than memory, read part by part."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd
import pyarrow as pa

from recsys_nn.data.columns import chosen_columns
from recsys_nn.data.ids import Places, Where
from recsys_nn.data.moments import Moments
from recsys_nn.data.parquet import PARQUET_SUFFIXES, opened_parquet, parquet_files, parquet_parts
from recsys_nn.data.ratings import Ratings, finite_ratings, scale_bounds
from recsys_nn.errors import DataError

CHUNK_ROWS = 2**20


class RatingsStream:
    """The ratings in Parquet files, in the order of files and rows; made by :func:`stream_ratings`.

    ``len(stream)`` comes from the files' metadata. Iterating gives :class:`Ratings` of up to a million rows each,
    checked as any others are, except that a pair which is repeated stays so: to find it, all pairs would have to be
    held. Any number of iterations may be made; each reads the files anew.
    """

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

    def chunks(self) -> Iterator[tuple[Ratings, Where]]:
        """The ratings part by part, each with what names the file and row of any of its rows."""
        for frame, where in self._frames("user", "item", "rating"):
            yield Ratings.part(frame, scale=self.scale, where=where), where

    def __iter__(self) -> Iterator[Ratings]:
        return (chunk for chunk, _ in self.chunks())

    def __len__(self) -> int:
        return sum(file.n_rows for file in self._files)

    def __repr__(self) -> str:
        return f"RatingsStream({len(self):,} ratings in {len(self._files)} Parquet files)"

    def _frames(self, *roles: str) -> Iterator[tuple[pd.DataFrame, Where]]:
        for file in self._files:
            yield from file.frames(roles)


@dataclass(frozen=True)
class ParquetRatings:
    """One of the files: which of its columns are the user, the item and the rating, and what the ids are."""

    path: Path
    columns: Mapping[str, str]
    id_types: Mapping[str, str]
    n_rows: int

    @classmethod
    def of(cls, path: Path, asked: Mapping[str, str | int | None]) -> ParquetRatings:
        with opened_parquet(path) as file:
            schema, n_rows = file.schema_arrow, file.metadata.num_rows
        positions = chosen_columns(schema.names, asked, required=tuple(asked), table=str(path))
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
    """Ratings in Parquet that need not fit into memory: for ``Encoder.fit`` and ``Encoder.encode_stream``.

    Only the three columns are read. Repeated pairs are not looked for: each row is an example.

    Args:
        source: a Parquet file or a folder, whose Parquet files, those in its subfolders included, are read in the order
            of their paths. What begins with a dot or an underscore is left out.
        user: the column of user ids: its name, or its position. Usual names (user, userId, user_id, ...) are
            recognised.
        item: the same for items.
        rating: the same for ratings.
        scale: (lowest, highest) possible rating; by default as observed.

    Raises:
        DataError: where there is no Parquet, no rating or no such column, or ids are integers in one file and strings
            in another. What is wrong with a row is found when it is read; the error names its file and place.
    """
    if not isinstance(source, str | os.PathLike):
        raise DataError(f"ratings are streamed from a path of Parquet files, not from a {type(source).__name__}")
    bounds = None if scale is None else scale_bounds(scale)
    asked = {"user": user, "item": item, "rating": rating}
    files = [ParquetRatings.of(path, asked) for path in _parquet_files(Path(source).expanduser())]
    filled = [file for file in files if file.n_rows]
    if not filled:
        raise DataError(f"{source} holds no ratings")
    for file in filled[1:]:
        for side, kind in file.id_types.items():
            if kind != filled[0].id_types[side]:
                raise DataError(
                    f"{file.path}: the {side} ids ({file.columns[side]!r}) are of type {kind}, in {filled[0].path} of "
                    f"type {filled[0].id_types[side]}; write them as one type in all files"
                )
    return RatingsStream(filled, scale=bounds)


def _parquet_files(source: Path) -> list[Path]:
    if not source.exists():
        raise DataError(f"{source} does not exist")
    if source.is_file():
        if source.suffix.lower() not in PARQUET_SUFFIXES:
            raise DataError(
                f"{source} is not a Parquet file ({', '.join(PARQUET_SUFFIXES)}), which alone is streamed: convert it "
                "to Parquet, or read it whole with load_ratings"
            )
        return [source]
    return parquet_files(source)


def _id_type(column: pa.DataType) -> str:
    values = column.value_type if pa.types.is_dictionary(column) else column
    if pa.types.is_integer(values):
        return "integer"
    return "string" if pa.types.is_string(values) or pa.types.is_large_string(values) else str(values)
