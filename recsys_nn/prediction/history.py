"""New users and items that are known by their history alone: what they rated, or who rated them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data.growing import with_ids
from recsys_nn.data.ids import canonical_ids
from recsys_nn.errors import DataError
from recsys_nn.models.base import build_model

if TYPE_CHECKING:
    import keras

    from recsys_nn.prediction.predictor import Predictor

OTHER = {"user": "item", "item": "user"}


def with_history(predictor: Predictor, history: pd.DataFrame) -> Predictor:
    """A predictor that also knows the new ids among these pairs.

    A new id has no vector or bias of its own, but the sum over its history: p_u = |R(u)|^(-1/2) Σ_{j ∈ R(u)} y_j. Known
    ids keep theirs; pairs of two known ids, and of two new ones, have no effect.

    Raises:
        DataError: where the model has no rated-by sets, or needs the ratings of the history and has none.
    """
    layers = {name: layer for name, layer in _named_layers(predictor.model).items() if hasattr(layer, "set_pairs")}
    if not layers or predictor.config is None:
        raise DataError("this model keeps no sets of who rated what: histories are for the kinds svdpp and autorec")
    if any(layer.standard for layer in layers.values()) and "rating" not in history.columns:
        raise DataError("this model needs the ratings of a history: give the columns user, item and rating")
    pairs = _newly_known(predictor, history)
    encoder = with_ids(predictor.encoder, {side: found[side] for side, found in pairs.items()})
    model = build_model(predictor.config, encoder)
    for name, layer in _named_layers(model).items():
        trained = predictor.model.get_layer(name)
        for variable, values in zip(layer.weights, trained.get_weights(), strict=True):
            variable.assign(_extended(values, variable.shape))
        if name in layers:
            found = pairs[layer.side]
            rows = {side: getattr(encoder, f"{side}s").lookup(found[side]) for side in OTHER}
            ratings = found["rating"].to_numpy(np.float32) if "rating" in found else np.zeros(len(found), np.float32)
            layer.add_pairs(rows[layer.side], rows[layer.other], ratings, to=trained)
    return type(predictor)(model, encoder, config=predictor.config)


def _newly_known(predictor: Predictor, history: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """For each side the pairs of its new ids with known ids of the other side."""
    for side in OTHER:
        if side not in history.columns:
            raise DataError(f"no column {side!r} among {', '.join(map(repr, history.columns))}")
    table = history.reset_index(drop=True).assign(**{side: canonical_ids(history[side], side) for side in OTHER})
    table = table.drop_duplicates(["user", "item"], ignore_index=True)
    rows = predictor.encoder.encode_pairs(table["user"], table["item"])
    return {side: table[(rows[side] == 0) & (rows[other] > 0)] for side, other in OTHER.items()}


def _named_layers(model: keras.Model) -> dict[str, Any]:
    return {layer.name: layer for layer in model.layers if layer.weights}


def _extended(values: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """With further rows of zeros, as many as the shape has more."""
    more = shape[0] - len(values) if values.ndim else 0
    return np.pad(values, [(0, more), *[(0, 0)] * (values.ndim - 1)]) if more else values
