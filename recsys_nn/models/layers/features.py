"""Side features as vectors, by which a user, an item or a rating is known beside its id."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops

from recsys_nn.errors import DataError
from recsys_nn.models.layers.basic import PACKAGE, PenalisedLayer
from recsys_nn.models.layers.export_mode import is_constant_folding


class FeatureVectors(PenalisedLayer):
    """Σ_k w_k v_{j_k}: the vectors of the feature values j_k, each times its weight w_k, summed.

    A category has weight 1, each of m values of a many-valued column 1/√m, a number its standardised value. The penalty
    λ Σ_j ‖v_j‖² runs over the whole table in every step, as the table is small. All vectors start at zero.

    Args:
        n_rows: rows of the table of vectors; row 0 stands for missing and unseen values, whose weight is 0.
        dim: length of a vector.
        slots: number of feature values that belong to each column, in order.
        by_column: whether the columns' vectors stay apart (a factorisation machine needs them) or are summed.
        l2: strength λ of the penalty.
    """

    def __init__(
        self,
        n_rows: int,
        dim: int,
        slots: Sequence[int],
        *,
        by_column: bool = False,
        l2: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.n_rows, self.dim, self.slots = n_rows, dim, list(slots)
        self.by_column, self.l2 = by_column, l2

    def build(self, *shapes: Any) -> None:
        self.vectors = self.add_weight(name="vectors", shape=(self.n_rows, self.dim), initializer="zeros")
        self.built = True

    def _sums(self, rows: Any, weights: Any) -> Any:
        weighted = tf.gather(self.vectors.value, rows) * weights[..., None]  # (batch, Σ slots, dim)
        if not self.by_column:
            return ops.sum(weighted, axis=1)
        ends = np.cumsum(self.slots)
        columns = [ops.sum(weighted[:, end - n : end], axis=1) for n, end in zip(self.slots, ends, strict=True)]
        return ops.stack(columns, axis=1)

    def get_config(self) -> dict[str, Any]:
        own = {"n_rows": self.n_rows, "dim": self.dim, "slots": self.slots, "by_column": self.by_column}
        return super().get_config() | own | {"l2": self.l2}


@keras.saving.register_keras_serializable(package=PACKAGE)
class FeatureEmbedding(FeatureVectors):
    """The vectors of features that come with every example.

    Shapes: int32 and float32 (batch, Σ slots) -> float32 (batch, dim), by column (batch, columns, dim).
    """

    def call(self, rows: Any, weights: Any, training: bool | None = None) -> Any:
        self.penalise(self.l2, self.vectors, training)
        return self._sums(rows, weights)


@keras.saving.register_keras_serializable(package=PACKAGE)
class OwnerFeatureEmbedding(FeatureVectors):
    """The vectors of the features of users or items, which are fixed: looked up by the row of their id.

    A batch with more rows than there are owners has many ratings of each; then the owners' sums are worked out once a
    step, and not once a rating.

    Args:
        n_owners: rows of users or of items, row 0 included.
        args, options: further arguments, those of :class:`FeatureVectors`.

    Shapes: int32 (batch,) -> float32 (batch, dim), by column (batch, columns, dim).
    """

    def __init__(self, n_owners: int, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.n_owners = n_owners

    def build(self, *shapes: Any) -> None:
        super().build(*shapes)
        shape = (self.n_owners, sum(self.slots))
        constant = {"initializer": "zeros", "trainable": False}
        self.feature_rows = self.add_weight(name="feature_rows", shape=shape, dtype="int32", **constant)
        self.feature_weights = self.add_weight(name="feature_weights", shape=shape, **constant)

    def set_features(self, rows: npt.NDArray[np.int32], weights: npt.NDArray[np.float32]) -> None:
        """Sets the feature values of every owner and their weights, both (n_owners, Σ slots)."""
        self.feature_rows.assign(rows)
        self.feature_weights.assign(weights)

    def check_weights(self) -> None:
        """Raises a DataError where a feature value has no row."""
        rows = self.feature_rows.numpy()
        if not ((rows >= 0) & (rows < self.n_rows)).all():
            raise DataError(f"the rows of the feature values in {self.name!r} must be from 0 to {self.n_rows - 1}")

    def call(self, owners: Any, training: bool | None = None) -> Any:
        self.penalise(self.l2, self.vectors, training)
        rows, weights = self.feature_rows.value, self.feature_weights.value

        def of_all() -> Any:
            return tf.gather(self._sums(rows, weights), owners)

        def of_each() -> Any:
            return self._sums(tf.gather(rows, owners), tf.gather(weights, owners))

        if is_constant_folding():
            return of_all()
        if (batch := owners.shape[0]) is not None:
            return of_all() if batch > self.n_owners else of_each()
        return tf.cond(tf.size(owners) > self.n_owners, of_all, of_each)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"n_owners": self.n_owners}
