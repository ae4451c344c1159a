"""The training ratings by user, which a recommendation leaves out and can be explained by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.encoding.encoder import Encoder
from recsys_nn.errors import ArtifactError
from recsys_nn.files import are_integers, plain_table, read_plain_table

if TYPE_CHECKING:
    from collections.abc import Iterable

Rows = npt.NDArray[np.int32]


@dataclass(frozen=True, eq=False)
class SeenRatings:
    """Ratings in the order of the encoder's rows of their users, then of their items, 8 bytes each.

    Attributes:
        starts: positions at which the ratings of each row of users start, and the last ends, int64 (users + 2,).
        items: encoder row of each rating's item.
        ratings: the ratings themselves, float32.
    """

    starts: npt.NDArray[np.int64]
    items: Rows
    ratings: npt.NDArray[np.float32]

    @classmethod
    def of(cls, encoder: Encoder, ratings: Iterable[pd.DataFrame]) -> SeenRatings:
        """Collects the ratings of one or more tables (user, item, rating) whose user and item have a row."""
        parts = [
            (encoder.users.lookup(frame["user"]), encoder.items.lookup(frame["item"]), frame["rating"].to_numpy("f4"))
            for frame in ratings
        ]
        users, items, values = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        known = (users > 0) & (items > 0)
        return cls._sorted(encoder.users.n_rows, users[known], items[known], values[known])

    @classmethod
    def _sorted(cls, n_rows: int, users: Rows, items: Rows, ratings: npt.NDArray[np.float32]) -> SeenRatings:
        order = np.lexsort((items, users))
        starts = np.concatenate([[0], np.cumsum(np.bincount(users, minlength=n_rows))])
        return cls(starts, items[order], ratings[order])

    @property
    def users(self) -> Rows:
        """The row of each rating's user."""
        return np.repeat(np.arange(len(self.starts) - 1, dtype=np.int32), np.diff(self.starts))

    def of_users(self, users: Rows) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """The ratings of these rows of users: for each the position of its user among ``users``, and its own place.

        Users in rows behind those that training had have none.
        """
        known = users < len(self.starts) - 1
        first = self.starts[np.where(known, users, 0)]
        counts = np.where(known, self.starts[np.where(known, users, 0) + 1] - first, 0)
        position = np.repeat(np.arange(len(users)), counts)
        within = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        return position, first[position] + within

    def joined(self, other: SeenRatings) -> SeenRatings:
        """These ratings together with others, which take the place of those of the same pairs."""
        n_rows = max(len(self.starts), len(other.starts)) - 1
        users, items, ratings = (
            np.concatenate(both)
            for both in ((self.users, other.users), (self.items, other.items), (self.ratings, other.ratings))
        )
        pairs = pd.DataFrame({"user": users, "item": items})
        last = ~pairs.duplicated(keep="last").to_numpy()
        return self._sorted(n_rows, users[last], items[last], ratings[last])

    def to_frame(self, encoder: Encoder) -> pd.DataFrame:
        """The columns user, item and rating, with the ids of an encoder."""
        ids = {"user": encoder.users.ids.iloc[self.users - 1], "item": encoder.items.ids.iloc[self.items - 1]}
        return pd.DataFrame({side: values.array for side, values in ids.items()} | {"rating": self.ratings})

    def to_parquet(self) -> bytes:
        """Bytes of a Parquet file with user and item, as rows of the encoder, and rating."""
        table = pd.DataFrame({"user": self.users, "item": self.items, "rating": self.ratings})
        return plain_table(table, "zstd")

    @classmethod
    def from_parquet(cls, content: bytes, encoder: Encoder, name: str) -> SeenRatings:
        """Reads the ratings that :meth:`to_parquet` wrote.

        Args:
            content: bytes of the Parquet file.
            encoder: encoder whose rows they are.
            name: name of the file, for error messages.

        Raises:
            ArtifactError: where it holds no ratings by rows of this encoder.
        """
        table = read_plain_table(content, name, columns=["user", "item", "rating"])
        for side, of in encoder.vocabularies.items():
            if not are_integers(table[side], 0, of.n_rows - 1):
                raise ArtifactError(f"{name} is damaged: it names {side}s that the encoder does not have")
        ratings = table["rating"]
        if ratings.dtype != np.float32 or not np.isfinite(ratings).all():
            raise ArtifactError(f"{name} is damaged: its ratings must be finite")
        users, items = (table[side].to_numpy(np.int32) for side in ("user", "item"))
        return cls._sorted(encoder.users.n_rows, users, items, ratings.to_numpy())
