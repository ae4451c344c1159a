"""Users and items by their neighbours: the nearest vectors, and what was rated."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd

from recsys_nn.encoding import Side
from recsys_nn.errors import DataError, plain_repr
from recsys_nn.prediction.core import PredictorCore
from recsys_nn.prediction.lists.side_vectors import side_vectors


def similar(predictor: PredictorCore, side: Side, owner: Any, n: int) -> pd.DataFrame:
    """Lists the nearest items or users, as :meth:`Predictor.similar_items` documents."""
    check_number(n)
    vocabulary = predictor.encoder.vocabularies[side]
    found = side_vectors(predictor, side)
    if found is None or not found.vectors.shape[1]:
        raise DataError(f"this model has no vectors of {side}s to compare: use a model with factors, such as svd")
    (row,) = vocabulary.lookup([owner])
    lengths = np.linalg.norm(found.vectors, axis=1)
    if not row or not lengths[row]:
        raise DataError(f"the {side} {plain_repr(owner)} has no vector, as it is unknown in training")
    others = np.flatnonzero(lengths)
    others = others[(others != row) & (others > 0)]
    cosines = (found.vectors[others] @ found.vectors[row]) / (lengths[others] * lengths[row])
    order = np.argsort(-cosines, kind="stable")[:n]
    return _listed(predictor, side, others[order]).assign(similarity=np.clip(cosines[order], -1, 1))


def seen_by(predictor: PredictorCore, user: Any) -> pd.DataFrame:
    """Lists what a user has rated, as :meth:`Predictor.seen_by` documents."""
    if predictor.seen is None:
        raise DataError("this predictor does not keep its ratings: pass them to predictor.with_seen(ratings)")
    _, places = predictor.seen.of_users(predictor.encoder.users.lookup([user]))
    table = _listed(predictor, "item", predictor.seen.items[places])
    return table.assign(rating=predictor.seen.ratings[places])


def _listed(predictor: PredictorCore, side: Side, rows: Any) -> pd.DataFrame:
    """The ids of rows, and the names of items that have some."""
    encoder = predictor.encoder
    table = pd.DataFrame({side: encoder.vocabularies[side].ids.iloc[rows - 1].to_numpy()})
    if side == "item" and encoder.item_names is not None:
        table["name"] = encoder.item_names.iloc[rows - 1].to_numpy()
    return table


def check_number(n: Any) -> None:
    """Raises a DataError where ``n`` is no number of things to list."""
    if not isinstance(n, Integral) or n < 1:
        raise DataError(f"n must be a positive integer such as 10, not {n!r}")
