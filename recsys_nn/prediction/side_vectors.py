"""The vectors of all users, or of all items, of a trained model (``models/sides.py``)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsys_nn.data.features import Side

if TYPE_CHECKING:
    from recsys_nn.models.sides import Sides
    from recsys_nn.prediction.predictor import Predictor


class SideVectors(NamedTuple):
    """Of each row of the encoder, the unknown row 0 included: vectors float32 (n, dim) and biases float32 (n,)."""

    vectors: npt.NDArray[np.float32]
    biases: npt.NDArray[np.float32]


def sides_of(predictor: Predictor) -> Sides | None:
    """The two sides of the predictor's network; None where it has none, as one of another package."""
    return getattr(getattr(predictor.model, "member", predictor.model), "sides", None)


def product_sides(predictor: Predictor) -> Sides | None:
    """The same, where they rank items by inner products: not in an average over many weights."""
    sides = sides_of(predictor)
    return sides if sides is not None and sides.is_product and sides.ranks and not _is_average(predictor) else None


def side_vectors(predictor: Predictor, side: Side) -> SideVectors | None:
    """Those of a side, without features of the ratings; in an average over many weights, of the mean weights.

    None where the model has no vectors.
    """
    sides = sides_of(predictor)
    if sides is None:
        return None
    network = sides.networks[side]
    n = len(predictor.encoder.counts[side])
    inputs = {name: np.zeros((n, *tensor.shape[1:]), dtype=tensor.dtype) for name, tensor in sides.inputs.items()} | {
        side: np.arange(n, dtype=np.int32)
    }

    def output() -> Any:
        return network(inputs, training=False)

    model = predictor.model
    if _is_average(predictor):
        means = [stack.numpy().mean(axis=0) for stack in model.stacks]
        vectors, biases = model.with_weights(means, output)
    else:
        vectors, biases = output()
    return SideVectors(np.asarray(vectors), np.asarray(biases)[:, 0])


def _is_average(predictor: Predictor) -> bool:
    return hasattr(predictor.model, "with_weights")
