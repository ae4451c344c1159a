"""New users and items that are known by their history alone: what they rated, or who rated them."""

from __future__ import annotations

import pandas as pd

from recsys_nn.data import Ratings
from recsys_nn.errors import DataError
from recsys_nn.hooks import KeepsPairs, layers_with, network_of
from recsys_nn.prediction.new_ids.extend import P, checked_ratings, grown, newly_known


def with_history(predictor: P, history: pd.DataFrame | Ratings) -> P:
    """A predictor that also knows the ids among these pairs that were not rated in training.

    Such an id has no vector or bias of its own, but the sum over its history: p_u = |R(u)|^(-1/2) Σ_{j ∈ R(u)} y_j, and
    its features, where it has some. Known ids keep theirs; pairs of two known ids, and of two new ones, have no effect.

    Raises:
        DataError: where the model has no rated-by sets, or needs the ratings of the history and has none; and for pairs
            or ratings that no table of ratings takes.
    """
    encoder = predictor.encoder
    layers = list(layers_with(network_of(predictor.model).layers, KeepsPairs))
    if predictor.config is not None and not layers:
        raise DataError("this model keeps no sets of who rated what: histories are for the kinds svdpp and autorec")
    if isinstance(history, pd.DataFrame) and "rating" not in history.columns:
        if any(layer.standard for layer in layers):
            raise DataError("this model needs the ratings of a history: give the columns user, item and rating")
        history = history.assign(rating=encoder.scale[0])  # it does not matter
    return grown(predictor, newly_known(encoder, checked_ratings(history, encoder)))
