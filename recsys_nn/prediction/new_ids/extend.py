"""Trained networks with rows for ids that training did not see, perhaps known by their history alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data import Ratings
from recsys_nn.encoding import OTHER_SIDE, Encoder, Side, with_ids
from recsys_nn.errors import DataError, must_be
from recsys_nn.hooks import KeepsPairs, layers_with, network_of
from recsys_nn.models import build_model
from recsys_nn.prediction.core import PredictorCore

P = TypeVar("P", bound=PredictorCore)


def newly_known(encoder: Encoder, ratings: pd.DataFrame) -> dict[Side, pd.DataFrame]:
    """Ratings of each side's new ids with known ids of the other side; other pairs say nothing yet."""
    rows = encoder.encode_pairs(ratings["user"], ratings["item"])
    known = {side: counts[rows[side]] > 0 for side, counts in encoder.counts.items()}
    return {side: ratings[~known[side] & known[other]] for side, other in OTHER_SIDE.items()}


def checked_ratings(ratings: pd.DataFrame | Ratings, encoder: Encoder) -> pd.DataFrame:
    """Ratings of any users and items as a table, with what the encoder reads beside them.

    Raises:
        DataError: where they are none.
    """
    if not isinstance(ratings, pd.DataFrame | Ratings):
        raise DataError(must_be("ratings", "a DataFrame or Ratings", ratings))
    frame = ratings.frame if isinstance(ratings, Ratings) else ratings
    beside = [name for name in encoder.context_columns if name in frame.columns and name != "timestamp"]
    return Ratings(frame, scale=encoder.scale, rating_features=beside).frame


def extended(predictor: P, pairs: Mapping[Side, pd.DataFrame], encoder: Encoder | None = None) -> P:
    """A predictor with a row for each new id, and with its sets of who rated what.

    Whatever is learnt of a row alone (its vectors, its bias) is 0 in the new ones. The layers of the larger network are
    those of the trained one by their places: Keras numbers unnamed ones anew in each model.

    Args:
        predictor: predictor to extend, which is not changed.
        pairs: ratings of each side's new ids with known ids of the other side (:func:`newly_known`).
        encoder: encoder of the extended predictor; by default its own with the new ids of the pairs.

    Raises:
        DataError: where no network of the size can be built.
    """
    from recsys_nn.models import AveragedModel

    if predictor.config is None:
        raise DataError("this model has no config to build a larger one from: load it from a run folder")
    encoder = encoder or with_ids(predictor.encoder, {side: found[side] for side, found in pairs.items()})
    network, model = network_of(predictor.model), build_model(predictor.config, encoder)
    for layer, trained in zip(model.layers, network.layers, strict=True):
        for variable, values in zip(layer.weights, trained.get_weights(), strict=True):
            variable.assign(_extended(values, variable.shape))
        if isinstance(layer, KeepsPairs):
            found = pairs[layer.side]
            rows = encoder.encode_pairs(found["user"], found["item"])
            layer.add_pairs(rows[layer.side], rows[layer.other], found["rating"].to_numpy(np.float32), to=trained)
    if network is not predictor.model:
        average = AveragedModel(model, predictor.model.n_members)
        for stack, trained in zip(average.stacks, predictor.model.stacks, strict=True):
            stack.assign(_extended(trained.numpy(), stack.shape))
        model = average
    return type(predictor)(
        model, encoder, config=predictor.config, calibration=predictor.calibration, seen=predictor.seen
    )


def _extended(values: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """Values with zeros behind, as many as the shape has more."""
    behind = [(0, more - had) for more, had in zip(shape, values.shape, strict=True)]
    return np.pad(values, behind) if behind else values


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
        raise DataError("this model takes no histories: use one of the kinds svdpp and autorec")
    if isinstance(history, pd.DataFrame) and "rating" not in history.columns:
        if any(layer.standard for layer in layers):
            raise DataError("this model needs the ratings of a history: pass the columns user, item and rating")
        history = history.assign(rating=encoder.scale[0])  # it does not matter
    return extended(predictor, newly_known(encoder, checked_ratings(history, encoder)))
