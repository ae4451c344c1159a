"""The closed-form predictors, against arithmetic by hand and a direct solve of their normal equations."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_nn.data.loading import load_ratings
from recsys_nn.encoding.baselines import EFFECTS, Biases, Totals, fit_biases, fit_biases_to_totals
from recsys_nn.encoding.encoder import Encoder

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=50)

# Users 1 and 2, items 1 to 3 (user 3 and item 4 are never rated); the mean is 3.
USERS = np.array([1, 1, 1, 2, 2])
ITEMS = np.array([1, 2, 3, 1, 2])
RATINGS = np.array([5.0, 4.0, 3.0, 2.0, 1.0])
SIZES = {"n_user_rows": 4, "n_item_rows": 5}


@pytest.mark.parametrize(
    ("name", "shrinkage", "user", "item"),
    [
        ("global", 0.0, [0, 0, 0, 0], [0, 0, 0, 0, 0]),
        ("user", 0.0, [0, 1, -1.5, 0], [0, 0, 0, 0, 0]),
        ("user", 1.0, [0, 3 / 4, -3 / 3, 0], [0, 0, 0, 0, 0]),
        ("item", 0.0, [0, 0, 0, 0], [0, 0.5, -0.5, 0, 0]),
        ("item", 2.0, [0, 0, 0, 0], [0, 1 / 4, -1 / 4, 0, 0]),
    ],
)
def test_means_and_their_shrinkage_by_hand(name, shrinkage, user, item):
    biases = fit_biases(name, USERS, ITEMS, RATINGS, **SIZES, user_shrinkage=shrinkage, item_shrinkage=shrinkage)
    assert biases.mean == 3.0
    assert biases.user.tolist() == pytest.approx(user)
    assert biases.item.tolist() == pytest.approx(item)


def test_the_shrinkage_is_15_ratings_of_a_user_and_10_of_an_item_unless_it_is_given():
    assert fit_biases("user", USERS, ITEMS, RATINGS, **SIZES).user.tolist() == pytest.approx([0, 3 / 18, -3 / 17, 0])
    assert fit_biases("item", USERS, ITEMS, RATINGS, **SIZES).item.tolist() == pytest.approx([0, 1 / 12, -1 / 12, 0, 0])


def test_a_prediction_is_the_sum_of_mean_and_biases_and_that_of_an_unknown_has_none():
    biases = Biases(3.0, user=np.array([0.0, 0.5]), item=np.array([0.0, -1.0, 2.0]))
    assert biases.predict(np.array([1, 1, 0, 0]), np.array([2, 0, 1, 0])).tolist() == [5.5, 3.5, 2.0, 3.0]


def test_the_first_sweep_fits_items_and_then_users_to_what_items_leave():
    biases = fit_biases("bias", USERS, ITEMS, RATINGS, **SIZES, user_shrinkage=1.0, item_shrinkage=2.0, sweeps=1)
    assert biases.item.tolist() == pytest.approx([0, 1 / 4, -1 / 4, 0, 0])
    # Left over for user 1: 2 - 1/4, 1 + 1/4, 0; for user 2: -1 - 1/4, -2 + 1/4.
    assert biases.user.tolist() == pytest.approx([0, 3 / 4, -3 / 3, 0])


def random_table(n_users: int, n_items: int, n_ratings: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    pairs = rng.choice(n_users * n_items, n_ratings, replace=False)
    return 1 + pairs // n_items, 1 + pairs % n_items, rng.integers(1, 6, n_ratings).astype(float)


def objective(biases: Biases, users, items, ratings, user_shrinkage: float, item_shrinkage: float) -> float:
    errors = ratings - biases.predict(users, items)
    return errors @ errors + user_shrinkage * biases.user @ biases.user + item_shrinkage * biases.item @ biases.item


@pytest.mark.parametrize(("user_shrinkage", "item_shrinkage"), [(15.0, 10.0), (0.5, 3.0)])
def test_the_bias_baseline_solves_the_penalised_normal_equations(user_shrinkage, item_shrinkage):
    n_users, n_items = 12, 9
    users, items, ratings = random_table(n_users, n_items, 60, seed=4)
    # One column a bias, and below the ratings one row a bias that asks for sqrt(shrinkage) bias = 0.
    design = np.zeros((len(ratings), n_users + n_items))
    design[np.arange(len(ratings)), users - 1] = 1.0
    design[np.arange(len(ratings)), n_users + items - 1] = 1.0
    penalty = np.diag(np.sqrt([user_shrinkage] * n_users + [item_shrinkage] * n_items))
    residuals = np.r_[ratings - ratings.mean(), np.zeros(n_users + n_items)]
    solution = np.linalg.lstsq(np.vstack([design, penalty]), residuals, rcond=None)[0]

    biases = fit_biases(
        "bias",
        users,
        items,
        ratings,
        n_user_rows=n_users + 1,
        n_item_rows=n_items + 1,
        user_shrinkage=user_shrinkage,
        item_shrinkage=item_shrinkage,
        sweeps=400,
    )
    np.testing.assert_allclose(biases.user, np.r_[0.0, solution[:n_users]], rtol=0, atol=1e-12)
    np.testing.assert_allclose(biases.item, np.r_[0.0, solution[n_users:]], rtol=0, atol=1e-12)


def test_ten_sweeps_are_the_default_and_none_of_them_makes_the_fit_worse():
    table = random_table(30, 20, 200, seed=5)
    sizes = {"n_user_rows": 31, "n_item_rows": 21}
    after = [
        objective(fit_biases("bias", *table, **sizes, sweeps=sweeps), *table, 15.0, 10.0)
        for sweeps in (1, 2, 3, 10, 50)
    ]
    assert after[0] > after[1] > after[2] > after[3] >= after[4]
    assert objective(fit_biases("bias", *table, **sizes), *table, 15.0, 10.0) == after[3]


@pytest.mark.parametrize("name", EFFECTS)
def test_ratings_part_by_part_have_the_baselines_of_the_whole(name):
    table, sizes = random_table(30, 20, 200, seed=5), {"n_user_rows": 31, "n_item_rows": 21}
    parts = list(zip(*(np.split(column, [70, 70, 150]) for column in table), strict=True))
    totals = Totals(float(table[2].mean()), **sizes)
    for part in parts:
        totals.add(*part)
    found, expected = fit_biases_to_totals(name, totals, parts), fit_biases(name, *table, **sizes)
    assert found.mean == expected.mean
    np.testing.assert_allclose(found.user, expected.user, rtol=0, atol=1e-14)
    np.testing.assert_allclose(found.item, expected.item, rtol=0, atol=1e-14)
    assert totals.counts["user"].tolist() == np.bincount(table[0], minlength=31).tolist()


@pytest.mark.parametrize("name", ["user", "item", "bias"])
def test_the_unknown_has_no_bias_even_where_it_was_rated(name):
    users, items = np.array([0, 0, 1, 2]), np.array([1, 2, 0, 0])
    biases = fit_biases(name, users, items, np.array([5.0, 5.0, 1.0, 2.0]), n_user_rows=3, n_item_rows=3)
    assert (biases.user[0], biases.item[0]) == (0.0, 0.0)
    assert np.any(biases.user != 0) or np.any(biases.item != 0)


@REPEATABLE
@given(
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5), st.floats(-100, 100)), min_size=1, max_size=30),
    st.sampled_from(["user", "item"]),
)
def test_without_shrinkage_user_and_item_predict_the_mean_that_pandas_finds(rows, side):
    frame = pd.DataFrame(rows, columns=["user", "item", "rating"])
    users, items, ratings = (frame[name].to_numpy() for name in frame)
    sizes = {"n_user_rows": 6, "n_item_rows": 6}
    biases = fit_biases(side, users, items, ratings, **sizes, user_shrinkage=0.0, item_shrinkage=0.0)
    expected = frame.groupby(side)["rating"].transform("mean")
    np.testing.assert_allclose(biases.predict(users, items), expected, rtol=0, atol=1e-10)


@pytest.mark.real_data
@pytest.mark.parametrize(
    ("train", "test", "rmse"),
    [("ml-100k/u1.base", "ml-100k/u1.test", 0.9600), ("netflix-course/train.csv", "netflix-course/test.csv", 0.9521)],
)
def test_the_rmse_of_the_bias_baseline_on_real_data(real_data, train, test, rmse):
    ratings = load_ratings(real_data / train)
    encoder = Encoder.fit(ratings)
    held_out = encoder.encode(load_ratings(real_data / test))
    predicted = np.clip(encoder.baselines["bias"].predict(held_out.inputs["user"], held_out.inputs["item"]), 1, 5)
    assert np.sqrt(np.mean((predicted - held_out.targets) ** 2)) == pytest.approx(rmse, abs=0.0005)


def test_the_mean_of_32_bit_ratings_is_worked_out_in_64():
    ratings = np.float32([2**24, 1, 1])
    found = fit_biases("global", np.ones(3, int), np.ones(3, int), ratings, n_user_rows=2, n_item_rows=2)
    assert found.mean == (2**24 + 2) / 3
