"""The layers that the model kinds share."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from keras import ops

from recsys_nn.encoding import EFFECTS, ITEM_SHRINKAGE, USER_SHRINKAGE, BaselineName, Biases, Side, fit_biases

PACKAGE = "recsys_nn"


class PenalisedLayer(keras.layers.Layer):
    """A layer whose weights are penalised, in the training loss alone: a validation loss is the plain error."""

    def penalise(self, strength: float, values: Any, training: bool | None) -> None:
        """Adds strength · Σ values² to the training loss."""
        if training and strength:
            self.add_loss(strength * ops.sum(ops.square(values)))


@keras.saving.register_keras_serializable(package=PACKAGE)
class FactorEmbedding(keras.layers.Layer):
    """A table of factor vectors, a row an id, with the L2 penalty of the full objective.

    The objective's penalty λ Σ_u ‖p_u‖² runs over all rows. In a mini-batch only the rows of its ratings are
    touched: rating k of user u contributes λ (n / n_u) ‖p_u‖² to the batch's mean, with n training ratings in
    all and n_u of this user. Its expectation over a random rating is Σ_u (n_u/n) (n/n_u) λ ‖p_u‖², the penalty
    of the objective, and no other row is read for it. Of several rows a rating, each counts like a rating of its own.

    Row 0 (unknown ids) and the rows of ids without a training rating are zero and stay so. The penalty is part of the
    training loss alone, so a validation loss is the plain error.

    Args:
        n_rows: rows of the table, row 0 included.
        dim: length of a vector.
        l2: strength λ of the penalty.
        init_std: standard deviation of the initial values (normal, mean 0).

    Shapes: int32 (batch,) -> float32 (batch, dim), or (batch, slots) -> (batch, slots, dim).
    """

    def __init__(self, n_rows: int, dim: int, *, l2: float = 0.0, init_std: float = 0.1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n_rows, self.dim, self.l2, self.init_std = n_rows, dim, l2, init_std

    def build(self, input_shape: Any = None) -> None:
        self.embeddings = self.add_weight(
            name="embeddings", shape=(self.n_rows, self.dim), initializer=self._initial_values
        )
        self.row_weight = self.add_weight(name="row_weight", shape=(self.n_rows,), initializer="zeros", trainable=False)
        self.built = True

    def set_counts(self, counts: npt.NDArray[np.integer]) -> None:
        """Sets the penalty's weights: n / n_row for a row rated n_row times in training, 0 for rows that are not."""
        rated = counts > 0
        weights = np.divide(counts.sum(dtype=np.float64), counts, out=np.zeros(len(counts)), where=rated)
        self.row_weight.assign(weights.astype(np.float32))
        self.embeddings.assign(np.where(rated[:, None], self.embeddings.numpy(), 0))

    def call(self, rows: Any, training: bool | None = None) -> Any:
        vectors = tf.gather(self.embeddings.value, rows)  # ops.take would first copy the table, each step
        if training and self.l2:
            weights = tf.gather(self.row_weight.value, rows)
            self.add_loss(self.l2 * ops.mean(weights * ops.sum(ops.square(vectors), axis=-1)))
        return vectors

    def _initial_values(self, shape: tuple[int, int], dtype: Any) -> Any:
        known = keras.initializers.RandomNormal(stddev=self.init_std)((shape[0] - 1, shape[1]), dtype=dtype)
        return ops.concatenate([ops.zeros((1, shape[1]), dtype=dtype), known])

    def get_config(self) -> dict[str, Any]:
        own = {"n_rows": self.n_rows, "dim": self.dim, "l2": self.l2, "init_std": self.init_std}
        return super().get_config() | own


@keras.saving.register_keras_serializable(package=PACKAGE)
class Offset(keras.layers.Layer):
    """Layer x + c with a learned c.

    Shapes: float32 (batch, dim) -> (batch, dim).
    """

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self.offset = self.add_weight(name="offset", shape=(input_shape[-1],), initializer="zeros")
        self.built = True

    def call(self, x: Any) -> Any:
        return x + self.offset


@keras.saving.register_keras_serializable(package=PACKAGE)
class RatingScale(keras.layers.Layer):
    """Layer from the model's own unit to ratings: r = clip(mean + std · z, lowest, highest).

    The range is applied when predicting, not when training, where it would stop the gradient.

    Args:
        mean: mean of the training ratings.
        std: standard deviation of the training ratings.
        scale: (lowest, highest) possible rating.

    Shapes: float32 (batch,) or (batch, 1) -> float32 (batch,).
    """

    def __init__(self, mean: float, std: float, scale: tuple[float, float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mean, self.std, self.scale = mean, std, tuple(scale)

    def call(self, z: Any, training: bool | None = None) -> Any:
        ratings = self.mean + self.std * ops.reshape(z, (-1,))
        return ratings if training else ops.clip(ratings, *self.scale)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None]:
        return (input_shape[0],)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"mean": self.mean, "std": self.std, "scale": list(self.scale)}


@keras.saving.register_keras_serializable(package=PACKAGE)
class BoundedScale(RatingScale):
    """r = lowest + W σ(logit(m) + std · z / (W m (1 - m))), m = (mean - lowest) / W, W = highest - lowest.

    Shapes: float32 (batch,) or (batch, 1) -> float32 (batch,).
    """

    def call(self, z: Any, training: bool | None = None) -> Any:
        lowest, highest = self.scale
        width = highest - lowest
        share = (self.mean - lowest) / width
        slope = self.std / (width * share * (1 - share))
        logit = math.log(share / (1 - share)) + slope * ops.reshape(z, (-1,))
        return lowest + width * ops.sigmoid(logit)


@keras.saving.register_keras_serializable(package=PACKAGE)
class ClosedFormBiases(keras.layers.Layer):
    """r_ui = μ + a_u + b_i, or fewer of its terms, fitted in closed form (see ``encoding/baselines.py``).

    The Trainer calls :meth:`before_training` with the training tensors; gradients have nothing to do here.

    Shapes: two int32 (batch,) -> float32 (batch,).
    """

    def __init__(
        self,
        n_user_rows: int,
        n_item_rows: int,
        *,
        baseline: BaselineName,
        user_shrinkage: float = USER_SHRINKAGE,
        item_shrinkage: float = ITEM_SHRINKAGE,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rows: dict[str, Any] = {"n_user_rows": n_user_rows, "n_item_rows": n_item_rows}
        self.baseline = baseline
        self.shrinkage: dict[str, Any] = {"user_shrinkage": user_shrinkage, "item_shrinkage": item_shrinkage}

    def build(self, input_shape: Any = None) -> None:
        constant = {"initializer": "zeros", "trainable": False}
        self.mean = self.add_weight(name="mean", shape=(), **constant)
        self.user_bias = self.add_weight(name="user_bias", shape=(self.rows["n_user_rows"],), **constant)
        self.item_bias = self.add_weight(name="item_bias", shape=(self.rows["n_item_rows"],), **constant)
        self.built = True

    def before_training(self, inputs: dict[str, npt.NDArray[np.int32]], targets: npt.NDArray[np.float32]) -> None:
        """Sets the weights that minimise the penalised squared error of ``targets``."""
        ratings = targets.astype(np.float64)
        self.set(fit_biases(self.baseline, inputs["user"], inputs["item"], ratings, **self.rows, **self.shrinkage))

    def set(self, fitted: Biases) -> None:
        """Sets the weights to biases that were fitted."""
        self.mean.assign(fitted.mean)
        self.user_bias.assign(fitted.user)
        self.item_bias.assign(fitted.item)

    def fold_in(
        self, side: Side, inputs: Mapping[str, npt.NDArray[np.int32]], targets: npt.NDArray[np.floating]
    ) -> None:
        """Sets the biases of a side's rows that have none yet, by ratings with rows of the other side that keep theirs:
        a_u = Σ_i (r_ui - r̂_ui) / (κ_u + n_u)."""
        if side not in EFFECTS[self.baseline]:
            return
        left = targets - self(inputs["user"], inputs["item"]).numpy()
        n_rows = self.rows[f"n_{side}_rows"]
        sums, counts = (np.bincount(inputs[side], weights, n_rows) for weights in (left, None))
        bias = getattr(self, f"{side}_bias")
        bias.assign_add(sums / np.maximum(self.shrinkage[f"{side}_shrinkage"] + counts, 1e-9))

    def call(self, users: Any, items: Any) -> Any:
        return self.mean + ops.take(self.user_bias, users) + ops.take(self.item_bias, items)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.rows | self.shrinkage | {"baseline": self.baseline}
