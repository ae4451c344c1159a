"""Who rated what: the set of a user's items, or of an item's users, as one vector."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops

from recsys_nn.models.layers import PACKAGE

SIDES = ("user", "item")


@keras.saving.register_keras_serializable(package=PACKAGE)
class RatedSet(keras.layers.Layer):
    """|R(o)|^(-1/2) Σ_{m ∈ R(o)} c_om y_m for the owner o of each rating; R(o) is what o rated in training, or who
    rated o.

    The sums of all owners are worked out once a step, from the pairs (o, m) in order of their owners, at a cost of one
    vector a training rating; a batch then looks its owners up. The sets come from the training part that the Trainer
    hands to :meth:`before_training`: nothing held out is in them.

    Args:
        side: of the owners: ``"user"`` (sets of items) or ``"item"`` (sets of users).
        n_rows: rows of users and of items, row 0 included.
        n_pairs: the most pairs that there are.
        dim: length of y_m.
        of_ratings: whether c_om is the rating, standardised (as in an autoencoder of ratings), or 1.
        l2: λ of the penalty λ Σ_m ‖y_m‖² over the whole table in every step.
        init_std: standard deviation of the initial values (normal, mean 0).

    Shapes: int32 (batch,) -> float32 (batch, dim).
    """

    def __init__(
        self,
        side: str,
        n_rows: dict[str, int],
        n_pairs: int,
        dim: int,
        *,
        of_ratings: bool = False,
        l2: float = 0.0,
        init_std: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.side, self.n_rows, self.n_pairs, self.dim = side, dict(n_rows), n_pairs, dim
        self.of_ratings, self.l2, self.init_std = of_ratings, l2, init_std

    @property
    def other(self) -> str:
        """The side of the members."""
        return SIDES[1 - SIDES.index(self.side)]

    def build(self, input_shape: Any = None) -> None:
        initial = keras.initializers.RandomNormal(stddev=self.init_std)
        shape = (self.n_rows[self.other], self.dim)
        self.vectors = self.add_weight(name="vectors", shape=shape, initializer=initial)
        constant = {"initializer": "zeros", "trainable": False}
        self.owners = self.add_weight(name="owners", shape=(self.n_pairs,), dtype="int32", **constant)
        self.members = self.add_weight(name="members", shape=(self.n_pairs,), dtype="int32", **constant)
        self.norms = self.add_weight(name="norms", shape=(self.n_rows[self.side],), **constant)
        if self.of_ratings:
            self.coefficients = self.add_weight(name="coefficients", shape=(self.n_pairs,), **constant)
        self.built = True

    def before_training(self, inputs: dict[str, npt.NDArray[np.int32]], targets: npt.NDArray[np.float32]) -> None:
        """The sets of the training part's ratings."""
        self.set_pairs(inputs[self.side], inputs[self.other], targets)

    def set_pairs(
        self, owners: npt.NDArray[np.int32], members: npt.NDArray[np.int32], ratings: npt.NDArray[np.float32]
    ) -> None:
        """The sets of these pairs of rows, all (n,); what is left of ``n_pairs`` belongs to row 0, whose norm is 0.

        Raises:
            ValueError: where they are more than ``n_pairs``.
        """
        if len(owners) > self.n_pairs:
            raise ValueError(f"{len(owners)} pairs are more than the {self.n_pairs} that the model was built for")
        order = np.argsort(owners, kind="stable")
        missing = self.n_pairs - len(owners)
        self.owners.assign(np.pad(owners[order], (missing, 0)))
        self.members.assign(np.pad(members[order], (missing, 0)))
        counts = np.bincount(owners, minlength=self.n_rows[self.side]).astype(np.float32)
        counts[0] = 0
        self.norms.assign(np.divide(1, np.sqrt(counts), out=np.zeros_like(counts), where=counts > 0))
        if self.of_ratings:
            spread = ratings.std() or 1.0
            self.coefficients.assign(np.pad((ratings[order] - ratings.mean()) / spread, (missing, 0)))

    def call(self, rows: Any, training: bool | None = None) -> Any:
        if training and self.l2:
            self.add_loss(self.l2 * ops.sum(ops.square(self.vectors)))
        members = tf.gather(self.vectors.value, self.members.value)  # (n_pairs, dim)
        if self.of_ratings:
            members *= self.coefficients.value[:, None]
        sums = tf.math.unsorted_segment_sum(members, self.owners.value, self.n_rows[self.side])
        return tf.gather(sums * self.norms.value[:, None], rows)

    def get_config(self) -> dict[str, Any]:
        own = {"side": self.side, "n_rows": self.n_rows, "n_pairs": self.n_pairs, "dim": self.dim}
        return super().get_config() | own | {"of_ratings": self.of_ratings, "l2": self.l2, "init_std": self.init_std}
