"""What the generating model expects, against values worked out by hand, simulation, and other predictors."""

import pickle
from typing import Any

import numpy as np
import pytest

from recsys_nn.data.datasets.synthetic import generate
from recsys_nn.data.datasets.synthetic_truth import LatentTruth, Nonlinearity
from recsys_nn.data.ratings import Ratings
from recsys_nn.errors import DataError

FORMS = ["polynomial", "spline", "radial"]
CONSTANT = {"user_bias": 0, "item_bias": 0, "strength": 0}


def truth_of(ratings: Ratings) -> LatentTruth:
    assert isinstance(ratings.truth, LatentTruth)
    return ratings.truth


def generated(**options: Any) -> LatentTruth:
    return truth_of(generate(n_ratings=10, **options))


class TestExpectedByHand:
    """One utility for all pairs; on the scale 1 to 5, noise=0.25 is a standard deviation of one star."""

    def expected(self, **options: Any) -> float:
        return float(generated(**CONSTANT, noise=0.25, **options).expected(["u0"], ["i0"])[0])

    def test_in_the_middle_of_the_scale_both_ends_cancel(self) -> None:
        assert self.expected(mean=0.5) == pytest.approx(3)
        assert self.expected(mean=0.5, step=None) == pytest.approx(3)

    def test_at_the_end_rounded(self) -> None:
        # 1 + Phi(3.5) + Phi(2.5) + Phi(1.5) + Phi(0.5), from a table
        assert self.expected(mean=1) == pytest.approx(1 + 0.999767 + 0.993790 + 0.933193 + 0.691462, abs=2e-6)

    def test_at_the_end_not_rounded(self) -> None:
        # E min(5 + e, 5) = 5 - 1 / sqrt(2 pi); that the rating cannot fall below 1 adds 7e-6.
        assert self.expected(mean=1, step=None) == pytest.approx(5 - 0.398942 + 0.000007, abs=1e-6)

    @pytest.mark.parametrize(("mean", "rounded"), [(0, 1), (0.3, 2), (0.4, 3), (1, 5)])
    def test_without_noise_it_is_the_rating(self, mean: float, rounded: int) -> None:
        assert generated(**CONSTANT, noise=0, mean=mean).expected(["u0"], ["i0"]) == [rounded]


SETTINGS = pytest.mark.parametrize(
    "options",
    [
        {},
        {"scale": (0.5, 5), "step": 0.5},
        {"scale": (1, 100)},
        {"step": None, "noise": 0.4},
        {"nonlinear": "spline"},
    ],
    ids=str,
)


@SETTINGS
def test_expected_is_the_mean_of_many_draws(options: dict[str, Any]) -> None:
    truth = generated(n_users=4, n_items=5, mean=0.9, **options)
    users, items = (axis.ravel() for axis in np.indices((4, 5)))
    rng = np.random.default_rng(0)
    draws = np.stack([truth.draw_rows(users, items, rng) for _ in range(4000)])  # (4000, 20)
    deviations = draws.mean(axis=0) - truth.expected(truth.user_ids.take(users), truth.item_ids.take(items))
    standard_errors = draws.std(axis=0) / np.sqrt(4000)
    assert (np.abs(deviations) <= 4 * standard_errors + 1e-9).all()


@SETTINGS
def test_variance_is_that_of_many_draws(options: dict[str, Any]) -> None:
    truth = generated(n_users=4, n_items=5, mean=0.9, **options)
    users, items = np.repeat(truth.user_ids, 5), np.tile(truth.item_ids, 4)
    rng = np.random.default_rng(0)
    errors = np.stack([truth.draw(users, items, rng) for _ in range(4000)]) - truth.expected(users, items)
    squared = errors**2  # (4000, 20)
    deviations = squared.mean(axis=0) - truth.variance(users, items)
    standard_errors = squared.std(axis=0) / np.sqrt(4000)
    assert (np.abs(deviations) <= 4 * standard_errors + 1e-9).all()


class TestVarianceByHand:
    """As above: a standard deviation of one star."""

    def variance(self, **options: Any) -> float:
        return float(generated(**CONSTANT, **options).variance(["u0"], ["i0"])[0])

    def test_far_from_the_ends_it_is_that_of_the_noise(self) -> None:
        assert self.variance(mean=0.5, noise=0.05, step=None) == pytest.approx(0.04)  # (0.05 * 4)^2

    def test_rounded_to_two_levels(self) -> None:
        # At the upper one with P = Phi(0.5) = 0.691462 (the threshold is half a star below); the variance is P (1 - P).
        assert self.variance(mean=1, noise=1, scale=(0, 1)) == pytest.approx(0.691462 * 0.308538, abs=1e-6)

    def test_at_the_end_not_rounded(self) -> None:
        # y = min(e, 0): E y = -1 / sqrt(2 pi), E y^2 = 1 / 2; that the rating cannot fall below 1 takes off some 1e-5.
        assert self.variance(mean=1, noise=0.25, step=None) == pytest.approx(1 / 2 - 1 / (2 * np.pi), abs=1e-4)

    def test_without_noise_there_is_none(self) -> None:
        assert self.variance(noise=0) == 0


@pytest.mark.parametrize("nonlinear", ["none", *FORMS])
def test_no_simple_predictor_is_better(nonlinear: Any) -> None:
    ratings = generate(nonlinear=nonlinear)
    truth, frame = truth_of(ratings), ratings.frame
    user, item = frame["user"].str[1:].astype(int), frame["item"].str[1:].astype(int)
    linear, nonlinear_part = truth.interaction(frame["user"], frame["item"])
    biases = truth.mean + truth.user_biases[user] + truth.item_biases[item]
    predictors: dict[str, Any] = {
        "mean": frame["rating"].mean(),
        "user's own mean": frame.groupby("user")["rating"].transform("mean"),
        "item's own mean": frame.groupby("item")["rating"].transform("mean"),
        "true biases": biases,
        "utility, not clipped": biases + linear + nonlinear_part,
        "utility, clipped": np.clip(biases + linear + nonlinear_part, 1, 5),
        "utility, on scale": np.clip(np.round(biases + linear + nonlinear_part), 1, 5),
    }

    def rmse_of(predicted: Any) -> float:
        return float(np.sqrt(np.mean((frame["rating"] - predicted) ** 2)))

    rmse = {name: rmse_of(predicted) for name, predicted in predictors.items()}
    oracle = rmse_of(truth.expected(frame["user"], frame["item"]))
    assert oracle < min(rmse.values())
    # There is something to learn beyond biases.
    assert oracle < 0.75 * rmse["true biases"]


class TestInteraction:
    """Over random pairs; the tolerances are those of 20,000 ids."""

    def parts(self, **options: Any) -> tuple[np.ndarray, np.ndarray]:
        truth = generated(n_users=20_000, n_items=20_000, strength=0.25, **options)  # one star
        items = np.random.default_rng(5).permutation(truth.item_ids)
        return truth.interaction(truth.user_ids, items)

    @pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
    @pytest.mark.parametrize("form", FORMS)
    def test_the_nonlinear_share_of_the_variance(self, form: str, share: float) -> None:
        linear, nonlinear = self.parts(nonlinear=form, nonlinear_share=share)
        assert linear.var() == pytest.approx(1 - share, abs=0.05)
        assert nonlinear.var() == pytest.approx(share, abs=0.12)  # the polynomial's tails are heavy

    @pytest.mark.parametrize("form", FORMS)
    def test_the_parts_do_not_correlate(self, form: str) -> None:
        linear, nonlinear = self.parts(nonlinear=form)
        assert np.corrcoef(linear, nonlinear)[0, 1] == pytest.approx(0, abs=0.04)

    def test_none_is_linear(self) -> None:
        linear, nonlinear = self.parts(nonlinear="none", embedding_dim=3)
        assert not nonlinear.any()
        assert linear.var() == pytest.approx(1, abs=0.05)

    def test_linear_is_the_dot_product(self) -> None:
        truth = generated(strength=0.25, embedding_dim=4)
        linear, _ = truth.interaction(["u3", "u0"], ["i1", "i2"])
        dots = [truth.user_factors[3] @ truth.item_factors[1], truth.user_factors[0] @ truth.item_factors[2]]
        np.testing.assert_allclose(linear, np.array(dots) / 2)  # one star, divided by sqrt(k)

    @pytest.mark.parametrize("form", FORMS)
    def test_no_user_and_no_item_has_a_bias_by_it(self, form: str) -> None:
        """phi has mean 0 over y for every x, by Gauss-Hermite quadrature."""
        nodes, weights = np.polynomial.hermite_e.hermegauss(100)
        weights /= weights.sum()
        phi = Nonlinearity(form)
        y = nodes[:, None]
        for value in (-2.0, -0.3, 0.0, 1.0, 2.5):
            x = np.full_like(y, value)
            mean = weights @ phi.total(x, y, phi.marginal(x) + phi.marginal(y), (x * y).sum(axis=1))
            # The quadrature of the spline is not exact: it has a knot between two nodes.
            assert mean == pytest.approx(0, abs=0.03 if form == "spline" else 1e-3)

    @pytest.mark.parametrize(
        ("form", "at", "marginal"),
        [
            ("polynomial", 2.0, 0.0),
            ("spline", 2.0, 2 / np.sqrt(2 * np.pi)),  # max(x, 0) E max(Y, 0)
            ("spline", -2.0, 0.0),
            ("radial", 1.0, np.exp(-1 / 4) / np.sqrt(2)),  # E exp(-(x - Y)^2 / 2)
        ],
    )
    def test_marginals_by_hand(self, form: str, at: float, marginal: float) -> None:
        assert Nonlinearity(form).marginal(np.array([[at]])) == pytest.approx(marginal, abs=2e-4)


class TestIds:
    def test_every_pair_has_an_expectation_also_an_unrated_one(self) -> None:
        ratings = generate(n_users=30, n_items=20, n_ratings=1)
        truth = truth_of(ratings)
        users, items = np.repeat(truth.user_ids, 20), np.tile(truth.item_ids, 30)
        expected = truth.expected(users, items)
        assert expected.shape == (600,)
        assert expected.dtype == np.float64
        assert ((expected >= 1) & (expected <= 5)).all()

    def test_blocks_make_no_difference(self) -> None:
        truth = generated(nonlinear="radial")
        users = np.random.default_rng(0).choice(truth.user_ids, 70_000)
        items = np.random.default_rng(1).choice(truth.item_ids, 70_000)
        of_all, of_the_last = truth.expected(users, items), truth.expected(users[-9:], items[-9:])
        np.testing.assert_allclose(of_all[-9:], of_the_last)

    def test_an_id_that_was_not_generated(self) -> None:
        with pytest.raises(DataError, match="the item 'i400' was not generated"):
            generated().expected(["u0", "u1"], ["i0", "i400"])
        with pytest.raises(DataError, match="the user 7 was not generated"):
            generated().expected([7], ["i0"])

    def test_users_and_items_of_different_lengths(self) -> None:
        with pytest.raises(DataError, match="users and items must have the same length, not 2 and 1$"):
            generated().expected(["u0", "u1"], ["i0"])

    def test_survives_pickling(self) -> None:
        truth = generated(nonlinear="spline")
        before = truth.expected(["u0"], ["i0"])
        np.testing.assert_array_equal(pickle.loads(pickle.dumps(truth)).expected(["u0"], ["i0"]), before)
