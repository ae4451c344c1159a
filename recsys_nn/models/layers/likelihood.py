"""Layers, loss and metrics of models that give every possible rating a probability."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf
from keras import ops

from recsys_nn.models.layers.basic import PACKAGE

LOGISTIC_STD = math.pi / math.sqrt(3)
"""κ, the standard deviation of the logistic distribution."""


@keras.saving.register_keras_serializable(package=PACKAGE)
class CumulativeLogits(keras.layers.Layer):
    """log P(r = l_k) where P(r ≤ l_k) = σ(θ_k - κ z), k = 1..K-1.

    With σ(a) - σ(b) = σ(a) σ(-b) (1 - exp(b - a)), nothing cancels far from the thresholds:

        log P(l_k) = log σ(θ_k - κ z) + log σ(κ z - θ_{k-1}) + log(1 - exp(θ_{k-1} - θ_k)),

    the terms with θ_0 = -∞ and θ_K = ∞ being 0. θ_1 and the logarithms of the gaps between neighbours are the weights,
    so the thresholds stay in order.

    Args:
        thresholds: the initial θ_1 < ... < θ_{K-1}.

    Shapes: float32 (batch, 1) -> (batch, K).
    """

    def __init__(self, thresholds: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial = [float(threshold) for threshold in thresholds]

    def build(self, input_shape: Any = None) -> None:
        first, gaps = self.initial[:1], [b - a for a, b in zip(self.initial, self.initial[1:], strict=False)]
        self.first = self.add_weight(name="first", shape=(1,), initializer=_constant(first))
        if gaps:
            logs = [math.log(gap) for gap in gaps]
            self.log_gaps = self.add_weight(name="log_gaps", shape=(len(gaps),), initializer=_constant(logs))
        self.built = True

    @property
    def thresholds(self) -> Any:
        """θ, float32 (K - 1,)."""
        if len(self.initial) == 1:
            return self.first.value
        return ops.concatenate([self.first, self.first + ops.cumsum(ops.exp(self.log_gaps))])

    def call(self, z: Any) -> Any:
        distance = self.thresholds - LOGISTIC_STD * ops.reshape(z, (-1, 1))  # (batch, K - 1)
        none = ops.zeros_like(distance[:, :1])
        rest = ops.softplus(-ops.abs(distance))  # log σ(±d) = min(±d, 0) - log(1 + exp(-|d|))
        log_p = ops.concatenate([ops.minimum(distance, 0.0) - rest, none], axis=1)
        log_p += ops.concatenate([none, ops.minimum(-distance, 0.0) - rest], axis=1)
        if len(self.initial) > 1:
            between = ops.log(-ops.expm1(-ops.exp(self.log_gaps)))  # (K - 2,)
            log_p += ops.pad(between, (1, 1))
        return log_p

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        return (input_shape[0], len(self.initial) + 1)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"thresholds": self.initial}


@keras.saving.register_keras_serializable(package=PACKAGE)
class ClassLogits(keras.layers.Layer):
    """log P(r = l_k) = log softmax_k(c_k + φ_k z).

    Args:
        offsets: initial values of c_k.
        scores: initial values of φ_k.

    Shapes: float32 (batch, 1) -> (batch, K).
    """

    def __init__(self, offsets: Sequence[float], scores: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.initial = {"offsets": list(map(float, offsets)), "scores": list(map(float, scores))}

    def build(self, input_shape: Any = None) -> None:
        self.offsets, self.scores = (
            self.add_weight(name=name, shape=(len(values),), initializer=_constant(values))
            for name, values in self.initial.items()
        )
        self.built = True

    def call(self, z: Any) -> Any:
        return ops.log_softmax(self.offsets + self.scores * ops.reshape(z, (-1, 1)), axis=-1)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, int]:
        return (input_shape[0], len(self.initial["offsets"]))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | self.initial


@keras.saving.register_keras_serializable(package=PACKAGE)
class ExpectedRating(keras.layers.Layer):
    """E[r] = Σ_k l_k P(r = l_k) of log P(r = l_k).

    Args:
        levels: possible ratings l_k, ascending.

    Shapes: float32 (batch, K) -> (batch,).
    """

    def __init__(self, levels: Sequence[float], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.levels = [float(level) for level in levels]

    def call(self, log_p: Any) -> Any:
        # Rounding must not lead out of the scale.
        return ops.clip(_expected(log_p, self.levels), self.levels[0], self.levels[-1])

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None]:
        return (input_shape[0],)

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"levels": self.levels}


class NegativeLogLikelihood(keras.losses.Loss):
    """-log P(r), of ratings (batch,) and log P(r = l_k) (batch, K), averaged over the batch.

    Args:
        levels: possible ratings l_k, ascending; every rating is one of them.
    """

    def __init__(self, levels: Sequence[float]) -> None:
        super().__init__(name="negative_log_likelihood")
        self.levels = list(levels)

    def call(self, ratings: Any, log_p: Any) -> Any:
        return -ops.take_along_axis(log_p, level_of(ratings, self.levels)[:, None], axis=-1)[:, 0]


class ExpectedRMSE(keras.metrics.RootMeanSquaredError):
    """RMSE of the expected rating."""

    def __init__(self, levels: Sequence[float], name: str) -> None:
        super().__init__(name=name)
        self.levels = list(levels)

    def update_state(self, ratings: Any, log_p: Any, sample_weight: Any = None) -> None:
        super().update_state(ratings, _expected(log_p, self.levels), sample_weight)


class ProbabilityAUC(keras.metrics.AUC):
    """Area under the ROC curve of the probability of the highest of two ratings."""

    def __init__(self, levels: Sequence[float], name: str) -> None:
        super().__init__(name=name)
        self.levels = list(levels)

    def update_state(self, ratings: Any, log_p: Any, sample_weight: Any = None) -> None:
        super().update_state(level_of(ratings, self.levels), ops.exp(log_p[:, -1]), sample_weight)


def _mean_of(error: Callable[[Any, Any, list[float]], Any]) -> Callable[..., keras.metrics.Metric]:
    def metric(levels: Sequence[float], name: str) -> keras.metrics.Metric:
        return keras.metrics.MeanMetricWrapper(lambda ratings, log_p: error(ratings, log_p, list(levels)), name=name)

    return metric


def _absolute_error(ratings: Any, log_p: Any, levels: list[float]) -> Any:
    return ops.abs(ops.reshape(ratings, (-1,)) - _expected(log_p, levels))


def _hit(ratings: Any, log_p: Any, levels: list[float]) -> Any:
    return ops.cast(ops.equal(ops.argmax(log_p, axis=-1), level_of(ratings, levels)), "float32")


METRICS: dict[str, Callable[..., keras.metrics.Metric]] = {
    "rmse": ExpectedRMSE,
    "mae": _mean_of(_absolute_error),
    "accuracy": _mean_of(_hit),
    "auc": ProbabilityAUC,
}


def level_of(ratings: Any, levels: Sequence[float]) -> Any:
    """The number k of the level nearest to each rating, int32 (batch,)."""
    distance = ops.abs(ops.reshape(ratings, (-1, 1)) - tf.constant(levels, tf.float32))
    return ops.cast(ops.argmin(distance, axis=-1), "int32")


def _expected(log_p: Any, levels: Sequence[float]) -> Any:
    return ops.sum(ops.exp(log_p) * tf.constant(levels, tf.float32), axis=-1)


def _constant(values: Sequence[float]) -> Callable[..., Any]:
    return lambda shape, dtype=None: ops.convert_to_tensor(values, dtype=dtype)
