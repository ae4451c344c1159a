"""The generated table: its sizes, its power laws, its features and its refusals."""

from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_nn.data.datasets.synthetic import generate
from recsys_nn.data.datasets.synthetic_pairs import _apportioned
from recsys_nn.data.datasets.synthetic_truth import LatentTruth
from recsys_nn.data.ratings import Ratings
from recsys_nn.errors import DataError


def truth_of(ratings: Ratings) -> LatentTruth:
    assert isinstance(ratings.truth, LatentTruth)
    return ratings.truth


def counts(ratings: Ratings, name: str) -> np.ndarray:
    """The number of ratings of every user or item, most first, also of those that have none."""
    ids = getattr(truth_of(ratings), f"{name}_ids")
    return np.sort(ratings.frame[name].value_counts().reindex(ids, fill_value=0).to_numpy())[::-1]


def slope(values: np.ndarray, ranks: slice) -> float:
    """Of log(value) over log(rank)."""
    rank = np.arange(1, len(values) + 1)
    return float(np.polyfit(np.log(rank[ranks]), np.log(values[ranks]), 1)[0])


class TestTable:
    def test_the_same_options_and_seed_give_this_table(self, snapshot: Any) -> None:
        """What documentation and benchmarks show of it stays so."""
        ratings = generate(n_users=12, n_items=10, n_ratings=40, cold_users=0.2, seed=3)
        tables = (ratings.frame.head(12), ratings.user_features, ratings.item_features)
        assert [table.to_string(float_format="%.3f").splitlines() for table in tables] == snapshot

    def test_looks_like_a_small_movielens_by_default(self) -> None:
        ratings = generate()
        assert (len(ratings), ratings.n_users, ratings.n_items) == (20_000, 600, 400)
        assert ratings.scale == (1, 5)
        assert set(ratings.frame["rating"]) == {1, 2, 3, 4, 5}
        assert 3.3 < ratings.frame["rating"].mean() < 3.7
        assert ratings.frame["user"].iloc[0].startswith("u")
        assert ratings.frame["item"].iloc[0].startswith("i")

    def test_same_seed_same_table_other_seed_other_table(self) -> None:
        pd.testing.assert_frame_equal(generate(seed=3).frame, generate(seed=3).frame)
        assert not generate(seed=3).frame.equals(generate(seed=4).frame)

    def test_an_option_of_one_part_leaves_the_others_as_they_were(self) -> None:
        quiet, loud = generate(noise=0.01), generate(noise=0.3, feature_strength=0)
        columns = ["user", "item", "timestamp"]
        pd.testing.assert_frame_equal(quiet.frame[columns], loud.frame[columns])
        np.testing.assert_array_equal(truth_of(quiet).user_factors, truth_of(loud).user_factors)

    @pytest.mark.parametrize(
        ("scale", "step", "n_values"),
        [((0.5, 5), 0.5, 10), ((1, 100), 1, 100), ((-1, 1), 2, 2)],
    )
    def test_ratings_stand_on_the_grid_of_the_scale(
        self, scale: tuple[float, float], step: float, n_values: int
    ) -> None:
        ratings = generate(scale=scale, step=step, noise=0.4)
        assert ratings.scale == scale
        assert sorted(set(ratings.frame["rating"])) == [scale[0] + step * index for index in range(n_values)]

    def test_without_a_step_ratings_are_clipped_only(self) -> None:
        rating = generate(step=None).frame["rating"]
        assert (rating.min(), rating.max()) == (1, 5)
        assert rating.between(1, 5, inclusive="neither").mean() > 0.7
        assert rating[rating.between(1, 5, inclusive="neither")].is_unique

    @settings(derandomize=True, max_examples=60, deadline=None)
    @given(
        n_users=st.integers(1, 8),
        n_items=st.integers(1, 8),
        fill=st.floats(0, 1),
        exponent=st.sampled_from([0, 1, 10]),
        embedding_dim=st.integers(1, 3),
        nonlinear=st.sampled_from(["none", "polynomial", "spline", "radial"]),
        seed=st.integers(0, 99),
    )
    def test_any_size_up_to_all_pairs(
        self, n_users: int, n_items: int, fill: float, exponent: float, **options: Any
    ) -> None:
        n_ratings = max(1, round(fill * n_users * n_items))
        ratings = generate(
            n_users=n_users,
            n_items=n_items,
            n_ratings=n_ratings,
            activity=exponent,
            popularity=exponent,
            **options,
        )
        assert len(ratings) == n_ratings
        assert not ratings.frame.duplicated(["user", "item"]).any()


class TestTimes:
    def test_the_rows_are_in_order_of_time_within_the_span(self) -> None:
        times = generate(years=2).frame["timestamp"]
        assert times.is_monotonic_increasing
        assert times.min() >= pd.Timestamp("2020-01-01")
        assert pd.Timestamp("2021-11-01") < times.max() < pd.Timestamp("2022-01-01")

    def test_a_user_joins_at_some_time_and_rates_most_soon_after(self) -> None:
        frame = generate(years=10, n_users=300, n_items=300, n_ratings=30_000).frame
        grouped = frame.groupby("user")["timestamp"]
        joined, left = grouped.min(), pd.Timestamp("2030-01-01")
        assert joined.dt.year.nunique() == 10
        # At moments v^2 with v uniform the median is a quarter of the way.
        assert ((grouped.median() - joined) / (left - joined)).mean() == pytest.approx(0.25, abs=0.03)

    def test_without_years_there_are_no_times_and_no_order(self) -> None:
        ratings = generate(years=None)
        assert not ratings.has_timestamps
        assert not ratings.frame["user"].is_monotonic_increasing
        assert ratings.frame["user"].head(100).nunique() > 50


class TestPowerLaws:
    @pytest.mark.parametrize("exponent", [0.5, 1.0])
    def test_activity_is_a_power_of_the_rank(self, exponent: float) -> None:
        ratings = generate(n_users=2000, n_items=5000, n_ratings=100_000, activity=exponent)
        # Four ratings come first, so that no user is cold; whole numbers blur the end of the tail.
        assert slope(counts(ratings, "user") - 4, slice(100, 1000)) == pytest.approx(-exponent, abs=0.02)

    @pytest.mark.parametrize("exponent", [0.5, 0.8])
    def test_popularity_is_a_power_of_the_rank(self, exponent: float) -> None:
        ratings = generate(n_users=20_000, n_items=2000, n_ratings=200_000, popularity=exponent, activity=0)
        # The first ranks flatten, since nobody rates an item twice.
        assert slope(counts(ratings, "item"), slice(20, 500)) == pytest.approx(-exponent, abs=0.05)

    def test_without_exponents_all_are_alike(self) -> None:
        ratings = generate(activity=0, popularity=0)
        assert set(counts(ratings, "user")) == {33, 34}  # 20,000 / 600 = 33.3
        assert counts(ratings, "item").min() > 25  # 50 on average
        assert counts(ratings, "item").max() < 80

    def test_nobody_rates_more_than_there_is(self) -> None:
        ratings = generate(n_users=100, n_items=50, n_ratings=4000, activity=2, popularity=2)
        assert counts(ratings, "user").max() == 50

    def test_cold_ones_have_one_to_three_ratings_and_no_other_user_has(self) -> None:
        ratings = generate(cold_users=0.2, cold_items=0.1)
        users, items = counts(ratings, "user"), counts(ratings, "item")
        assert np.isin(users, [1, 2, 3]).sum() == 120  # 0.2 * 600
        assert np.isin(items, [1, 2, 3]).sum() == 40  # 0.1 * 400
        assert len(ratings) == 20_000


class TestFeatures:
    SIZE: ClassVar[dict[str, Any]] = {"n_users": 10_000, "n_items": 10_000, "n_ratings": 10}

    def test_there_is_a_row_for_every_id_also_for_the_unrated(self) -> None:
        ratings = generate(**self.SIZE)
        users, items = ratings.user_features, ratings.item_features
        assert users is not None
        assert items is not None
        assert list(users.columns) == ["user", "group", "age"]
        assert list(items.columns) == ["item", "genres", "year"]
        assert (len(users), len(items)) == (10_000, 10_000)
        assert (users["age"].min(), users["age"].max()) == (18, 77)
        assert (items["year"].min(), items["year"].max()) == (1960, 2019)
        assert (items["genres"] != "").all()

    @pytest.mark.parametrize("rho", [0, 0.7, 1])
    def test_age_and_year_correlate_with_the_first_factor(self, rho: float) -> None:
        ratings = generate(**self.SIZE, feature_strength=rho)
        assert ratings.user_features is not None
        assert ratings.item_features is not None
        truth = truth_of(ratings)
        # A uniform variable and its own normal score correlate by sqrt(3 / pi).
        expected = rho * np.sqrt(3 / np.pi)
        for factors, feature in (
            (truth.user_factors, ratings.user_features["age"]),
            (truth.item_factors, ratings.item_features["year"]),
        ):
            assert np.corrcoef(factors[:, 0], feature)[0, 1] == pytest.approx(expected, abs=0.03)

    @pytest.mark.parametrize(("rho", "lowest", "highest"), [(0, 0, 0.003), (0.7, 0.03, 0.9)])
    def test_groups_and_genres_depend_on_the_factors(self, rho: float, lowest: float, highest: float) -> None:
        """The share of the variance of belonging, or not, that is linear in the factors."""
        ratings = generate(**self.SIZE, feature_strength=rho)
        assert ratings.user_features is not None
        assert ratings.item_features is not None
        truth = truth_of(ratings)
        for factors, flags in (
            (truth.user_factors, pd.get_dummies(ratings.user_features["group"])),
            (truth.item_factors, ratings.item_features["genres"].str.get_dummies("|")),
        ):
            belongs = (flags - flags.mean()).to_numpy()
            left = belongs - factors @ np.linalg.lstsq(factors, belongs)[0]
            shares = 1 - left.var(axis=0) / belongs.var(axis=0)
            assert (shares >= lowest).all()
            assert (shares <= highest).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_users": 0}, "n_users must be an integer of at least 1, not 0$"),
        ({"n_items": 2.5}, "n_items must be an integer of at least 1, not 2.5$"),
        ({"embedding_dim": True}, "embedding_dim must be an integer of at least 1, not True$"),
        ({"seed": -1}, "seed must be an integer of at least 0, not -1$"),
        ({"noise": -0.1}, "noise must be a number of at least 0, not -0.1$"),
        ({"noise": float("inf")}, "noise must be a number of at least 0, not inf$"),
        ({"strength": float("nan")}, "strength must be a number of at least 0, not nan$"),
        ({"popularity": "high"}, "popularity must be a number between 0 and 10, not 'high'$"),
        ({"nonlinear_share": 1.1}, "nonlinear_share must be a number between 0 and 1, not 1.1$"),
        ({"nonlinear": "cubic"}, "nonlinear must be one of 'none', 'polynomial', 'spline', 'radial', not 'cubic'$"),
        ({"years": 1000}, "years must be a number between 0 and 100, not 1000$"),
        ({"scale": (5, 1)}, r"scale must be \(lowest, highest\) with lowest < highest, not \(5, 1\)$"),
        ({"scale": 5}, r"scale must be \(lowest, highest\) with lowest < highest, not 5$"),
        ({"scale": (1, 2, 3)}, r"scale must be \(lowest, highest\) with lowest < highest, not \(1, 2, 3\)$"),
        ({"step": 0}, "step must divide the scale 1 to 5, which 0 does not$"),
        ({"step": 3}, "step must divide the scale 1 to 5, which 3 does not$"),
        ({"n_users": 4, "n_items": 5, "n_ratings": 21}, "must be at most 20, the pairs of 4 users and 5 items, not 21"),
        ({"n_ratings": 200_000, "cold_users": 0.5}, "of 600 users and 400 items, some of them cold"),
        ({"n_ratings": 100, "cold_users": 0.9}, "n_ratings must be at least 1095, for cold users and items, not 100$"),
    ],
)  # fmt: skip
def test_what_cannot_be_generated_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        generate(**options)


def test_ratings_as_many_as_all_may_have_are_given_to_all():
    np.testing.assert_array_equal(_apportioned(np.array([8.0, 1.0]), 6, 3), [3, 3])
    assert 3 * 0.1 / 0.1 > 3
    np.testing.assert_array_equal(_apportioned(np.array([0.1]), 3, 3), [3])


SMALL: dict[str, Any] = {"n_users": 3, "n_items": 3, "n_ratings": 2}
SHARES = ("mean", "nonlinear_share", "feature_strength", "cold_users", "cold_items")
ENDS = {
    **dict.fromkeys(SHARES, (0, 1)),
    **dict.fromkeys(("activity", "popularity"), (0, 10)),
    "years": (0, 100),
    **dict.fromkeys(("user_bias", "item_bias", "strength", "noise"), (0, None)),
}


@pytest.mark.parametrize("option", ENDS)
def test_an_option_is_taken_up_to_its_ends_and_not_beyond(option: str) -> None:
    lowest, highest = ENDS[option]
    bounds = f"of at least {lowest}" if highest is None else f"between {lowest} and {highest}"
    beyond = [lowest - 0.01] if highest is None else [lowest - 0.01, highest + 0.01]
    for value in beyond:
        with pytest.raises(DataError, match=f"^{option} must be a number {bounds}, not {value!r}$"):
            generate(**SMALL, **{option: value})
    for value in (lowest, highest):
        if value is not None and (option, value) not in {("cold_users", 1), ("cold_items", 1)}:
            assert len(generate(**SMALL, **{option: value})) == 2


@pytest.mark.parametrize(("scale", "step"), [((0, 1), 1), ((0, 0.3), 0.1), ((-2, 2), 4), ((1, 5), None)])
def test_a_step_that_divides_the_scale_is_taken(scale: tuple[float, float], step: float | None) -> None:
    assert generate(**SMALL, scale=scale, step=step).scale == scale
