"""New users and items that are known by their history alone: what they rated, or who rated them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data.encoding import Encoder
from recsys_nn.data.features import OTHER_SIDE, Side
from recsys_nn.data.growing import with_ids
from recsys_nn.data.ratings import Ratings
from recsys_nn.errors import DataError
from recsys_nn.models.base import build_model

if TYPE_CHECKING:
    import keras

    from recsys_nn.prediction.predictor import Predictor


def with_history(predictor: Predictor, history: pd.DataFrame | Ratings) -> Predictor:
    """A predictor that also knows the ids among these pairs that were not rated in training.

    Such an id has no vector or bias of its own, but the sum over its history: p_u = |R(u)|^(-1/2) Σ_{j ∈ R(u)} y_j, and
    its features, where it has some. Known ids keep theirs; pairs of two known ids, and of two new ones, have no effect.

    Raises:
        DataError: where the model has no rated-by sets, or needs the ratings of the history and has none; and for pairs
            or ratings that no table of ratings takes.
    """
    from recsys_nn.models.averaged import AveragedModel

    network = getattr(predictor.model, "member", predictor.model)
    layers = {name: layer for name, layer in _named_layers(network).items() if hasattr(layer, "set_pairs")}
    if predictor.config is None:
        raise DataError("this model does not carry its config, by which a larger one could be built; a run folder does")
    if not layers:
        raise DataError("this model keeps no sets of who rated what: histories are for the kinds svdpp and autorec")
    pairs = _newly_known(
        predictor, _checked(history, predictor.encoder, any(layer.standard for layer in layers.values()))
    )
    encoder = with_ids(predictor.encoder, {side: found[side] for side, found in pairs.items()})
    model = build_model(predictor.config, encoder)
    for name, layer in _named_layers(model).items():
        trained = network.get_layer(name)
        for variable, values in zip(layer.weights, trained.get_weights(), strict=True):
            variable.assign(_extended(values, variable.shape))
        if name in layers:
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


def _checked(history: pd.DataFrame | Ratings, encoder: Encoder, needs_ratings: bool) -> pd.DataFrame:
    """The history as a table of ratings; where they do not matter, they may be missing."""
    if not isinstance(history, pd.DataFrame | Ratings):
        raise DataError(f"a history is a DataFrame or Ratings, not a {type(history).__name__}")
    frame = history.frame if isinstance(history, Ratings) else history
    if "rating" not in frame.columns:
        if needs_ratings:
            raise DataError("this model needs the ratings of a history: give the columns user, item and rating")
        frame = frame.assign(rating=encoder.scale[0])
    return Ratings(frame, scale=encoder.scale).frame


def _newly_known(predictor: Predictor, history: pd.DataFrame) -> dict[Side, pd.DataFrame]:
    """For each side the pairs of its new ids with known ids of the other side."""
    encoder = predictor.encoder
    rows = encoder.encode_pairs(history["user"], history["item"])
    known = {side: counts[rows[side]] > 0 for side, counts in encoder.counts.items()}
    return {side: history[~known[side] & known[other]] for side, other in OTHER_SIDE.items()}


def _named_layers(model: keras.Model) -> dict[str, Any]:
    return {layer.name: layer for layer in model.layers if layer.weights}


def _extended(values: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """With zeros behind, as many as the shape has more."""
    return np.pad(values, [(0, more - had) for more, had in zip(shape, values.shape, strict=True)])
