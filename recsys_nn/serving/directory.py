"""Search for users and items by a part of their id or name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recsys_nn.encoding import Encoder, Side
from recsys_nn.serving.records import records_of


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
