"""The strengths of penalties on tables of vectors, learned from the vectors themselves.

A penalty on a table v, (rows, dim), is in nats a normal prior of some precision c for each coordinate of its vectors.
Here each dimension d has one of its own, f_d c. Given a sample of the posterior, of which n_r vectors are in use, f_d
has a Gamma distribution, and under a Gamma prior that is worth ν rows and has the mean 1 its mean is

    f_d = (n_r + ν) / (c Σ_r v_rd² + ν).

(Salakhutdinov & Mnih 2008, "Bayesian probabilistic matrix factorization using Markov chain Monte Carlo". A precision
for each dimension turns off those that a table has no use for, as in Neal 1996, "Bayesian learning for neural
networks".)
"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from recsys_nn.posterior.curvature import Arrays, slopes_of, summed
from recsys_nn.tensors import TrainingPart
from recsys_nn.training import Objective

RULE_ROWS = 10.0
"""Rows ν that the Gamma prior is worth."""


class LearnedPenalties:
    """The penalties of an objective as priors, those on tables of vectors with a factor f for each dimension.

    A penalty is learned where it is λ Σ v² with the same λ for all vectors in use; others stay as they are.

    Args:
        objective: the objective of the model.
        train: the training part, n examples.
        nats: the negative log-likelihood that a unit of an example's loss stands for.

    Attributes:
        factors: f, for each trainable variable (dim,), or 1 where nothing is learned.
    """

    def __init__(self, objective: Objective, train: TrainingPart, *, nats: float) -> None:
        self._variables = objective.model.trainable_variables
        at, bends = _slopes_and_bends(objective, train)
        scale = nats * len(train)
        self._fixed = [np.float32(scale) * bend for bend in bends]
        values = [variable.numpy() for variable in self._variables]
        self._strengths = [scale * _strength(*of_one) for of_one in zip(values, at, bends, strict=True)]
        self.forget()

    def forget(self) -> None:
        """Resets the penalties to those of the objective."""
        self.factors = [
            np.ones(variable.shape[-1:] if strength else (), np.float32)
            for variable, strength in zip(self._variables, self._strengths, strict=True)
        ]

    @property
    def precisions(self) -> Arrays:
        """Precisions of the priors, an array for each trainable variable."""
        return [fixed * factors for fixed, factors in zip(self._fixed, self.factors, strict=True)]

    @property
    def beyond(self) -> Arrays:
        """Precision of the priors beyond that of the objective's penalties, shaped as ``factors``."""
        return [
            np.float32(strength) * (factors - 1)
            for strength, factors in zip(self._strengths, self.factors, strict=True)
        ]

    def learn(self) -> None:
        """Sets the factors f to their mean given the present weights."""
        for place, (variable, strength) in enumerate(zip(self._variables, self._strengths, strict=True)):
            if strength:
                table = variable.numpy().astype(np.float64)
                in_use = np.count_nonzero(table.any(axis=1))
                found = (in_use + RULE_ROWS) / (strength * np.square(table).sum(axis=0) + RULE_ROWS)
                self.factors[place] = found.astype(np.float32)


def _strength(table: Any, slopes: Any, bends: Any) -> float:
    """Strength of penalties (strength / 2) Σ v² on the vectors in use of a table; 0 where they are not of this form."""
    if table.ndim != 2:
        return 0.0
    in_use = table.any(axis=1)
    if not in_use.any():
        return 0.0
    strength = float(bends[in_use].mean())
    same = np.allclose(bends[in_use], strength, rtol=0.01)
    square = np.allclose(slopes, strength * table, rtol=0.01, atol=0.01 * strength * np.abs(table).max())
    return strength if strength > 0 and same and square else 0.0


def _slopes_and_bends(objective: Objective, train: TrainingPart) -> tuple[Arrays, Arrays]:
    """Derivatives ∂/∂θ and ∂²/∂θ² of the objective's penalties for every weight θ; exact for sums of squares."""
    model = objective.model

    def total(inputs: Any, targets: Any, share: Any) -> Any:
        model(inputs, training=True)
        return tf.add_n([tf.constant(0.0), *model.losses]) * share

    slopes, variables = slopes_of(total, model), model.trainable_variables

    def here() -> Arrays:
        return summed(slopes, train, lambda n: np.array(n / len(train), np.float32))

    at, weights = here(), [variable.numpy() for variable in variables]
    for variable, values in zip(variables, weights, strict=True):
        variable.assign(values + 1)
    moved = here()
    for variable, values in zip(variables, weights, strict=True):
        variable.assign(values)
    return at, [there - before for there, before in zip(moved, at, strict=True)]
