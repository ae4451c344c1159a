"""Generated ratings whose truth is known: for tests, for teaching, and for what a model can reach at best."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr

from recsys_nn.data.datasets.movielens import GENRE_SEPARATOR
from recsys_nn.data.datasets.synthetic_pairs import draw_pairs
from recsys_nn.data.datasets.synthetic_truth import NONLINEAR_FORMS, Floats, LatentTruth, Positions
from recsys_nn.data.ratings import Ratings
from recsys_nn.errors import DataError, did_you_mean, must_be_one_of

_START = np.datetime64("2020-01-01", "us")
_SECONDS_PER_YEAR = 365.25 * 86_400
_GROUPS = np.array(["artist", "engineer", "manager", "student", "teacher", "other"])
_GENRES = np.array(["action", "comedy", "crime", "documentary", "drama", "family", "horror", "romance"])


def generate(
    *,
    n_users: int = 600,
    n_items: int = 400,
    n_ratings: int = 20_000,
    embedding_dim: int = 4,
    mean: float = 0.65,
    user_bias: float = 0.1,
    item_bias: float = 0.12,
    strength: float = 0.2,
    nonlinear: Literal["none", "polynomial", "spline", "radial"] = "none",
    nonlinear_share: float = 0.5,
    noise: float = 0.15,
    scale: tuple[float, float] = (1, 5),
    step: float | None = 1,
    activity: float = 0.6,
    popularity: float = 0.7,
    cold_users: float = 0.0,
    cold_items: float = 0.0,
    years: float | None = 5,
    feature_strength: float = 0.7,
    seed: int = 0,
) -> Ratings:
    """Draws ratings from the latent-factor model of :mod:`~recsys_nn.data.datasets.synthetic_truth`.

    With W = highest - lowest, the width of the scale, a rating is

        r_ui = on_scale(lowest + W (mean + a_u + b_i + strength (sqrt(1 - nu) L_ui + sqrt(nu) N_ui) + e_ui))

    where a, b and e are normal with the standard deviations ``user_bias``, ``item_bias`` and ``noise``, and
    L and N, the linear and the nonlinear interaction of the factors, have variance 1. Since all of them are
    shares of W, the same options suit every scale.

    ``ratings.truth`` is the model: its ``expected(users, items)`` is the best possible prediction of any
    pair. The ids are "u0", "u1", ... and "i0", "i1", ...; truth and features hold every one, also those
    without a rating.

    Args:
        n_users, n_items, n_ratings: size of the table; pairs are distinct.
        embedding_dim: k, the length of the true factors p_u and q_i.
        mean: place of the mean rating on the scale, from 0 (lowest) to 1 (highest), before clipping.
        user_bias, item_bias: spreads of the biases, in shares of W.
        strength: spread of the interaction, in shares of W.
        nonlinear: what a dot product cannot express, in each pair of factor coordinates x, y: "polynomial"
            ((x^2 - 1)(y^2 - 1)), "spline" (max(x, 0) max(y, 0)), "radial" (exp(-(x - y)^2 / 2)), or "none".
        nonlinear_share: nu, the share of the interaction's variance that is nonlinear, where there is such.
        noise: standard deviation of the noise, in shares of W.
        scale: (lowest, highest) possible rating.
        step: the distance of neighbouring ratings, a whole fraction of W; None does not round.
        activity, popularity: exponents of the power laws, from 0 to 10: the number of ratings falls with
            rank^-activity over users, the chance to be rated with rank^-popularity over items.
        cold_users, cold_items: shares of users and items with 1 to 3 ratings, from 0 to below 1.
        years: the span of the timestamps, from 2020 on. A user joins at some time of it and rates most soon
            after; the rows are in order of time. None: no timestamps, and the rows in random order.
        feature_strength: correlation rho, from 0 to 1, of features with factors. Users have a ``group`` and
            an ``age`` (18 to 77), items ``genres`` (joined by "|") and a ``year`` (1960 to 2019). The normal
            scores of age and year correlate by rho with the first coordinate of the factors; groups and
            genres prefer random directions of them.
        seed: same options and seed, same table (with the same version of NumPy).

    Raises:
        DataError: for an option out of its range, or sizes that do not fit together.
    """
    _check_counts(1, n_users=n_users, n_items=n_items, n_ratings=n_ratings, embedding_dim=embedding_dim)
    _check_range(0, inf, user_bias=user_bias, item_bias=item_bias, strength=strength, noise=noise)
    _check_range(0, 10, activity=activity, popularity=popularity)  # far above, weights would vanish
    _check_range(0, 1, mean=mean, nonlinear_share=nonlinear_share, feature_strength=feature_strength)
    _check_range(0, 1, cold_users=cold_users, cold_items=cold_items)
    _check_range(0, 100, years=0 if years is None else years)
    _check_scale(scale, step)
    if nonlinear not in NONLINEAR_FORMS:
        raise DataError(must_be_one_of("nonlinear", nonlinear, NONLINEAR_FORMS))
    _check_counts(0, seed=seed)

    # A stream for each part, so that an option of one part leaves the others as they were.
    for_model, for_pairs, for_noise, for_times, for_features = np.random.default_rng(seed).spawn(5)
    lowest, highest = map(float, scale)
    width = highest - lowest
    truth = LatentTruth(
        user_ids=_ids("u", n_users),
        item_ids=_ids("i", n_items),
        user_factors=for_model.standard_normal((n_users, embedding_dim)),
        item_factors=for_model.standard_normal((n_items, embedding_dim)),
        user_biases=width * user_bias * for_model.standard_normal(n_users),
        item_biases=width * item_bias * for_model.standard_normal(n_items),
        mean=lowest + width * mean,
        strength=width * strength,
        noise=width * noise,
        nonlinear=nonlinear,
        share=nonlinear_share,
        scale=(lowest, highest),
        step=step,
    )
    users, items = draw_pairs(
        n_users,
        n_items,
        n_ratings,
        activity=activity,
        popularity=popularity,
        cold_users=cold_users,
        cold_items=cold_items,
        rng=for_pairs,
    )
    order, times = _timeline(users, n_users, years, for_times)
    users, items = users[order], items[order]
    frame = pd.DataFrame(
        {
            "user": truth.user_ids.take(users),
            "item": truth.item_ids.take(items),
            "rating": truth.draw_rows(users, items, for_noise),
        }
    )
    if times is not None:
        frame["timestamp"] = times
    return Ratings(
        frame,
        scale=(lowest, highest),
        user_features=_user_features(truth, feature_strength, for_features),
        item_features=_item_features(truth, feature_strength, for_features),
        truth=truth,
    )


def _timeline(
    users: Positions, n_users: int, years: float | None, rng: np.random.Generator
) -> tuple[Positions, npt.NDArray[np.datetime64] | None]:
    """The order of the rows, and their times in that order (n,)."""
    if years is None:
        return rng.permutation(len(users)), None
    joined = rng.random(n_users)[users]
    moments = joined + (1 - joined) * rng.random(len(users)) ** 2
    order = np.argsort(moments)
    return order, _START + (moments[order] * years * _SECONDS_PER_YEAR).astype("timedelta64[s]")


def _ids(letter: str, n: int) -> pd.Index:
    return pd.Index([f"{letter}{number}" for number in range(n)], dtype="str")


def _user_features(truth: LatentTruth, rho: float, rng: np.random.Generator) -> pd.DataFrame:
    group = _GROUPS[_affinities(truth.user_factors, len(_GROUPS), rho, rng).argmax(axis=1)]
    age = 18 + np.floor(60 * _uniforms(truth.user_factors, rho, rng)).astype(np.int64)
    return pd.DataFrame({"user": truth.user_ids, "group": group, "age": age})


def _item_features(truth: LatentTruth, rho: float, rng: np.random.Generator) -> pd.DataFrame:
    affinities = _affinities(truth.item_factors, len(_GENRES), rho, rng)
    # One genre at least, and each other one that suits as only one item in six.
    has = (affinities > 1) | (affinities == affinities.max(axis=1, keepdims=True))
    year = 1960 + np.floor(60 * _uniforms(truth.item_factors, rho, rng)).astype(np.int64)
    genres = [GENRE_SEPARATOR.join(_GENRES[row]) for row in has]
    return pd.DataFrame({"item": truth.item_ids, "genres": genres, "year": year})


def _affinities(factors: Floats, n_categories: int, rho: float, rng: np.random.Generator) -> Floats:
    """N(0, 1) scores (n, n_categories), each with correlation rho to the factors in a random direction."""
    directions = rng.standard_normal((factors.shape[1], n_categories))
    directions /= np.linalg.norm(directions, axis=0)
    noise = rng.standard_normal((len(factors), n_categories))
    return rho * factors @ directions + np.sqrt(1 - rho**2) * noise


def _uniforms(factors: Floats, rho: float, rng: np.random.Generator) -> Floats:
    """Numbers uniform over 0 to 1, whose normal scores have correlation rho to the first coordinate: (n,)."""
    return ndtr(rho * factors[:, 0] + np.sqrt(1 - rho**2) * rng.standard_normal(len(factors)))


def _check_counts(lowest: int, **values: int) -> None:
    for name, value in values.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < lowest:
            raise DataError(f"{name} must be an integer of at least {lowest}, not {value!r}")


def _check_range(lowest: float, highest: float, **values: float) -> None:
    for name, value in values.items():
        if not isinstance(value, Real) or not lowest <= value <= highest or value == inf:
            bounds = f"of at least {lowest}" if highest == inf else f"between {lowest} and {highest}"
            raise DataError(f"{name} must be a number {bounds}, not {value!r}")


def _check_scale(scale: tuple[float, float], step: float | None) -> None:
    pair = isinstance(scale, list | tuple) and [isinstance(bound, Real) for bound in scale] == [True, True]
    if not pair or not -inf < scale[0] < scale[1] < inf:
        raise DataError(f"scale must be (lowest, highest) with lowest < highest, not {scale!r}")
    if step is not None:
        _check_range(0, inf, step=step)
        steps = (scale[1] - scale[0]) / step if step else 0.0
        if steps < 1 or abs(steps - round(steps)) > 1e-9:
            raise DataError(f"step must divide the scale {scale[0]:g} to {scale[1]:g}, which {step!r} does not")


@dataclass(frozen=True)
class GeneratedDataset:
    """A data set that is a function: it needs no file, and its options are the function's parameters."""

    name: str
    title: str
    licence: str
    function: Callable[..., Ratings]

    def load(self, **options: Any) -> Ratings:
        """Generates ratings with these options of the function.

        Raises:
            DataError: for an option that it does not have, or a value that it refuses.
        """
        valid = list(inspect.signature(self.function).parameters)
        for option in options:
            if option not in valid:
                raise DataError(f"the data set {self.name!r} has no option {option!r}{did_you_mean(option, valid)}")
        return self.function(**options)

    def read(self, file: str | Path) -> Ratings:
        """Raises a DataError: a generated data set has no files to read."""
        raise DataError(f"the data set {self.name!r} has no file {str(file)!r}, as it is generated: call load()")


SYNTHETIC = GeneratedDataset(
    name="synthetic",
    title="A latent-factor model with known truth: 20,000 ratings of 400 items by 600 users",
    licence="Generated by this package: no rights of others, nothing to cite.",
    function=generate,
)
