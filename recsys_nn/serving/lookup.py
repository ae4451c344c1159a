"""Look-up of users and items: of raw ids' rows by dicts, of ids by a part of their name.

pandas would take a millisecond on the single pair of many a request.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count, repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.encoding import Encoder, Side, Vocabulary
from recsys_nn.errors import DataError


class Lookup:
    """Look-up like ``Vocabulary.lookup``, for lists of Python integers or strings, by a dict.

    Ids that it has are of the right type; only those that it has not are shown to the vocabulary, which tells unknown
    ids from what is none.
    """

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._rows = dict(zip(vocabulary.ids.tolist(), count(1)))

    def rows(self, ids: Sequence[int | str]) -> npt.NDArray[np.int32]:
        """The row of each id, int32 (n,), 0 where it is unknown.

        Raises:
            DataError: for ids of another type than in training.
        """
        rows = np.fromiter(map(self._rows.get, ids, repeat(0)), dtype=np.int32, count=len(ids))
        if not rows.all():
            places = np.flatnonzero(rows == 0)
            self._vocabulary.lookup(
                [ids[place] for place in places.tolist()], where=lambda row: f"{self._vocabulary.name}s[{places[row]}]"
            )
        return rows


class PairLookup:
    """Encoding like ``Encoder.encode_pairs``, for lists: by :class:`Lookup` where the model reads the two ids alone."""

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        plain = type(encoder) is Encoder and not encoder.context_columns
        self._sides = {side: Lookup(ids) for side, ids in encoder.vocabularies.items()} if plain else {}

    def inputs(
        self, users: Sequence[Any], items: Sequence[Any], context: dict[str, list[Any]] | None
    ) -> dict[str, npt.NDArray[Any]]:
        """The model's inputs for n pairs.

        Raises:
            DataError: for ids of another type than in training, columns that do not fit, or that the model does not
                read.
        """
        known = self._encoder.context_columns
        for name, values in (context or {}).items():
            if name not in known:
                raise DataError(
                    f"context: there is no column {name!r} that the model reads (known: {', '.join(known) or 'none'})"
                )
            if len(values) != len(users):
                raise DataError(
                    f"context: {name!r} must have a value for each of {len(users)} pairs, not {len(values)} values"
                )
        if len(users) != len(items):
            raise DataError(f"users and items must have the same length, not {len(users)} and {len(items)}")
        if self._sides:
            return {"user": self._sides["user"].rows(users), "item": self._sides["item"].rows(items)}
        return self._encoder.encode_pairs(users, items, context=pd.DataFrame(context, index=range(len(users))))


def records_of(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows of a table as dicts of Python's own values."""
    columns = {name: table[name].tolist() for name in table.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


class Directory:
    """The users, or the items, that were rated in training, for searches.

    Args:
        encoder: the encoder that has them.
        side: which of the two, ``"user"`` or ``"item"``.
    """

    def __init__(self, encoder: Encoder, side: Side) -> None:
        counts = encoder.counts[side][1:]
        rated = np.flatnonzero(counts)
        order = rated[np.argsort(-counts[rated], kind="stable")]
        ids = encoder.vocabularies[side].ids.iloc[order].reset_index(drop=True)
        texts = {"id": ids.astype("str")}
        if side == "item" and encoder.item_names is not None:
            texts["name"] = encoder.item_names.iloc[order].reset_index(drop=True)
        self._found = pd.DataFrame({"id": ids, "name": texts.get("name", texts["id"]), "ratings": counts[order]})
        self._texts = [column.str.casefold() for column in texts.values()]

    def find(self, text: str, n: int) -> list[dict[str, Any]]:
        """Finds at most n that have this text in their name or id, the best matches first.

        First those that it is, then those that begin with it, and then the others, each by how often they were rated.
        """
        sought = text.strip().casefold()
        points = np.zeros(len(self._found), dtype=np.int8)
        for texts in self._texts:
            kinds = texts.str.contains(sought, regex=False), texts.str.startswith(sought), texts == sought
            np.maximum(points, sum(kind.to_numpy(np.int8) for kind in kinds), out=points)
        best = np.argsort(-points, kind="stable")[:n]
        return records_of(self._found.iloc[best[points[best] > 0]])
