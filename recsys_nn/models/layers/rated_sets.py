"""Sets of who rated what: a user's items, or an item's users, as one vector."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

from recsys_nn.encoding import OTHER_SIDE, Side
from recsys_nn.errors import DataError, TrainingError
from recsys_nn.models.layers.basic import PACKAGE, PenalisedLayer


@keras.saving.register_keras_serializable(package=PACKAGE)
class RatedSet(PenalisedLayer):
    """|R(o)|^(-1/2) Σ_{m ∈ R(o)} c_om y_m for the owner o of each rating; R(o) is what o rated in training, or who
    rated o.

    The sums of all owners are worked out once a step, from the pairs (o, m) in order of their owners, at a cost of one
    vector a training rating; a batch then looks its owners up. The sets come from the training part that the Trainer
    hands to :meth:`before_training`: nothing held out is in them.

    Args:
        side: side of the owners, ``"user"`` (sets of items) or ``"item"`` (sets of users).
        n_rows: rows of users and of items, row 0 included.
        n_pairs: greatest number of pairs that the sets can hold.
        dim: length of each vector y_m.
        standard: mean and standard deviation, where c_om is the rating so standardised (as in an autoencoder of
            ratings); without it c_om is 1.
        l2: λ of the penalty λ Σ_m ‖y_m‖² over the whole table in every step.
        init_std: standard deviation of the initial values (normal, mean 0).

    Shapes: int32 (batch,) -> float32 (batch, dim).
    """

    def __init__(
        self,
        side: Side,
        n_rows: dict[Side, int],
        n_pairs: int,
        dim: int,
        *,
        standard: Sequence[float] | None = None,
        l2: float = 0.0,
        init_std: float = 0.1,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.side, self.n_rows, self.n_pairs, self.dim = side, dict(n_rows), n_pairs, dim
        self.standard = None if standard is None else tuple(standard)
        self.l2, self.init_std = l2, init_std

    @property
    def other(self) -> Side:
        """The side of the members."""
        return OTHER_SIDE[self.side]

    @property
    def coupling(self) -> float:
        """Number of vectors that a prediction moves with, in the mean over the ratings: Σ_o |R(o)|² / Σ_o |R(o)|.

        So much stiffer than each vector alone are all of them together.
        """
        sizes = np.bincount(self.owners.numpy(), minlength=1)[1:].astype(np.float64)
        return float((sizes**2).sum() / max(sizes.sum(), 1))

    def build(self, input_shape: Any = None) -> None:
        initial = keras.initializers.RandomNormal(stddev=self.init_std)
        shape = (self.n_rows[self.other], self.dim)
        self.vectors = self.add_weight(name="vectors", shape=shape, initializer=initial)
        constant = {"initializer": "zeros", "trainable": False}
        self.owners = self.add_weight(name="owners", shape=(self.n_pairs,), dtype="int32", **constant)
        self.members = self.add_weight(name="members", shape=(self.n_pairs,), dtype="int32", **constant)
        self.norms = self.add_weight(name="norms", shape=(self.n_rows[self.side],), **constant)
        if self.standard:
            self.coefficients = self.add_weight(name="coefficients", shape=(self.n_pairs,), **constant)
        self.built = True

    def before_training(self, inputs: dict[str, npt.NDArray[np.int32]], targets: npt.NDArray[np.float32]) -> None:
        """Fills the sets with the training part's ratings."""
        self.set_pairs(inputs[self.side], inputs[self.other], targets)

    def set_pairs(
        self, owners: npt.NDArray[np.int32], members: npt.NDArray[np.int32], ratings: npt.NDArray[np.float32]
    ) -> None:
        """Fills the sets with these pairs of rows, (n,) each; what is left of ``n_pairs`` belongs to row 0, of norm 0.

        The vectors of members that are in no set become zero, and stay so.

        Raises:
            DataError: where they are more than ``n_pairs``.
        """
        if len(owners) > self.n_pairs:
            raise DataError(
                f"the model was built for an encoder of {self.n_pairs} ratings, not of {len(owners)}: fit the encoder "
                "on these ratings"
            )
        used = np.bincount(members, minlength=self.n_rows[self.other]) > 0
        self.vectors.assign(np.where(used[:, None], self.vectors.numpy(), 0))
        self._set(owners, members, self._standardised(ratings))

    def add_pairs(
        self,
        owners: npt.NDArray[np.int32],
        members: npt.NDArray[np.int32],
        ratings: npt.NDArray[np.float32],
        *,
        to: RatedSet,
    ) -> None:
        """Fills the sets with those of another layer and further pairs."""
        had = to.owners.numpy() > 0
        coefficients = to.coefficients.numpy()[had] if self.standard else np.zeros(had.sum(), np.float32)
        self._set(
            np.concatenate([to.owners.numpy()[had], owners]),
            np.concatenate([to.members.numpy()[had], members]),
            np.concatenate([coefficients, self._standardised(ratings)]),
        )

    def check_weights(self) -> None:
        """Raises a DataError where the sets are of owners or members that have no row."""
        for name, rows, n_rows in (
            ("owner", self.owners, self.n_rows[self.side]),
            ("member", self.members, self.n_rows[self.other]),
        ):
            if not ((rows.numpy() >= 0) & (rows.numpy() < n_rows)).all():
                raise DataError(f"the rows of each {name} in the sets of {self.name!r} must be from 0 to {n_rows - 1}")

    def _standardised(self, ratings: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        mean, std = self.standard or (0.0, 1.0)
        return (ratings - mean) / std

    def _set(self, owners: Any, members: Any, coefficients: Any) -> None:
        order = np.argsort(owners, kind="stable")
        padding = (self.n_pairs - len(owners), 0)
        self.owners.assign(np.pad(owners[order], padding))
        self.members.assign(np.pad(members[order], padding))
        counts = np.bincount(owners, minlength=self.n_rows[self.side]).astype(np.float32)
        counts[0] = 0
        self.norms.assign(np.divide(1, np.sqrt(counts), out=np.zeros_like(counts), where=counts > 0))
        if self.standard:
            self.coefficients.assign(np.pad(coefficients[order], padding))

    def call(self, rows: Any, training: bool | None = None) -> Any:
        if training:
            self._check_filled()
        self.penalise(self.l2, self.vectors, training)
        members = tf.gather(self.vectors.value, self.members.value)  # (n_pairs, dim)
        if self.standard:
            members *= self.coefficients.value[:, None]
        sums = tf.math.unsorted_segment_sum(members, self.owners.value, self.n_rows[self.side])
        return tf.gather(sums * self.norms.value[:, None], rows)

    def _check_filled(self) -> None:
        with tf.init_scope():
            filled = bool(tf.reduce_any(self.norms.value > 0))
        if not filled:
            raise TrainingError(
                f"the sets of {self.name!r} are empty: train with rn.Trainer, or before model.fit call "
                f"model.get_layer({self.name!r}).before_training(tensors.inputs, tensors.targets)"
            )

    def get_config(self) -> dict[str, Any]:
        own = {"side": self.side, "n_rows": self.n_rows, "n_pairs": self.n_pairs, "dim": self.dim}
        return super().get_config() | own | {"standard": self.standard, "l2": self.l2, "init_std": self.init_std}
