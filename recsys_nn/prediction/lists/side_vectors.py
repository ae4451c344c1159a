"""The vectors of all users, or of all items, of a trained model (``models/sides.py``)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from recsys_nn.encoding import Side
from recsys_nn.hooks import network_of, sides_of
from recsys_nn.prediction.core import PredictorCore


class SideVectors(NamedTuple):
    """Vectors float32 (n, dim) and biases float32 (n,) of the encoder's rows, the unknown row 0 included."""

    vectors: npt.NDArray[np.float32]
    biases: npt.NDArray[np.float32]


def ranks_by_products(predictor: PredictorCore) -> bool:
    """Tells whether items are ranked by inner products of vectors: not in an average over many weights."""
    sides = sides_of(predictor.model)
    return sides is not None and sides.is_product and sides.ranks


def side_vectors(predictor: PredictorCore, side: Side) -> SideVectors | None:
    """Vectors and biases of a side, without features of the ratings; None where the model has no vectors.

    In an average over many weights, they are those of the mean weights.
    """
    model, member = predictor.model, network_of(predictor.model)
    sides = sides_of(member)
    if sides is None:
        return None
    network = sides.networks[side]
    n = len(predictor.encoder.counts[side])
    inputs = {name: np.zeros((n, *tensor.shape[1:]), dtype=tensor.dtype) for name, tensor in sides.inputs.items()} | {
        side: np.arange(n, dtype=np.int32)
    }

    def output() -> Any:
        return network(inputs, training=False)

    if member is not model:
        means = [stack.numpy().mean(axis=0) for stack in model.stacks]
        vectors, biases = model.with_weights(means, output)
    else:
        vectors, biases = output()
    return SideVectors(np.asarray(vectors), np.asarray(biases)[:, 0])
