"""The n items with the highest scores for each user, exactly, a block of users at a time.

A score is the latent value z_ui (``models/sides.py``), which ranks as the rating does, but tells items apart whose
ratings the scale cuts off at its end; it is the rating itself where a model has no such value. Where z is a product of
vectors, all scores of a block are one product of matrices; else the network is asked for each pair.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data import canonical_ids
from recsys_nn.errors import DataError, plain_repr
from recsys_nn.prediction.core import PredictorCore
from recsys_nn.prediction.lists.side_vectors import ranks_by_products, side_vectors
from recsys_nn.prediction.lists.similar import check_number

SCORES = 2**22
"""How many scores a block has, 16 MiB: more of them are slower, as each block is then fresh memory; fewer, too."""
CHUNK = 256
"""Scores of a row that are compared by their highest alone, before any is ranked."""

Rows = npt.NDArray[np.int32]
Found = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]
"""Of each recommendation the position of its user, its rank and the row of the item."""
Scorer = Callable[[slice], Any]
"""The scores of all candidates for a slice of the users, float32 (users, candidates)."""


def recommend(
    predictor: PredictorCore,
    users: Any,
    n: int,
    *,
    exclude_seen: bool,
    candidates: Iterable[Any] | None,
) -> pd.DataFrame:
    """Lists the n best items of each user, as :meth:`Predictor.recommend` documents."""
    check_number(n)
    encoder = predictor.encoder
    asked = _users(predictor, users)
    user_rows, item_rows = encoder.users.lookup(asked), _candidates(predictor, candidates)
    if exclude_seen and predictor.seen is None:
        raise DataError(
            "this predictor does not keep its training ratings, so that it cannot leave out what a user has rated: "
            "pass them to predictor.with_seen(ratings), or recommend without leaving out (exclude_seen=False, --seen)"
        )
    columns = np.full(encoder.items.n_rows, -1, dtype=np.int32)
    columns[item_rows] = np.arange(len(item_rows))
    n_best, found = min(n, len(item_rows)), list[Found]()
    rank_all, rank_by_chunks = rankers(CHUNK)
    ranked = rank_by_chunks if len(item_rows) > 4 * n_best * CHUNK else rank_all
    if not n_best or not len(asked):
        return _table(predictor, asked, found)
    scores_of, n_at_once = _scorer(predictor, asked, user_rows, item_rows), max(1, SCORES // len(item_rows))
    for first in range(0, len(asked), n_at_once):
        part = slice(first, first + n_at_once)
        excluded = _seen_cells(predictor, user_rows[part], columns) if exclude_seen else np.zeros((0, 2), np.int32)
        scores, places = (values.numpy() for values in ranked(scores_of(part), excluded, n_best))
        user, place = np.nonzero(scores > -np.inf)
        found.append((first + user, 1 + place, item_rows[places[user, place]]))
    return _table(predictor, asked, found)


def _scorer(predictor: PredictorCore, users: pd.Series, user_rows: Rows, item_rows: Rows) -> Scorer:
    if ranks_by_products(predictor):
        return _products(predictor, user_rows, item_rows)
    return _pairs(predictor, users, item_rows)


def _products(predictor: PredictorCore, user_rows: Rows, item_rows: Rows) -> Scorer:
    """b_i + p_u·q_i: the bias of the user does not matter to the order."""
    import tensorflow as tf

    of_users, of_items = side_vectors(predictor, "user"), side_vectors(predictor, "item")
    assert of_users is not None
    assert of_items is not None
    p = np.pad(of_users.vectors[user_rows], ((0, 0), (0, 1)), constant_values=1)
    q = tf.constant(np.column_stack([of_items.vectors, of_items.biases])[item_rows].T.copy())
    return lambda users: tf.matmul(p[users], q)


def _pairs(predictor: PredictorCore, users: pd.Series, item_rows: Rows) -> Scorer:
    """The network's scores of each pair, without features of the ratings."""
    import tensorflow as tf

    encoder = predictor.encoder
    items = encoder.items.ids.iloc[item_rows - 1]
    of_users = encoder.encode_pairs(users, items.iloc[[0] * len(users)])
    of_items = encoder.encode_pairs(users.iloc[[0] * len(items)], items)

    def scores(part: slice) -> Any:
        n_users = len(users[part])
        inputs = {
            name: np.tile(of_items[name], n_users)
            if name.startswith("item")
            else np.repeat(values[part], len(items), axis=0)
            for name, values in of_users.items()
        }
        return tf.reshape(predictor.score_rows(inputs), (n_users, len(items)))

    return scores


@cache
def rankers(chunk: int) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """Two functions (scores, (row, column) of those left out, n) -> the n highest of each row and their columns.

    Both results are (rows, n). Of equal scores the first comes first. The second function is for long rows, of n
    chunks or more: the n highest lie in the n chunks whose highest are highest, so only these are ranked.
    """
    import tensorflow as tf

    signature = [
        tf.TensorSpec((None, None), tf.float32),
        tf.TensorSpec((None, 2), tf.int32),
        tf.TensorSpec((), tf.int32),
    ]

    def without(scores: Any, excluded: Any) -> Any:
        return tf.tensor_scatter_nd_update(scores, excluded, tf.fill([tf.shape(excluded)[0]], -np.inf))

    def ranked(scores: Any, excluded: Any, n: Any) -> Any:
        return tuple(tf.math.top_k(without(scores, excluded), n))

    def ranked_by_chunks(scores: Any, excluded: Any, n: Any) -> Any:
        rows, columns = tf.shape(scores)[0], tf.shape(scores)[1]
        padding = -columns % chunk
        padded = tf.pad(without(scores, excluded), [[0, 0], [0, padding]], constant_values=-np.inf)
        chunks = tf.reshape(padded, (rows, -1, chunk))
        chosen = tf.sort(tf.math.top_k(tf.reduce_max(chunks, axis=2), n).indices, axis=1)
        values, within = tf.math.top_k(tf.reshape(tf.gather(chunks, chosen, batch_dims=1), (rows, n * chunk)), n)
        return values, tf.gather(chosen, within // chunk, batch_dims=1) * chunk + within % chunk

    short, long = (tf.function(each, input_signature=signature) for each in (ranked, ranked_by_chunks))
    return short, long


def _seen_cells(predictor: PredictorCore, user_rows: Rows, columns: Rows) -> Rows:
    """Candidates that these users have rated, as (position of the user, column of the candidate)."""
    assert predictor.seen is not None
    position, place = predictor.seen.of_users(user_rows)
    column = columns[predictor.seen.items[place]]
    return np.stack([position, column], axis=1)[column >= 0].astype(np.int32)


def _users(predictor: PredictorCore, users: Any) -> pd.Series:
    """The ids asked for; without any, all that were rated in training."""
    vocabulary = predictor.encoder.users
    if users is None:
        return vocabulary.ids[predictor.encoder.user_counts[1:] > 0].reset_index(drop=True)
    return canonical_ids([users] if np.isscalar(users) else users, "user")


def _candidates(predictor: PredictorCore, candidates: Iterable[Any] | None) -> Rows:
    """Rows of the candidates, ascending."""
    items = predictor.encoder.items
    if candidates is None:
        return np.arange(1, items.n_rows, dtype=np.int32)
    asked = pd.Series(candidates if hasattr(candidates, "__len__") else list(candidates))
    rows = items.lookup(asked)
    if not rows.all():
        unknown = asked.iloc[int((rows == 0).argmax())]
        raise DataError(f"the candidate {plain_repr(unknown)} is an item that is unknown in training: leave it out")
    return np.unique(rows)


def _table(predictor: PredictorCore, users: pd.Series, found: list[Found]) -> pd.DataFrame:
    """The recommendations, of positions among the users, ranks and rows of items."""
    position, rank, row = (
        (np.concatenate(parts) for parts in zip(*found, strict=True)) if found else [np.zeros(0, int)] * 3
    )
    encoder = predictor.encoder
    predicted = predictor.predict(users=users.iloc[position], items=encoder.items.ids.iloc[row - 1])
    predicted.insert(1, "rank", rank)
    if encoder.item_names is not None:
        predicted.insert(3, "name", encoder.item_names.iloc[row - 1].to_numpy())
    return predicted
