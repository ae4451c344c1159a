"""Heads: from a model's latent values to ratings, with the loss and the metrics that belong to the kind of target.

The problem type decides the output activation, the loss and the metrics together:

    kind         output of the network                    loss                     metrics
    regression   μ + s z                                  squared error            RMSE, MAE
    bounded      lowest + W σ(...), inside the scale      squared error            RMSE, MAE
    ordinal      P(r ≤ l_k) = σ(θ_k - κ z)                -log P(r)                RMSE, MAE, accuracy
    multiclass   P(r = l_k) = softmax_k(c_k + φ_k z)      -log P(r)                RMSE, MAE, accuracy
    binary       P(r = highest) = σ(κ z - θ)              -log P(r)                AUC, accuracy
    auto         ordinal or regression, as the ratings are

l_1 < l_2 < ... are the ratings that training has seen. Every head predicts in rating units: those with probabilities
predict the expected rating Σ_k l_k P(r = l_k), which for liked (1) or not (0) is the probability of liking. κ = π/√3 is
the standard deviation of the logistic distribution, so that z is in about the same unit under every head.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, get_args

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, core_schema

from recsys_nn.encoding import Encoder
from recsys_nn.errors import ConfigError, DataError
from recsys_nn.tensors import TrainingPart

if TYPE_CHECKING:
    import keras


Floats = npt.NDArray[np.float32]
MAX_LEVELS, MIN_COUNT = 20, 5
"""With more distinct ratings, or fewer of one, ``auto`` has no thresholds between them."""


@dataclass(frozen=True, eq=False)
class Likelihood:
    """Training target of a model with probabilities: another model of the same layers, and its loss and metrics.

    Attributes:
        model: network from the same inputs to log P(r = l_k), float32 (batch, levels).
        levels: the ratings l_k, ascending.
        metric_names: names of the metrics that are reported.
    """

    model: keras.Model
    levels: tuple[float, ...]
    metric_names: tuple[str, ...]
    loss_name = "negative log-likelihood"

    def loss(self) -> keras.losses.Loss:
        from recsys_nn.models.layers.likelihood import NegativeLogLikelihood

        return NegativeLogLikelihood(self.levels)

    def metrics(self) -> list[keras.metrics.Metric]:
        from recsys_nn.models.layers.likelihood import METRICS

        return [METRICS[name](self.levels, name=name) for name in self.metric_names]


def refuse_targets(part: TrainingPart, name: str, fits: Callable[[Floats], npt.NDArray[np.bool_]], what: str) -> None:
    """Raises a DataError that names the first target of a part which does not fit a head.

    Args:
        part: ratings to train on or to validate by.
        name: name of the part, for the error.
        fits: function that tells which targets (n,) fit.
        what: what is wrong with the others.
    """
    for block in part.blocks(batch_size=1):
        good = fits(block.tensors.targets)
        if not good.all():
            raise DataError(f"the {name} part has the rating {block.tensors.targets[~good][0]:g}, which is {what}")


class HeadConfig(BaseModel):
    """Base config of all heads."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    ranks: ClassVar[bool] = True
    """Whether the rating is an increasing function of z."""

    kind: str

    def of(self, encoder: Encoder) -> HeadConfig:
        """The head for these ratings: this one, unless it is the ratings that decide."""
        return self

    def curvature(self, encoder: Encoder) -> float:
        """Curvature of the loss in z, as a share of that of the squared error in rating units (s² z²).

        Penalties are weighed by it, so that the same λ has the same strength under every head.
        """
        return 1.0

    def output(self, z: Any, encoder: Encoder) -> tuple[Any, Any | None]:
        """The rating (batch,), and log P(r = l_k) (batch, levels) where there is such, of z (batch, 1)."""
        raise NotImplementedError

    def check_targets(self, part: TrainingPart, name: str, encoder: Encoder) -> None:
        """Raises a DataError where a target of a part does not fit; ``name`` is the part's, for the error."""

    @property
    def metric_names(self) -> tuple[str, ...]:
        """Names of the metrics that are reported beside a loss of probabilities."""
        return ("rmse", "mae", "accuracy")


class RegressionHead(HeadConfig):
    """r = μ + s z, with the mean μ and the standard deviation s of the training ratings."""

    kind: Literal["regression"] = "regression"

    def output(self, z: Any, encoder: Encoder) -> tuple[Any, Any | None]:
        from recsys_nn.models.layers.basic import RatingScale

        return RatingScale(encoder.rating_mean, encoder.rating_std, encoder.scale, name="rating")(z), None


class BoundedHead(HeadConfig):
    """r = lowest + W σ(logit(m) + s z / (W m (1 - m))), m = (μ - lowest) / W, W = highest - lowest.

    So r = μ where z = 0, and dr/dz = s there, as under the regression head.
    """

    kind: Literal["bounded"] = "bounded"

    def output(self, z: Any, encoder: Encoder) -> tuple[Any, Any | None]:
        from recsys_nn.models.layers.basic import BoundedScale

        return BoundedScale(encoder.rating_mean, encoder.rating_std, encoder.scale, name="rating")(z), None

    def check_targets(self, part: TrainingPart, name: str, encoder: Encoder) -> None:
        lowest, highest = encoder.scale

        def inside(targets: Floats) -> npt.NDArray[np.bool_]:
            return (targets >= lowest) & (targets <= highest)

        refuse_targets(part, name, inside, f"outside the scale {lowest:g} to {highest:g} of the head")


class OrdinalHead(HeadConfig):
    """P(r ≤ l_k) = σ(θ_k - κ z), θ_1 < θ_2 < ... learned (McCullagh 1980, "Regression models for ordinal data",
    the proportional odds model; for ratings Koren & Sill 2011, "OrdRec").

    The thresholds start where z = 0 gives the shares of the levels in training.
    """

    kind: Literal["ordinal"] = "ordinal"

    def output(self, z: Any, encoder: Encoder) -> tuple[Any, Any | None]:
        from recsys_nn.models.layers.likelihood import CumulativeLogits, ExpectedRating

        levels, shares = self.levels_and_shares(encoder)
        below = np.cumsum(shares)[:-1]
        log_p = CumulativeLogits(np.log(below / (1 - below)).tolist(), name="log_probabilities")(z)
        return ExpectedRating(levels, name="rating")(log_p), log_p

    def curvature(self, encoder: Encoder) -> float:
        """The Fisher information of the latent value, (1 - Σ π_k³) / 3 with π_k the levels' shares."""
        from recsys_nn.models.layers.likelihood import LOGISTIC_STD

        _, shares = self.levels_and_shares(encoder)
        information = (1 - np.sum(shares**3)) / 3
        return float(LOGISTIC_STD**2 * information / 2 / encoder.rating_std**2)

    def check_targets(self, part: TrainingPart, name: str, encoder: Encoder) -> None:
        levels, _ = self.levels_and_shares(encoder)

        def known(targets: Floats) -> npt.NDArray[np.bool_]:
            return np.isin(targets, np.asarray(levels, dtype=np.float32))

        refuse_targets(part, name, known, f"none of the {len(levels)} that the head was built for ({_listed(levels)})")

    def levels_and_shares(self, encoder: Encoder) -> tuple[tuple[float, ...], npt.NDArray[np.float64]]:
        """The ratings of the training part and the share of each; a ConfigError where the head does not fit them."""
        if encoder.levels is None or encoder.level_counts is None:
            raise ConfigError(
                f"model.head: {self.kind!r} needs ratings with few distinct values, and these have too many: choose "
                "'regression' or 'bounded'"
            )
        counts = np.asarray(encoder.level_counts, dtype=np.float64)
        return encoder.levels, counts / counts.sum()


class MultiClassHead(OrdinalHead):
    """P(r = l_k) = softmax_k(c_k + φ_k z), c and φ learned (Anderson 1984, "Regression and ordered categorical
    variables", the stereotype model).

    The order of the ratings is where the scores φ_k start, (l_k - μ) / s, and training may leave it. c_k starts at the
    log of the level's share, so that z = 0 gives the shares of the levels in training, and r grows by s z there.
    """

    ranks = False
    kind: Literal["multiclass"] = "multiclass"  # type: ignore[assignment]

    def output(self, z: Any, encoder: Encoder) -> tuple[Any, Any | None]:
        from recsys_nn.models.layers.likelihood import ClassLogits, ExpectedRating

        levels, shares = self.levels_and_shares(encoder)
        scores = (np.array(levels) - encoder.rating_mean) / encoder.rating_std
        log_p = ClassLogits(np.log(shares).tolist(), scores.tolist(), name="log_probabilities")(z)
        return ExpectedRating(levels, name="rating")(log_p), log_p

    def curvature(self, encoder: Encoder) -> float:
        """The Fisher information of the latent value, the variance of the scores, which is 1."""
        return 1 / (2 * encoder.rating_std**2)


class BinaryHead(OrdinalHead):
    """P(r = highest) = σ(κ z - θ), for ratings of two values: liked or not (``Ratings.liked`` makes them)."""

    kind: Literal["binary"] = "binary"  # type: ignore[assignment]

    def levels_and_shares(self, encoder: Encoder) -> tuple[tuple[float, ...], npt.NDArray[np.float64]]:
        levels = encoder.levels
        if levels is None or len(levels) != 2:
            found = "more than 100" if levels is None else f"{len(levels)} ({_listed(levels)})"
            raise ConfigError(
                f"model.head: 'binary' needs ratings with two distinct values, and these have {found}: convert them "
                "with ratings.liked(4), in YAML data.liked: 4"
            )
        return super().levels_and_shares(encoder)

    @property
    def metric_names(self) -> tuple[str, ...]:
        return ("auc", "accuracy")


class AutoHead(HeadConfig):
    """The ordinal head where training has at most 20 distinct ratings, each of them five times; else regression."""

    kind: Literal["auto"] = "auto"

    def of(self, encoder: Encoder) -> HeadConfig:
        counts = encoder.level_counts
        has_thresholds = counts and len(counts) <= MAX_LEVELS and min(counts) >= MIN_COUNT
        return OrdinalHead() if has_thresholds else RegressionHead()


class _OrItsName:
    """Annotation that lets a plain kind stand for the head of that kind, in the YAML and in its schema."""

    @staticmethod
    def __get_pydantic_core_schema__(source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        def named(value: Any) -> Any:
            return {"kind": value} if isinstance(value, str) else value

        return core_schema.no_info_before_validator_function(named, handler(source))

    @staticmethod
    def __get_pydantic_json_schema__(schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [handler(schema), {"enum": list(HEADS)}]}


_AnyHead = RegressionHead | BoundedHead | OrdinalHead | MultiClassHead | BinaryHead | AutoHead
HEADS = {head.model_fields["kind"].default: head for head in get_args(_AnyHead)}
Head = Annotated[_AnyHead, Field(discriminator="kind"), _OrItsName]
"""A head by its config or by its kind's name."""


def with_head(inputs: Mapping[str, Any], z: Any, head: HeadConfig, encoder: Encoder, *, name: str) -> keras.Model:
    """The model from ``inputs`` to ratings in their own unit, of latent values z (batch, 1).

    The Trainer uses what the model carries: ``check_targets``, and where the head has probabilities, a
    :class:`Likelihood` as ``likelihood``. Keras saves neither: a model that ``keras.models.load_model`` reads predicts,
    but to be trained on it has to be built anew.
    """
    import keras

    rating, log_p = head.output(z, encoder)
    model = keras.Model(dict(inputs), rating, name=name)
    model.check_targets = partial(head.check_targets, encoder=encoder)
    if log_p is not None:
        assert encoder.levels is not None
        of_levels = keras.Model(dict(inputs), log_p, name=f"{name}_levels")
        model.likelihood = Likelihood(of_levels, encoder.levels, head.metric_names)
    return model


def _listed(levels: tuple[float, ...]) -> str:
    shown = [f"{level:g}" for level in levels]
    return ", ".join(shown if len(shown) <= 10 else [*shown[:4], "...", shown[-1]])
