"""Raw ids <-> rows of an embedding table; row 0 stands for every unknown id."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data.ids import IdType, Where, canonical_ids, id_type, integers_of_texts, plain_repr, row_number
from recsys_nn.errors import DataError

_OTHER: dict[IdType, IdType] = {"integer": "string", "string": "integer"}


class Vocabulary:
    """The distinct ids of one side (users or items), in sorted order: the id at position k has row k + 1."""

    def __init__(self, name: str, ids: pd.Series) -> None:
        self.name = name
        self.ids = ids
        self.type: IdType = id_type(ids)
        self._index = pd.Index(ids.to_numpy(dtype=object) if self.type == "string" else ids.to_numpy())

    @classmethod
    def fit(cls, name: str, values: pd.Series) -> Vocabulary:
        return cls(name, pd.Series(values.unique(), dtype=values.dtype).sort_values().reset_index(drop=True))

    @property
    def n_rows(self) -> int:
        """Rows of a table for these ids, the unknown row 0 included."""
        return len(self.ids) + 1

    def lookup(self, values: Any, where: Where = row_number) -> npt.NDArray[np.int32]:
        """The row of every id, 0 where it is unknown.

        Raises:
            DataError: where an id would be known only after a cast from int to str or back.
        """
        asked = canonical_ids(values, self.name, where)
        if not len(asked):
            return np.zeros(0, dtype=np.int32)
        if id_type(asked) != self.type:
            self._refuse_cast(asked, where)
            return np.zeros(len(asked), dtype=np.int32)
        return (self._index.get_indexer(pd.Index(asked)) + 1).astype(np.int32)

    def _refuse_cast(self, asked: pd.Series, where: Where) -> None:
        cast = integers_of_texts(asked) if self.type == "integer" else asked.astype("str")
        known = cast.isin(self.ids).to_numpy(dtype=bool, na_value=False)
        if known.any():
            row = int(known.argmax())
            raise DataError(
                f"{where(row)}: {self.name} {plain_repr(asked.iloc[row])} is unknown, {plain_repr(cast.iloc[row])} "
                f"is known: the {self.name} ids were of type {self.type} in training and are of type "
                f"{_OTHER[self.type]} here ({int(known.sum())} of {len(asked)} would match after a cast)"
            )
