"""Reasons for recommending an item: what the user liked that is most like it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys_nn.prediction import Predictor, side_vectors
from recsys_nn.serving.lookup import Lookup, records_of


class Reasons:
    """Finds reasons by the cosine of the items' vectors; none, where the model has no vectors.

    Args:
        predictor: the predictor whose model has the vectors.
        items: the rows of its items.
    """

    def __init__(self, predictor: Predictor, items: Lookup) -> None:
        self._items = items
        found = side_vectors(predictor, "item")
        vectors = np.zeros((predictor.encoder.items.n_rows, 0), np.float32) if found is None else found.vectors
        lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
        self._directions = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)

    def of(self, predictor: Predictor, user: Any, items: Sequence[Any], n: int) -> list[list[dict[str, Any]]]:
        """Finds for each item at most n of those that the user rated well, the most similar first.

        A user rates well at or above the median of their ratings and the middle of the scale. No reason is dissimilar,
        and there are none where ratings are not kept.

        Args:
            predictor: predictor that knows what the user has rated, perhaps because the user was folded in.
            user: raw id of the user.
            items: ids of items that the run was trained on.
            n: most reasons for an item.
        """
        if not n or predictor.seen is None:
            return [[] for _ in items]
        seen = predictor.seen_by(user)
        liked = seen[seen["rating"] >= max(seen["rating"].median(), np.mean(predictor.encoder.scale))]
        liked = liked if "name" in liked else liked.assign(name=liked["item"].astype("str"))
        cosines = self._of(items) @ self._of(liked["item"].tolist()).T
        records = records_of(liked)
        return [
            [
                {**records[place], "similarity": float(row[place])}
                for place in np.argsort(-row, kind="stable")[:n]
                if row[place] > 0
            ]
            for row in cosines
        ]

    def _of(self, items: Sequence[Any]) -> npt.NDArray[np.float32]:
        return self._directions[self._items.rows(items)]
