"""Common parts of every kind f(p_u, q_i): factors and biases of both sides, side features, and a head.

    z_ui = a_u + b_i + f(p_u, q_i)        rating = head(z_ui), by default μ + s z_ui

A user's features x (each value j with its weight) and those of the rating itself, c, join the vectors and biases:

    p_u = P_u + Σ_j x_uj V_j + Σ_j c_j C_j       a_u = A_u + Σ_j x_uj w_j + Σ_j c_j w'_j

and so for items, each side with tables of its own. So a user or item without ratings is still known by its features.
Where users drift in time, (1 - g) D_uj + g D_u,j+1 is added to a_u, a linear spline in the user's own time
(``encoding/drift.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import numpy.typing as npt
from pydantic import Field

from recsys_nn.encoding import SIDES, Encoder, Side
from recsys_nn.models.base import ModelConfig
from recsys_nn.models.heads import Head, HeadConfig, RegressionHead, with_head
from recsys_nn.models.sides import Sides
from recsys_nn.training import Accepts, default

if TYPE_CHECKING:
    import keras

    from recsys_nn.models.layers.basic import FactorEmbedding

FEATURE_FACTOR = 50.0
"""Vectors of features, which many ids share, are penalised by so many times the rule for factors."""
MAX_DIMENSIONS = 1024
"""Of vectors, and of what is made of their coordinates: a config that asks for more is a slip, or an attack."""
BIAS_PRIOR, DRIFT_PRIOR = 4.0, 5.0
"""The noise's variance over that of a bias, and over that of a user's drift at a knot."""


class LatentConfig(ModelConfig):
    """Base config of the kinds that learn latent values z.

    Args:
        head: step from z to ratings: regression, bounded, ordinal, multiclass or binary, each with its loss and
            metrics; auto is ordinal where training has at most 20 distinct ratings, each of them five times, else
            regression.
    """

    head: Accepts[Head, str | Mapping[str, Any]] = default(RegressionHead())

    def head_for(self, encoder: Encoder) -> HeadConfig:
        """The head for the ratings that an encoder was fitted to."""
        return self.head.of(encoder)


class FactorConfig(LatentConfig):
    """Base config of the kinds with factors p_u and q_i.

    Args:
        embedding_dim: length of p_u and q_i.
        l2: λ of the penalty λ (Σ_u ‖P_u‖² + Σ_i ‖Q_i‖²) on all factor tables, beside the mean squared error. svd and
            svdpp have their factors in rating units, the other kinds in standard deviations s of the n training
            ratings. None: c s / n and c s² / n, with the kind's own constant c, so that the strength depends neither on
            the size of the table nor on the rating scale.
        bias_l2: λ of the penalty on the biases A_u and B_i, in rating units. None: 4 / n.
        init_std: standard deviation of the initial factors.
        features: whether the side features and the drift that the encoder holds are used.
        feature_l2: the penalty on the vectors and biases of side features. None: fifty times the rule for ``l2``.
        drift_l2: λ of the penalty λ Σ D² on the drift of users at the knots, in rating units. None: 5 / n.
    """

    prior: ClassVar[float] = 10.0
    """c, the noise's variance over the factors'."""
    bilinear: ClassVar[bool] = False
    """Whether p·q is in rating units, and so are p, q, their penalty and initial spread: they are held as p / √s."""

    embedding_dim: int = Field(default=8, ge=1, le=MAX_DIMENSIONS)
    l2: float | None = Field(default=None, ge=0)
    bias_l2: float | None = Field(default=0.0, ge=0)
    init_std: float = Field(default=0.1, gt=0)
    features: bool = True
    feature_l2: float | None = Field(default=None, ge=0)
    drift_l2: float | None = Field(default=None, ge=0)


def id_inputs(encoder: Encoder) -> dict[str, Any]:
    """A model's inputs, those that ``Encoder.encode`` makes: ``user`` and ``item``, int32 (batch,), and, where ratings
    have features of their own, ``context_rows`` (int32) and ``context_weights`` (float32), (batch, slots), and where
    users drift ``drift_rows`` and ``drift_weights``, (batch, 2)."""
    import keras

    inputs: dict[str, Any] = {name: keras.Input(shape=(), dtype="int32", name=name) for name in SIDES}
    slots: dict[str, int] = {}
    if "rating" in encoder.features:
        slots["context"] = sum(encoder.features["rating"].slots)
    if encoder.drift is not None:
        slots["drift"] = 2
    for name, n in slots.items():
        inputs[f"{name}_rows"] = keras.Input(shape=(n,), dtype="int32", name=f"{name}_rows")
        inputs[f"{name}_weights"] = keras.Input(shape=(n,), dtype="float32", name=f"{name}_weights")
    return inputs


class Parts:
    """The parts that a kind puts together, made from its config for the ids and features of an encoder.

    Args:
        config: config of the kind to build.
        encoder: encoder of the ids and features that the model is for.
        tables: names of the model's pairs of factor tables.
    """

    def __init__(self, config: FactorConfig, encoder: Encoder, *, tables: Sequence[str] = ("factors",)) -> None:
        self.config, self.encoder, self._tables = config, encoder, tuple(tables)
        self.inputs = id_inputs(encoder)
        self._head = config.head_for(encoder)
        self._curvature = self._head.curvature(encoder)
        self._vectors: dict[Side, list[Any]] = {side: [] for side in SIDES}
        self._biases: dict[Side, list[Any]] = {side: [] for side in SIDES}
        self._own_tables: dict[Side, list[FactorEmbedding]] = {side: [] for side in SIDES}

    def strength(self, l2: float | None, factor: float = 1.0) -> float:
        """The coefficient of a penalty on vectors as the model holds them.

        Args:
            l2: λ as the config has it; None for the rule.
            factor: multiple of the rule to take.
        """
        s = self.encoder.rating_std
        if l2 is None:
            return self._curvature * factor * self.config.prior * s**2 / self.encoder.n_ratings
        return self._curvature * l2 * (s if self.config.bilinear else 1)

    @property
    def init_std(self) -> float:
        """The spread of initial factors as the model holds them."""
        return self.config.init_std / (self.encoder.rating_std**0.5 if self.config.bilinear else 1)

    def factors(self, name: str = "factors") -> tuple[Any, Any]:
        """p and q of a pair of tables, features included, each (batch, embedding_dim)."""
        return self.factors_of("user", name), self.factors_of("item", name)

    def factors_of(self, side: Side, name: str = "factors") -> Any:
        """p or q of a pair of tables, features included, (batch, embedding_dim)."""
        vectors = self.with_features(self._own_factors(side, name), side, name)
        self._vectors[side].append(vectors)
        return vectors

    def with_features(self, vectors: Any, side: Side, name: str = "factors") -> Any:
        """A side's vectors (batch, embedding_dim) and those of its features and of the rating's."""
        first = 1 + self._tables.index(name) * self.config.embedding_dim
        for joined, joining in self._features:
            if joined == side:
                vectors = vectors + joining[:, first : first + self.config.embedding_dim]
        return vectors

    def rated_set(self, side: Side, *, l2: float, init_std: float, of_ratings: bool = False) -> Any:
        """The sum over what a user or an item rated, or who rated it, (batch, embedding_dim); see ``rated_sets.py``."""
        from recsys_nn.models.layers.rated_sets import RatedSet

        encoder = self.encoder
        layer = RatedSet(
            side,
            {name: len(counts) for name, counts in encoder.counts.items()},
            int(encoder.counts[side].sum(dtype="int64")),
            self.config.embedding_dim,
            standard=(encoder.rating_mean, encoder.rating_std) if of_ratings else None,
            l2=l2,
            init_std=init_std,
            name=f"{side}_set",
        )
        return layer(self.inputs[side])

    def biases(self) -> Any:
        """a_u + b_i, features and drift included, (batch, 1)."""
        z = self._own_biases()
        for side, joining in self._features:
            z = z + self.counted(side, joining[:, :1])
        return z

    def fields(self) -> tuple[Any, Any, list[Side]]:
        """The user, the item and each column of features apart: their biases summed, (batch, 1), their vectors,
        (batch, fields, embedding_dim), and the side of each field; features of the rating count for the user's."""
        from keras import ops

        z, dim = self._own_biases(), 1 + self.config.embedding_dim
        for side in SIDES:
            self._vectors[side].append(self._own_factors(side, "factors"))
        vectors = [ops.expand_dims(self._vectors[side][0], 1) for side in SIDES]
        sides: list[Side] = list(SIDES)
        for of in self.encoder.features if self.config.features else ():
            columns = self._feature_vectors(of, dim, name=f"{of}_features", by_column=True)
            side = "item" if of == "item" else "user"
            z = z + self.counted(side, ops.sum(columns[:, :, :1], axis=1))
            vectors.append(columns[:, :, 1:])
            sides += [side] * columns.shape[1]
        return z, ops.concatenate(vectors, axis=1), sides

    def product(self, p: Any, q: Any) -> keras.Model:
        """The model of z = a_u + b_i + p·q, of vectors (batch, dim)."""
        from keras import ops

        return self.model(self.biases() + ops.sum(p * q, axis=-1, keepdims=True), product={"user": p, "item": q})

    def model(self, z: Any, *, product: Mapping[Side, Any] | None = None) -> keras.Model:
        """The model of latent values z (batch, 1).

        Args:
            z: a_u + b_i + f(p_u, q_i).
            product: p and q, (batch, dim) each, where f is their inner product.
        """
        from keras import ops

        model = with_head(self.inputs, z, self._head, self.encoder, name=self.config.kind)
        none = ops.zeros_like(z)
        vectors = product or {
            side: ops.concatenate(found, axis=-1) if found else none for side, found in self._vectors.items()
        }
        biases = {side: sum(found[1:], start=found[0]) if found else none for side, found in self._biases.items()}
        is_product = product is not None
        model.sides = Sides(self.inputs, vectors, biases, z, is_product, self._head.ranks, self._own_tables)
        return model

    def counted(self, side: Side, bias: Any) -> Any:
        """Counts a bias (batch, 1) as a part of its side's, and returns it."""
        self._biases[side].append(bias)
        return bias

    def _drift(self) -> Any:
        """The drift of the user, a part of a_u, (batch, 1)."""
        from keras import ops

        assert self.encoder.drift is not None
        counts, l2 = self.encoder.drift.counts, self._bias_strength(self.config.drift_l2, DRIFT_PRIOR)
        table = _table(counts, 1, l2=l2, init_std=0.0, name="user_drift")
        knots = _looked_up(table, self.inputs["drift_rows"], counts)
        return ops.sum(knots * ops.expand_dims(self.inputs["drift_weights"], -1), axis=1)

    def _own_factors(self, side: Side, name: str) -> Any:
        l2 = self.strength(self.config.l2)
        return self._embedded(side, name, self.config.embedding_dim, l2=l2, init_std=self.init_std)

    def _own_biases(self) -> Any:
        l2 = self._bias_strength(self.config.bias_l2, BIAS_PRIOR)
        a, b = (self.counted(side, self._embedded(side, "bias", 1, l2=l2, init_std=0.0)) for side in SIDES)
        if self.encoder.drift is None or not self.config.features:
            return a + b
        return a + b + self.counted("user", self._drift())

    def _bias_strength(self, l2: float | None, prior: float) -> float:
        """The coefficient of a penalty λ on biases in rating units; None for the rule, prior / n."""
        l2 = prior / self.encoder.n_ratings if l2 is None else l2
        return self._curvature * l2 * self.encoder.rating_std**2

    def _embedded(self, side: Side, name: str, dim: int, *, l2: float, init_std: float) -> Any:
        """The vectors of one side, (batch, dim), from a new table ``<side>_<name>``."""
        counts = self.encoder.counts[side]
        table = _table(counts, dim, l2=l2, init_std=init_std, name=f"{side}_{name}")
        self._own_tables[side].append(table)
        return _looked_up(table, self.inputs[side], counts)

    @cached_property
    def _features(self) -> list[tuple[Side, Any]]:
        """Pairs (side that they join, (batch, 1 + the dims of all tables)) of each side's features."""
        if not self.config.features:
            return []
        dim = 1 + self.config.embedding_dim * len(self._tables)
        joining: list[tuple[Side, Side, str]] = [(side, side, f"{side}_features") for side in SIDES]
        joining += [(side, "rating", f"{side}_context") for side in SIDES]
        return [
            (side, self._feature_vectors(of, dim, name=name))
            for side, of, name in joining
            if of in self.encoder.features
        ]

    def _feature_vectors(self, side: Side, dim: int, *, name: str, by_column: bool = False) -> Any:
        """The vectors of a side's features, (batch, dim) or by column (batch, columns, dim)."""
        from recsys_nn.models.layers.features import FeatureEmbedding, OwnerFeatureEmbedding

        found = self.encoder.features[side]
        options: dict[str, Any] = {
            "slots": found.slots,
            "by_column": by_column,
            "l2": self.strength(self.config.feature_l2, FEATURE_FACTOR),
            "name": name,
        }
        if side == "rating":
            of_rating = FeatureEmbedding(found.n_rows, dim, **options)
            return of_rating(self.inputs["context_rows"], self.inputs["context_weights"])
        layer = OwnerFeatureEmbedding(len(self.encoder.counts[side]), found.n_rows, dim, **options)
        vectors = layer(self.inputs[side])
        assert found.rows is not None
        assert found.weights is not None
        layer.set_features(found.rows, found.weights)
        return vectors


def _table(counts: npt.NDArray[np.integer], dim: int, **options: Any) -> FactorEmbedding:
    from recsys_nn.models.layers.basic import FactorEmbedding

    return FactorEmbedding(len(counts), dim, **options)


def _looked_up(table: FactorEmbedding, rows: Any, counts: npt.NDArray[np.integer]) -> Any:
    """The vectors of rows, (*rows, dim), from a new table, for these counts in training."""
    vectors = table(rows)
    table.set_counts(counts)
    return vectors
