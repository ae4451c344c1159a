"""Raw ids <-> rows of an embedding table; row 0 stands for every unknown id."""

from __future__ import annotations

from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data import IdType, canonical_ids, id_type, integers_of_texts
from recsys_nn.errors import DataError, Where, plain_repr, row_number

_OTHER: dict[IdType, IdType] = {"integer": "string", "string": "integer"}


class Vocabulary:
    """The distinct ids of one side (users or items), in sorted order: the id at position k has row k + 1."""

    def __init__(self, name: str, ids: pd.Series) -> None:
        self.name = name
        self.ids = ids
        self.type: IdType = id_type(ids)
        self._index = pd.Index(ids.to_numpy(dtype=object) if self.type == "string" else ids.to_numpy())

    def __eq__(self, other: object) -> bool:
        """Tells whether two vocabularies have the same ids in the same rows."""
        return isinstance(other, Vocabulary) and (self.ids is other.ids or self.ids.equals(other.ids))

    __hash__ = object.__hash__

    @classmethod
    def fit(cls, name: str, values: pd.Series) -> Vocabulary:
        return cls(name, _distinct(values).sort_values(ignore_index=True))

    @property
    def n_rows(self) -> int:
        """Rows of a table for these ids, the unknown row 0 included."""
        return len(self.ids) + 1

    @property
    def unknown_id(self) -> int | str:
        """An id of the vocabulary's type that is not in it: the first such number, as a text where ids are texts."""
        numbers = count() if self.type == "integer" else map(str, count())
        return next(number for number in numbers if number not in self._index)

    def lookup(self, values: Any, where: Where = row_number) -> npt.NDArray[np.int32]:
        """The row of every id, 0 where it is unknown.

        Raises:
            DataError: where the ids are of another type (int or str) than in training.
        """
        asked = canonical_ids(values, self.name, where)
        if not len(asked):
            return np.zeros(0, dtype=np.int32)
        if id_type(asked) != self.type:
            raise self._of_another_type(asked, where)
        if self.type == "integer":
            return (self._index.get_indexer(asked.to_numpy()) + 1).astype(np.int32)
        # The index holds Python strings: it is asked for each distinct id once.
        codes, distinct = pd.factorize(asked)
        return (self._index.get_indexer(distinct)[codes] + 1).astype(np.int32)

    def _of_another_type(self, asked: pd.Series, where: Where) -> DataError:
        cast = integers_of_texts(asked) if self.type == "integer" else asked.astype("str")
        known = cast.isin(self.ids).to_numpy(dtype=bool, na_value=False)
        row = int(known.argmax())
        return DataError(
            f"{where(row)}: the {self.name} ids must be of type {self.type}, as in training, not "
            f"{_OTHER[self.type]} as {plain_repr(asked.iloc[row])} is: cast them ({int(known.sum())} of {len(asked)} "
            "would match then)"
        )


class DistinctIds:
    """The distinct ids among all that were added, held in memory that grows with them alone."""

    def __init__(self) -> None:
        self._parts: list[pd.Series] = []

    def add(self, ids: pd.Series) -> None:
        """Takes in canonical ids, of the type of those before."""
        self._parts.append(_distinct(ids))
        if sum(map(len, self._parts[1:])) > len(self._parts[0]):
            self._parts = [self.merged()]

    def merged(self) -> pd.Series:
        """The distinct ids, each once, in no particular order."""
        return _distinct(pd.concat(self._parts, ignore_index=True))


def _distinct(ids: pd.Series) -> pd.Series:
    if id_type(ids) == "string":
        return pd.Series(ids.unique(), dtype=ids.dtype)
    # Sorted runs are merged in linear time; a hash table of millions of integers takes many times as long.
    ordered = np.sort(ids.to_numpy(), kind="stable")
    return pd.Series(ordered[np.diff(ordered, prepend=ordered[:1] - 1) != 0])
