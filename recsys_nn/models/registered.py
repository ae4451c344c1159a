"""Importing this module registers every layer of the package with Keras, for ``keras.models.load_model``."""

from recsys_nn.models.layers import (
    averaged,
    basic,
    bspline,
    dropout,
    features,
    kernel,
    likelihood,
    polynomial,
    rated_sets,
)

__all__ = [
    "averaged",
    "basic",
    "bspline",
    "dropout",
    "features",
    "kernel",
    "likelihood",
    "polynomial",
    "rated_sets",
]
