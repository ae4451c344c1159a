"""Splits: which ratings are held out, how many, and that no rating is lost or stands in two parts."""

from collections import Counter
from itertools import chain, pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_nn.data.ratings import Ratings
from recsys_nn.data.splits import Split, kfold, leave_last_out_split, random_split, stratified_split, temporal_split
from recsys_nn.data.stream import RatingsStream, stream_ratings
from recsys_nn.errors import DataError

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=30)
PARTS = ("train", "validation", "test")
BY_FRACTION = {"random": random_split, "stratified": stratified_split, "temporal": temporal_split}
SEEDED = {
    "random": random_split,
    "stratified": stratified_split,
    "k-fold": lambda ratings, seed: next(kfold(ratings, 4, validation=0.2, seed=seed)),
    "k-fold, validation": lambda ratings, seed: Split(next(kfold(ratings, 4, validation=0.2, seed=seed)).validation),
    "validation": lambda ratings, seed: Split(ratings).with_validation(0.2, seed=seed),
}


def numbered(n: int, users: list[int] | None = None, times: list[int] | None = None, **options: object) -> Ratings:
    """``n`` ratings of the items 0, 1, ... n - 1, so that an item names its row."""
    columns = {"user": users or [0] * n, "item": range(n), "rating": np.arange(n) % 5 + 1.0}
    return Ratings(pd.DataFrame(columns if times is None else columns | {"timestamp": times}), **options)


def items(part: Ratings) -> list[int]:
    return part.frame["item"].tolist()


def parts(split: Split) -> dict[str, list[int]]:
    return {name: items(getattr(split, name)) for name in PARTS}


def sizes(split: Split) -> tuple[int, int, int]:
    return len(split.train), len(split.validation), len(split.test)


@st.composite
def tables(draw: st.DrawFn) -> Ratings:
    users = draw(st.lists(st.integers(1, 5), min_size=12, max_size=40))
    times = draw(st.lists(st.integers(0, 9), min_size=len(users), max_size=len(users)))
    return numbered(len(users), users, times)


FRACTIONS = st.sampled_from([0.0, 0.1, 0.25, 1 / 3, 0.5])
SEEDS = st.integers(0, 100)


# Every split


def test_the_parts_keep_the_features_of_their_ratings():
    frame = pd.DataFrame({"user": [0] * 12, "item": range(12), "rating": [1.0, 2.0] * 6, "hour": range(12)})
    ratings = Ratings(frame, rating_features=["hour"])
    for split in (random_split(ratings, validation=0.25, test=0.25), *kfold(ratings, 3, validation=0.25)):
        for name in PARTS:
            part = getattr(split, name)
            assert part.frame["hour"].tolist() == items(part) != []


@pytest.mark.parametrize("kind", BY_FRACTION)
@REPEATABLE
@given(ratings=tables(), validation=FRACTIONS, test=FRACTIONS, seed=SEEDS)
def test_the_parts_are_disjoint_complete_and_of_the_fractions_asked_for(kind, ratings, validation, test, seed):
    seeds = {} if kind == "temporal" else {"seed": seed}
    split = BY_FRACTION[kind](ratings, validation=validation, test=test, **seeds)
    assert sorted(chain.from_iterable(parts(split).values())) == items(ratings)
    n_test = round(test * len(ratings))
    n_validation = round(validation * (len(ratings) - n_test))  # a fraction of what the test part leaves
    assert sizes(split) == (len(ratings) - n_test - n_validation, n_validation, n_test)
    assert all(found == sorted(found) for found in parts(split).values())  # in the order of the table


@REPEATABLE
@given(ratings=tables(), n=st.integers(1, 3))
def test_leave_last_out_is_disjoint_and_complete_and_takes_n_from_each_user_who_has_more(ratings, n):
    per_user = Counter(ratings.frame["user"])
    if max(per_user.values()) <= n:
        return
    split = leave_last_out_split(ratings, validation=0.0, n=n)
    assert sorted(chain.from_iterable(parts(split).values())) == items(ratings)
    assert Counter(split.test.frame["user"]) == {user: n for user, rated in per_user.items() if rated > n}


@REPEATABLE
@given(
    ratings=tables(),
    folds=st.integers(2, 10),
    validation=FRACTIONS.filter(lambda fraction: fraction != 0.1),
    seed=SEEDS,
)
def test_the_test_parts_of_a_kfold_are_disjoint_and_together_the_table(ratings, folds, validation, seed):
    splits = list(kfold(ratings, folds, validation=validation, seed=seed))
    assert len(splits) == folds
    assert sorted(chain.from_iterable(items(split.test) for split in splits)) == items(ratings)
    assert max(len(split.test) for split in splits) - min(len(split.test) for split in splits) <= 1
    for split in splits:
        assert sorted(chain.from_iterable(parts(split).values())) == items(ratings)
        assert len(split.validation) == round(validation * (len(ratings) - len(split.test)))


@pytest.mark.parametrize("kind", SEEDED)
def test_the_same_seed_gives_the_same_split_and_another_seed_another(kind):
    ratings = numbered(60, users=[1, 2, 3] * 20)
    once, again, other = (parts(SEEDED[kind](ratings, seed=seed)) for seed in (7, 7, 8))
    assert once == again
    assert once != other


@pytest.mark.parametrize("kind", ["random", "stratified", "temporal", "leave last out", "k-fold"])
def test_every_part_keeps_the_scale_and_features_of_the_table(kind):
    features = pd.DataFrame({"user": [1, 2]})
    ratings = numbered(20, users=[1, 2] * 10, times=list(range(20)), scale=(0, 10), user_features=features)
    splitters = {**BY_FRACTION, "leave last out": leave_last_out_split, "k-fold": lambda table: next(kfold(table))}
    split = splitters[kind](ratings)
    for name in PARTS:
        assert getattr(split, name).scale == (0.0, 10.0)
        pd.testing.assert_frame_equal(getattr(split, name).user_features, features)


@pytest.mark.parametrize("kind", BY_FRACTION)
@pytest.mark.parametrize(
    ("validation", "test", "expected"), [(0, 0, (10, 0, 0)), (0.2, 0, (8, 2, 0)), (0, 0.3, (7, 0, 3))]
)
def test_a_fraction_of_0_gives_an_empty_part(kind, validation, test, expected):
    split = BY_FRACTION[kind](numbered(10, times=[0] * 10), validation=validation, test=test)
    assert sizes(split) == expected


@pytest.mark.parametrize("kind", BY_FRACTION)
@pytest.mark.parametrize("part", ["validation", "test"])
@pytest.mark.parametrize("fraction", [-0.1, 1.0, 1.5, float("nan")])
def test_a_fraction_is_at_least_0_and_below_1(kind, part, fraction):
    fractions = {"validation": 0.0, "test": 0.0, part: fraction}
    with pytest.raises(DataError, match=rf"{part} must be a fraction of at least 0 and below 1, not {fraction:g}"):
        BY_FRACTION[kind](numbered(10, times=[0] * 10), **fractions)


@pytest.mark.parametrize("kind", BY_FRACTION)
@pytest.mark.parametrize(
    ("n", "validation", "test", "message"),
    [
        (4, 0.0, 0.1, "4 ratings are too few for test=0.1: 0 would be held out and 4 left for training"),
        (1, 0.0, 0.9, "1 ratings are too few for test=0.9: 1 would be held out and 0 left for training"),
        (6, 0.1, 0.5, "3 ratings are too few for validation=0.1: 0 would be held out and 3 left"),
        (0, 0.0, 0.5, "0 ratings are too few for test=0.5"),
    ],
)
def test_a_table_too_small_for_a_fraction_is_refused(kind, n, validation, test, message):
    with pytest.raises(DataError, match=message):
        BY_FRACTION[kind](numbered(n, times=[0] * n), validation=validation, test=test)


@pytest.mark.parametrize("splitter", [temporal_split, leave_last_out_split])
def test_a_split_by_time_needs_times(splitter):
    with pytest.raises(DataError, match="a split by time needs ratings with timestamps: choose another kind of split$"):
        splitter(numbered(10))


# Each of its own kind


def test_a_random_split_draws_from_the_whole_table():
    held_out = items(random_split(numbered(1000), validation=0.0, test=0.5, seed=1).test)
    # The number drawn from each tenth is hypergeometric: 50 on average, with a standard deviation of 4.7.
    assert all(30 <= tenth <= 70 for tenth in np.histogram(held_out, bins=10, range=(0, 1000))[0])


@REPEATABLE
@given(ratings=tables(), test=FRACTIONS, seed=SEEDS)
def test_a_stratified_split_takes_its_fraction_of_every_user_to_within_one(ratings, test, seed):
    split = stratified_split(ratings, validation=0.0, test=test, seed=seed)
    share = len(split.test) / len(ratings)
    held_out = Counter(split.test.frame["user"])
    for user, rated in Counter(ratings.frame["user"]).items():
        assert abs(held_out[user] - share * rated) < 1


def test_a_stratified_split_draws_at_random_among_the_ratings_of_a_user():
    held_out = [items(stratified_split(numbered(20), validation=0.0, test=0.5, seed=seed).test) for seed in range(40)]
    assert len({tuple(drawn) for drawn in held_out}) > 30
    assert set(chain.from_iterable(held_out)) == set(range(20))


def test_a_temporal_split_holds_out_the_latest_and_of_equal_times_the_last_rows():
    ratings = numbered(10, times=[50, 10, 90, 20, 70, 70, 30, 70, 40, 60])
    found = parts(temporal_split(ratings, validation=0.25, test=0.2))
    assert found == {"train": [0, 1, 3, 6, 8, 9], "validation": [4, 5], "test": [2, 7]}


@REPEATABLE
@given(ratings=tables(), validation=FRACTIONS, test=FRACTIONS)
def test_in_a_temporal_split_no_part_begins_before_the_one_in_front_of_it_ends(ratings, validation, test):
    split = temporal_split(ratings, validation=validation, test=test)
    times = [getattr(split, name).frame["timestamp"] for name in PARTS]
    filled = [part for part in times if len(part)]
    assert all(before.max() <= after.min() for before, after in pairwise(filled))


@pytest.mark.parametrize(("n", "expected"), [(1, [1, 4]), (2, [4, 5])])
def test_leave_last_out_takes_the_last_by_time_of_each_user_who_has_more(n, expected):
    # In the order of time user 1 rates 2, 0, 5, 4; user 2 rates 3, 1; user 3 rates 6.
    users, times = [1, 2, 1, 2, 1, 1, 3], [40, 90, 10, 20, 70, 60, 99]
    ratings = numbered(7, users, times)
    split = leave_last_out_split(ratings, validation=0.0, n=n)
    assert parts(split) == {"train": sorted(set(range(7)) - set(expected)), "validation": [], "test": expected}


def test_leave_last_out_takes_the_last_row_where_times_are_equal():
    assert items(leave_last_out_split(numbered(4, [1, 1, 2, 2], [5, 5, 5, 5]), validation=0.0).test) == [1, 3]


def test_leave_last_out_validates_on_the_latest_of_what_each_user_has_left():
    # User 1 keeps five ratings (two fifths of them are 2), user 2 keeps one (two fifths of it are none).
    users, times = [1, 1, 1, 1, 1, 1, 2, 2], [6, 5, 4, 3, 2, 1, 101, 102]
    split = leave_last_out_split(numbered(8, users, times), validation=0.4)
    assert parts(split) == {"train": [3, 4, 5, 6], "validation": [1, 2], "test": [0, 7]}


@pytest.mark.parametrize("n", [0, -1])
def test_leave_last_out_leaves_out_at_least_one(n):
    with pytest.raises(DataError, match=f"n must be a positive integer such as 1, not {n}"):
        leave_last_out_split(numbered(4, times=[1, 2, 3, 4]), n=n)


def test_leave_last_out_refuses_a_table_in_which_no_user_has_more_than_n_ratings():
    with pytest.raises(DataError, match="^n must be less than 2, as no user has more than 2 ratings$"):
        leave_last_out_split(numbered(4, [1, 1, 2, 2], [1, 2, 3, 4]), validation=0.0, n=2)


def test_the_folds_of_ten_ratings_in_three():
    assert sorted(len(split.test) for split in kfold(numbered(10), 3)) == [3, 3, 4]
    assert [sizes(split) for split in kfold(numbered(10), 2, validation=0.4)] == [(3, 2, 5), (3, 2, 5)]
    assert [len(split.test) for split in kfold(numbered(3), 3)] == [1, 1, 1]


@pytest.mark.parametrize("folds", [1, 0, 11])
def test_there_are_at_least_two_folds_and_a_rating_for_each(folds):
    with pytest.raises(DataError, match=f"folds must be between 2 and the number of ratings, 10, not {folds}$"):
        list(kfold(numbered(10), folds))


def test_every_fold_draws_its_own_validation_part():
    drawn = []
    for split in kfold(numbered(40), 2, validation=0.5):
        left = sorted(items(split.train) + items(split.validation))
        drawn.append([left.index(item) for item in items(split.validation)])
    assert drawn[0] != drawn[1]


# Given parts


def test_a_part_that_is_not_given_is_empty_and_of_the_same_scale():
    split = Split(train=numbered(4, scale=(1, 9)))
    assert sizes(split) == (4, 0, 0)
    assert split.test.scale == split.validation.scale == (1.0, 9.0)


def test_validation_held_out_of_given_parts_leaves_the_test_part_alone():
    test = numbered(3)
    split = Split(train=numbered(10), test=test).with_validation(0.3)
    assert split.test is test
    assert sizes(split) == (7, 3, 3)
    assert sorted(items(split.train) + items(split.validation)) == list(range(10))


def test_a_fraction_of_given_parts_is_checked_too():
    with pytest.raises(DataError, match=r"2 ratings are too few for validation=0\.1"):
        Split(train=numbered(2)).with_validation(0.1)


def test_the_validation_part_of_a_stream_is_drawn_from_all_of_it_and_can_join_it_again(tmp_path):
    ratings, test = numbered(40, scale=(1, 5)), numbered(3)
    ratings.frame.to_parquet(tmp_path / "train.parquet")
    whole = Split(stream_ratings(tmp_path / "train.parquet", scale=(1, 5)), test=test)
    assert (len(whole.validation), whole.validation.scale) == (0, (1, 5))
    assert whole.with_validation(0.0) is whole
    split = whole.with_validation(0.25, seed=3)
    assert isinstance(split.train, RatingsStream)
    assert (len(split.train), len(split.validation)) == (30, 10)
    assert split.test is test
    (rest,) = split.train
    assert sorted(items(rest) + items(split.validation)) == list(range(40))
    joined = split.without_validation()
    assert (len(joined.train), len(joined.validation)) == (40, 0)
    assert [item for part in joined.train for item in items(part)] == items(rest) + items(split.validation)


def test_a_second_validation_part_is_refused():
    split = random_split(numbered(40), validation=0.2, test=0.2)
    with pytest.raises(
        DataError, match="^the split has a validation part of 6 ratings already: take a split without one$"
    ):
        split.with_validation(0.5)
