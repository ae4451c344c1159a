"""Finding users and items by a part of their id or name."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data.encoding import Encoder
from recsys_nn.data.features import Side


class Directory:
    """The users, or the items, that were rated in training.

    Args:
        encoder: that has them.
        side: which of the two.
    """

    def __init__(self, encoder: Encoder, side: Side) -> None:
        counts = encoder.counts[side][1:]
        rated = np.flatnonzero(counts)
        order = rated[np.argsort(-counts[rated], kind="stable")]
        ids = encoder.vocabularies[side].ids.iloc[order]
        names = encoder.item_names.iloc[order] if side == "item" and encoder.item_names is not None else ids
        self.ids: list[Any] = ids.tolist()
        self.names = names.astype("str").tolist()
        self._counts: npt.NDArray[np.int32] = counts[order]
        self._texts = [
            pd.Series(texts.astype("str").str.casefold().to_numpy(), dtype="str")
            for texts in ([ids] if names is ids else [names, ids])
        ]

    def find(self, text: str, n: int) -> list[dict[str, Any]]:
        """At most n that have this text in their name or id: those that are it, that begin with it, and then by how
        often they were rated."""
        sought = text.strip().casefold()
        rank = np.full(len(self.ids), 3)
        for texts in self._texts:
            for place, match in enumerate((texts == sought, texts.str.startswith(sought), texts.str.contains(sought, regex=False))):
                rank[match.to_numpy(bool)] = np.minimum(rank[match.to_numpy(bool)], place)
        best = np.argsort(rank, kind="stable")[:n]
        return [
            {"id": self.ids[place], "name": self.names[place], "ratings": int(self._counts[place])}
            for place in best
            if rank[place] < 3
        ]
