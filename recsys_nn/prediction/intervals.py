"""Prediction intervals whose coverage is calibrated on held-out ratings (split conformal prediction).

    interval of r_ui at a level    r̂_ui ± q_g σ_ui, cut off at the ends of the rating scale
    score of a held-out rating     |r_ui - r̂_ui| / σ_ui
    q_g                            the ⌈(n + 1) level⌉-th smallest of the n scores of group g

Where held-out ratings and those to come are exchangeable, the interval holds the rating with at least the probability
``level``, whatever the model and however wrong its σ (Vovk, Gammerman & Shafer 2005, "Algorithmic learning in a random
world"; Lei et al. 2018, "Distribution-free predictive inference for regression"). σ makes it as wide as each rating
needs (normalised scores; Papadopoulos et al. 2002, "Inductive confidence machines for regression"):

    σ_ui² = β_0 s_ui² + β_1 + β_2 κ / (κ + n_u) + β_3 κ / (κ + n_i)

with s_ui the standard deviation that the model itself gives (``Predictor.predict_row_std``), n_u and n_i how often user
and item were rated in training, κ = 20, and β ≥ 0 by least squares on the squared held-out residuals: what is estimated
from n ratings varies in proportion to κ / (κ + n) around the truth.

The groups (Mondrian: Vovk et al. 2003) are what a prediction rests on: ``model``, ``user``, ``item``, ``global``. Held
out at random, hardly a rating is of an unknown id. So every held-out rating is also predicted with its user, its item
and both taken for unknown. Its score then counts 1 / n_u, 1 / n_i, 1 / (n_u n_i), so that every id counts alike, the
rarely rated ones too, whom new ones resemble (weighted conformal prediction: Tibshirani et al. 2019, "Conformal
prediction under covariate shift"), and n in the rule above is (Σ w)² / Σ w² (Kish 1965, "Survey sampling").
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from recsys_nn.encoding import SOURCES, Counts, Side, kept_counts, source_codes

Floats = npt.NDArray[np.float64]
_Variance = Annotated[float, Field(ge=0)]

MASKS: dict[str, tuple[Side, ...]] = {
    "": (),
    "_without_user": ("user",),
    "_without_item": ("item",),
    "_without_both": ("user", "item"),
}
"""The ends of columns' names, and which ids are taken for unknown there."""
MAX_QUANTILES = 1000
SHRINKAGE = 20.0
"""κ, in ratings."""
MASKED_SHARE = 0.1
"""How much a rating counts for β where an id is taken for unknown: the ratings as they are decide."""
MIN_STD = 0.001
"""The smallest σ, as a share of the scale's width: a model without error on the held-out ratings is not trusted."""


class Scores(BaseModel):
    """The scores of a group, as quantiles.

    Args:
        n: the number of scores; where they have weights, the effective one.
        quantiles: scores at the shares 1/m, 2/m, ..., 1, ascending; m is their number, or 1000 if that is less.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    n: float = Field(ge=0)
    quantiles: tuple[Annotated[float, Field(ge=0)], ...] = Field(max_length=MAX_QUANTILES)

    @model_validator(mode="after")
    def _ascend(self) -> Scores:
        if list(self.quantiles) != sorted(self.quantiles) or bool(self.quantiles) != (self.n > 0):
            raise ValueError("the quantiles must ascend, and be there where there are scores")
        return self

    @classmethod
    def of(cls, scores: Floats, weights: Floats) -> Scores:
        """Takes the quantiles of scores (n,) with positive weights (n,)."""
        if not len(scores):
            return cls(n=0, quantiles=())
        order = np.argsort(scores, kind="stable")
        shares = np.cumsum(weights[order]) / weights.sum()
        m = min(len(scores), MAX_QUANTILES)
        places = np.searchsorted(shares, np.arange(1, m + 1) / m - 1e-9)
        n = weights.sum() ** 2 / np.square(weights).sum()
        return cls(n=float(n), quantiles=tuple(scores[order][places].tolist()))

    def quantile(self, level: float) -> float:
        """The ⌈(n + 1) level⌉-th smallest score; infinite where there are too few for the level."""
        place = max(1, math.ceil(level * (1 + 1 / self.n) * len(self.quantiles) - 1e-9)) if self.n else 1
        return self.quantiles[place - 1] if place <= len(self.quantiles) else math.inf


class Calibration(BaseModel):
    """Calibration of prediction intervals: all that they need beside the model.

    Args:
        variance: β_0, ..., β_3 of σ², the last three in squared rating units.
        scores: scores of each group, by its name.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    variance: tuple[_Variance, _Variance, _Variance, _Variance]
    scores: dict[str, Scores]

    @field_validator("scores")
    @classmethod
    def _of_every_group(cls, scores: dict[str, Scores]) -> dict[str, Scores]:
        if set(scores) != set(SOURCES):
            raise ValueError(f"the groups must be {', '.join(SOURCES)}, not {', '.join(scores)}")
        return scores

    @classmethod
    def of(cls, held_out: pd.DataFrame, scale: tuple[float, float]) -> Calibration:
        """Fits a calibration to what a model predicted of ratings that it was not trained on.

        Choosing the model's best epoch by the same ratings does little harm.

        Args:
            held_out: table of these predictions (``prediction/held_out.py``).
            scale: (lowest, highest) possible rating.
        """
        from scipy.optimize import nnls

        table = pd.concat([_without(held_out, end, masked) for end, masked in MASKS.items()])
        counts = kept_counts(table)
        errors, terms = (table["rating"] - table["prediction"]).abs().to_numpy(), _terms(table["std"], counts)
        importance, weights = np.sqrt(table["importance"].to_numpy()), table["weight"].to_numpy()
        variance, _ = nnls(terms * importance[:, None], np.square(errors) * importance)
        scores, sources = errors / _std(variance, terms, scale), source_codes(counts)
        groups = {name: sources == code for code, name in enumerate(SOURCES)}
        return cls(
            variance=tuple(variance.tolist()),
            scores={name: Scores.of(scores[inside], weights[inside]) for name, inside in groups.items()},
        )

    def bounds(
        self,
        predicted: npt.ArrayLike,
        std: npt.ArrayLike,
        counts: Mapping[Side, Counts],
        scale: tuple[float, float],
        level: float,
    ) -> tuple[Floats, Floats]:
        """The ends (n,) of r̂_ui ± q_g σ_ui of n predictions, within the rating scale.

        Args:
            predicted: predicted ratings r̂, (n,).
            std: the model's standard deviations s, (n,).
            counts: n_u and n_i, (n,) each.
            scale: (lowest, highest) possible rating.
            level: the share of the ratings that shall lie in their intervals.
        """
        quantiles = np.array([self.scores[name].quantile(level) for name in SOURCES])
        margins = quantiles[source_codes(counts)] * _std(np.array(self.variance), _terms(std, counts), scale)
        return np.maximum(np.asarray(predicted) - margins, scale[0]), np.minimum(
            np.asarray(predicted) + margins, scale[1]
        )


def _terms(std: npt.ArrayLike, counts: Mapping[Side, Counts]) -> Floats:
    """Terms that β is multiplied with, (n, 4)."""
    own = np.square(std, dtype=np.float64)
    return np.column_stack([own, np.ones_like(own), *(SHRINKAGE / (SHRINKAGE + counts[side]) for side in counts)])


def _std(variance: Floats, terms: Floats, scale: tuple[float, float]) -> Floats:
    lowest, highest = scale
    return np.maximum(np.sqrt(terms @ variance), MIN_STD * (highest - lowest))


def _without(held_out: pd.DataFrame, end: str, masked: tuple[Side, ...]) -> pd.DataFrame:
    """The ratings whose ids on the ``masked`` sides are known, as if these were not; with the ``weight`` of their
    scores, and the ``importance`` of each for β."""
    names = [f"{side}_ratings" for side in masked]
    known = held_out[(held_out[names] > 0).all(axis=1)]
    return known.assign(
        prediction=known[f"prediction{end}"],
        std=known[f"std{end}"],
        weight=1 / known[names].astype("float64").prod(axis=1),
        importance=MASKED_SHARE if masked else 1.0,
        **dict.fromkeys(names, 0),
    )
