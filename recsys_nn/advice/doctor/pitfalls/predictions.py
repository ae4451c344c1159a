"""Pitfalls that predictions show."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from recsys_nn.advice.doctor.evidence import Evidence
from recsys_nn.advice.doctor.finding import Finding
from recsys_nn.evaluation import rmse
from recsys_nn.prediction import BASELINES

CONSTANT = 0.05
"""The spread of predictions over that of ratings, below which they say the same of all."""
UNKNOWN = 0.2
"""The share of pairs with an unknown user or item from which on it matters."""


def nearly_constant(evidence: Evidence) -> Iterator[Finding]:
    """Finds a model that predicts nearly the same for every pair."""
    if evidence.judged is None or evidence.is_baseline:
        return
    name, table = evidence.judged
    ratings, predictions = float(table["rating"].std()), float(table["prediction"].std())
    if ratings and predictions < CONSTANT * ratings:
        yield Finding(
            "predictions-constant",
            "warning",
            "Predictions are nearly the same for all pairs: the model has learnt little more than the mean.",
            f"On the {name} part, predictions have standard deviation {predictions:.3g}, and ratings {ratings:.3g}.",
            "Check the learning rate and the number of epochs, or weaken the penalties (model.l2: null fits them to "
            "the table).",
        )


def worse_than_bias(evidence: Evidence) -> Iterator[Finding]:
    """Finds a model that predicts worse than biases of users and items alone, by more than a standard error."""
    if evidence.judged is None or evidence.is_baseline:
        return
    name, table = evidence.judged
    errors = [np.square(table["rating"] - table[column]) for column in ("prediction", BASELINES["bias"])]
    worse = errors[0] - errors[1]
    if len(table) > 1 and worse.mean() > worse.std() / math.sqrt(len(table)):
        own, bias = (rmse(table["rating"], table[column]) for column in ("prediction", BASELINES["bias"]))
        yield Finding(
            "worse-than-bias",
            "warning",
            "The closed-form biases of users and items predict better than the model.",
            f"On {len(table):,} ratings of the {name} part, the model has RMSE {own:.4f}, the biases {bias:.4f}.",
            "Mend the other findings first. If there are none, use fewer dimensions or a stronger penalty, or start "
            "from `recsys-nn suggest`.",
        )


def unknown_ids(evidence: Evidence) -> Iterator[Finding]:
    """Finds that many pairs are of users or items that were not rated in training."""
    sources = dict(evidence.sources)
    what = "pairs to be predicted"
    if not sources and "test" in evidence.tables:
        table, what = evidence.tables["test"], "ratings of the test part"
        known = 2 * (table["user_ratings"] > 0) + (table["item_ratings"] > 0)
        sources = {"model": int((known == 3).sum()), "user": int((known == 2).sum()), "item": int((known == 1).sum())}
        sources["global"] = len(table) - sum(sources.values())
    total = sum(sources.values())
    if total and (unknown := total - sources["model"]) / total > UNKNOWN:
        yield Finding(
            "unknown-ids",
            "warning",
            "Many pairs have a user or an item without training ratings: the model predicts them from means or "
            "features alone.",
            f"{unknown / total:.1%} of {total:,} {what} have unknown ids: {sources['item']:,} an unknown user, "
            f"{sources['user']:,} an unknown item, {sources['global']:,} both.",
            "Check that ids are written as in training. Train on ratings of these ids, give them features, or pass "
            "their ratings to predictor.with_history.",
        )
