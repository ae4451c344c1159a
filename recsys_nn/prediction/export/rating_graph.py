"""The graph that all formats are made of: rows of users and of items in, ratings out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import tensorflow as tf

from recsys_nn.encoding import OTHER_SIDE, SIDES, JointEncoder, Side, Vocabulary
from recsys_nn.models import constant_folding
from recsys_nn.prediction.core import PredictorCore
from recsys_nn.prediction.export.fold_constants import Folded

ROWS: dict[Side, str] = {"user": "user_row", "item": "item_row"}
"""The names of the graph's inputs."""


@dataclass(frozen=True, eq=False)
class RatingGraph:
    """Graph from rows to ratings, which is exported, and the ids of its rows.

    Args:
        ids: ids of users and of items; the id at position k has row k + 1, and row 0 is that of all others.
        signature: the specifications of the rows of users and of items, int32 (batch,) each.
        ratings: function from these to predictions within the rating scale, float32 (batch,).
    """

    ids: Mapping[Side, Vocabulary]
    signature: tuple[tf.TensorSpec, ...]
    ratings: Folded


def rating_graph(predictor: PredictorCore) -> RatingGraph:
    """The graph that predicts pairs of ids alone as the predictor does."""
    ids = {side: _all_ids(predictor, side) for side in SIDES}
    by_row = {side: _inputs_by_row(predictor, ids, side) for side in SIDES}

    def model_input(name: str, rows: Mapping[Side, Any]) -> Any:
        for side in SIDES:
            if name.startswith(side):
                return _taken(by_row[side][name], rows[side])
        of_pairs = by_row["user"][name]  # what is missing is row 0, with weight 0
        return tf.zeros((tf.size(rows["user"]), *of_pairs.shape[1:]), of_pairs.dtype)

    def ratings(users: Any, items: Any) -> Any:
        inputs = {name: model_input(name, {"user": users, "item": items}) for name in predictor.input_names}
        with constant_folding():
            predicted = predictor.model(inputs, training=False)
        return tf.clip_by_value(tf.reshape(predicted, (-1,)), *predictor.encoder.scale)

    signature = tuple(tf.TensorSpec((None,), tf.int32, name=ROWS[side]) for side in SIDES)
    return RatingGraph(ids, signature, Folded(ratings, signature))


def _all_ids(predictor: PredictorCore, side: Side) -> Vocabulary:
    """The ids of a side; of a blend, those that any of its members has."""
    encoder = predictor.encoder
    members = encoder.members if isinstance(encoder, JointEncoder) else (encoder,)
    found = [member.vocabularies[side].ids for member in members]
    return Vocabulary.fit(side, pd.concat(found))


def _inputs_by_row(predictor: PredictorCore, ids: Mapping[Side, Vocabulary], side: Side) -> dict[str, npt.NDArray[Any]]:
    """The model's inputs for each row of a side, row 0 included, beside an unknown id of the other side."""
    own = ids[side].ids
    pairs = {
        side: pd.concat([pd.Series([ids[side].unknown_id], dtype=own.dtype), own]),
        OTHER_SIDE[side]: pd.Series([ids[OTHER_SIDE[side]].unknown_id] * ids[side].n_rows),
    }
    return predictor.encoder.encode_pairs(pairs["user"], pairs["item"])


def _taken(table: npt.NDArray[np.int32], rows: Any) -> Any:
    """The table's values in these rows."""
    return rows if np.array_equal(table, np.arange(len(table))) else tf.gather(tf.constant(table), rows)
