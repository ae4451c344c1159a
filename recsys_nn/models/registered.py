"""Importing this module registers every layer of the package with Keras, for ``keras.models.load_model``."""

from recsys_nn.models import averaged, dropout, feature_layers, layers, likelihood, rated_sets
from recsys_nn.models.interactions import bspline, kernel, polynomial

__all__ = [
    "averaged",
    "bspline",
    "dropout",
    "feature_layers",
    "kernel",
    "layers",
    "likelihood",
    "polynomial",
    "rated_sets",
]
