"""Folding in: rows for new users and items, fitted to their ratings while everything else stays as it was trained.

The row θ_u of a new user (its vectors and its bias in all tables) minimises the user's share of the objective,

    Σ_{i ∈ R(u)} (r_ui - r̂_ui(θ_u))² + n λ ‖θ_u‖²

with the penalties λ of the n training ratings; so for items. Each step replaces r̂ by its linearisation, solves the
ridge regression, and is damped where the error has grown instead (Levenberg 1944; Marquardt 1963). Where r̂ is linear in
θ_u, as under every product of vectors, the first step is the solution (Koren 2008 and Rendle & Schmidt-Thieme 2008,
"Online-updating regularized kernel matrix factorization models", fold in by gradient steps). A table that is trained
without a penalty is fitted with that of its rule: few ratings do not determine a row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data import Ratings
from recsys_nn.encoding import SeenRatings, Side
from recsys_nn.errors import DataError
from recsys_nn.hooks import FoldsIn, layers_with, network_of, sides_of
from recsys_nn.models import BIAS_PRIOR, FactorConfig
from recsys_nn.prediction.core import PredictorCore
from recsys_nn.prediction.new_ids.extend import P, checked_ratings, extended, newly_known

if TYPE_CHECKING:
    import keras

    from recsys_nn.models import FactorEmbedding

STEPS = 20
TOLERANCE = 1e-4
"""Of the share of the error that a step is expected to save: below it, it is not made."""
PAIRS = 2**17
"""The most ratings that are fitted at once, if a single id has not more."""

Floats = npt.NDArray[np.float64]


def fold_in(predictor: P, ratings: pd.DataFrame | Ratings) -> P:
    """Fits rows for new ids, as :meth:`Predictor.fold_in` documents."""
    encoder = predictor.encoder
    table = checked_ratings(ratings, encoder)
    pairs = newly_known(encoder, table)
    if not any(map(len, pairs.values())):
        raise DataError(
            f"none of the {len(table)} ratings has a new user with a known item, or a new item with a known user: "
            "learn from ratings of known ids with predictor.update(ratings)"
        )
    larger = extended(predictor, pairs)
    fit_new_rows(larger, pairs, encoder.n_ratings)
    if larger.seen is not None:
        larger.seen = larger.seen.joined(SeenRatings.of(larger.encoder, pairs.values()))
    return larger


def fit_new_rows(larger: PredictorCore, pairs: Mapping[Side, pd.DataFrame], n_ratings: int) -> None:
    """Fits the rows that a predictor has been given for new ids, in place.

    Args:
        larger: predictor that :func:`extended` has made.
        pairs: ratings of each side's new ids with known ids of the other side.
        n_ratings: number n of training ratings.
    """
    for side, found in pairs.items():
        if len(found):
            inputs = larger.encoder.encode_pairs(found["user"], found["item"], context=found.reset_index(drop=True))
            _fit(larger, side, inputs, found["rating"].to_numpy(np.float64), n_ratings)


def _fit(predictor: PredictorCore, side: Side, inputs: Mapping[str, Any], ratings: Floats, n_ratings: int) -> None:
    """Fits the rows of the side that are in the inputs."""
    network = network_of(predictor.model)
    closed_forms = list(layers_with(network.layers, FoldsIn))
    for layer in closed_forms:
        layer.fold_in(side, inputs, ratings)
    sides = sides_of(network)
    if sides is None and not closed_forms:
        raise DataError(f"nothing of a new {side} can be fitted, as this model was not built by Parts.model")
    tables = () if sides is None else sides.tables[side]
    if not tables:
        return
    fitting = _Fitting(_unclipped(network), tables, _penalties(tables, predictor, n_ratings))
    for _ in _members(predictor, tables):
        for part in _parts(inputs[side]):
            fitting.fit({name: values[part] for name, values in inputs.items()}, inputs[side][part], ratings[part])


def _members(predictor: PredictorCore, tables: Sequence[FactorEmbedding]) -> Iterator[None]:
    """Gives the network the weights of each member of an average in turn, and the member its fitted rows."""
    model, network = predictor.model, network_of(predictor.model)
    if model is network:
        yield
        return
    places = {id(variable): place for place, variable in enumerate(network.trainable_variables)}
    for member in range(model.n_members):
        for variable, stack in zip(network.trainable_variables, model.stacks, strict=True):
            variable.assign(stack.value[member])
        yield
        for table in tables:
            stack = model.stacks[places[id(table.embeddings)]]
            stack.value.scatter_nd_update([[member]], [table.embeddings.value])


def _penalties(tables: Sequence[FactorEmbedding], predictor: PredictorCore, n_ratings: int) -> Floats:
    """n λ of each column of the rows."""
    encoder, config = predictor.encoder, predictor.config
    assert isinstance(config, FactorConfig)
    curvature = config.head_for(encoder).curvature(encoder)
    penalties = []
    for table in tables:
        of_rule = BIAS_PRIOR if table.name.endswith("_bias") else config.prior
        penalty = n_ratings * table.l2 / curvature or of_rule * encoder.rating_std**2
        penalties.append(np.full(table.dim, penalty))
    return np.concatenate(penalties)


def _unclipped(network: keras.Model) -> Callable[[Any], Any]:
    """The network's ratings, (batch,); where the head is linear, before they are cut off at the ends of the scale."""
    from recsys_nn.models import RatingScale

    head = network.get_layer("rating")
    if type(head) is not RatingScale:
        return network
    latent = network.sides.latent_network
    return lambda inputs: head(latent(inputs, training=False), training=True)


def _parts(rows: npt.NDArray[np.int32]) -> Iterator[npt.NDArray[np.int64]]:
    """The places of the ratings, by their rows, in parts that hold all ratings of each of their rows."""
    order = np.argsort(rows, kind="stable")
    ends = np.flatnonzero(np.diff(rows[order], append=-1)) + 1
    first = 0
    while first < len(order):
        fitting = ends[(ends > first) & (ends <= first + PAIRS)]
        last = int(fitting[-1] if len(fitting) else ends[ends > first][0])
        yield order[first:last]
        first = last


@dataclass(eq=False)
class _Fitting:
    """Levenberg-Marquardt for the rows of many users at once, each with its own damping.

    Attributes:
        ratings: function from inputs to ratings (batch,).
        tables: tables of the side, of which each row is looked up once a rating.
        penalties: n λ for each column of a row, all tables' side by side, (dim,).
    """

    ratings: Callable[[Any], Any]
    tables: Sequence[FactorEmbedding]
    penalties: Floats

    def fit(self, inputs: Mapping[str, Any], rows: npt.NDArray[np.int32], targets: Floats) -> None:
        """Fits the rows, which come in order, to the ratings with these inputs; all (n,)."""
        import tensorflow as tf

        given = {name: tf.constant(values) for name, values in inputs.items()}
        owners, firsts = np.unique(rows, return_index=True)
        spans = [slice(*ends) for ends in zip(firsts, [*firsts[1:], len(rows)], strict=True)]
        theta = np.zeros((len(owners), len(self.penalties)))
        damping = np.zeros(len(owners))
        state = self._at(theta, owners, given, targets, firsts)
        for _ in range(STEPS):
            error, jacobian, cost = state
            gradient = np.stack([jacobian[span].T @ error[span] for span in spans]) - self.penalties * theta
            normal = np.stack([jacobian[span].T @ jacobian[span] for span in spans]) + np.diag(self.penalties)
            diagonal = np.einsum("ujj->uj", normal)
            diagonal += damping[:, None] * diagonal
            step = np.linalg.solve(normal, gradient[..., None])[..., 0]
            if np.all(np.sum(step * gradient, axis=1) <= TOLERANCE * cost):
                break
            tried = self._at(theta + step, owners, given, targets, firsts)
            better = tried[2] < cost
            theta = np.where(better[:, None], theta + step, theta)
            damping = np.where(better, damping / 10, np.maximum(10 * damping, 0.01))
            at_rating = np.repeat(better, np.diff([*firsts, len(rows)]))
            state = (
                np.where(at_rating, tried[0], error),
                np.where(at_rating[:, None], tried[1], jacobian),
                np.where(better, tried[2], cost),
            )
        self._write(theta, owners)

    def _at(
        self, theta: Floats, owners: Any, given: Any, targets: Floats, firsts: Any
    ) -> tuple[Floats, Floats, Floats]:
        """r - r̂ (n,), ∂r̂/∂θ (n, dim) and the objective of each owner, with these rows."""
        self._write(theta, owners)
        ratings, *slopes = (np.asarray(values, np.float64) for values in self._linearised(given))
        error = targets - ratings
        cost = np.add.reduceat(np.square(error), firsts) + np.sum(self.penalties * np.square(theta), axis=1)
        return error, np.hstack(slopes), cost

    def _write(self, theta: Floats, owners: Any) -> None:
        first = 0
        for table in self.tables:
            table.embeddings.value.scatter_nd_update(owners[:, None], theta[:, first : first + table.dim].astype("f4"))
            first += table.dim

    def __post_init__(self) -> None:
        import tensorflow as tf

        @tf.function(reduce_retracing=True, autograph=False)
        def linearised(given: Any) -> Any:
            """The ratings, and their slopes in the rows of each table. (A rating depends on one row of each alone, so
            the gradient of their sum has the slope of each in its own slice.)"""
            tables = [table.embeddings.value for table in self.tables]
            with tf.GradientTape() as tape:
                ratings = tf.reshape(self.ratings(given), (-1,))
            return [ratings, *(slices.values for slices in tape.gradient(ratings, tables))]

        self._linearised = linearised
