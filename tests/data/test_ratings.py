"""The table of ratings: what it keeps, what it refuses, and that nothing changes it."""

import re
from collections import defaultdict
from decimal import Decimal
from statistics import fmean

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys_nn.data.datasets.synthetic import generate
from recsys_nn.data.ratings import Ratings
from recsys_nn.errors import DataError

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=50)


def table(**changed: object) -> pd.DataFrame:
    """Three ratings by two users; columns can be put in the place of its own."""
    columns = {"user": ["ann", "ann", "bob"], "item": [10, 20, 10], "rating": [4, 2, 5]}
    return pd.DataFrame(columns | changed)


def rows(ratings: Ratings) -> list[tuple]:
    return list(ratings.frame.itertuples(index=False, name=None))


# What is kept


def test_the_columns_are_user_item_and_rating_and_others_are_left_out():
    source = table(comment=["", "", ""])[["comment", "rating", "item", "user"]].set_index(pd.Index([7, 7, 7]))
    frame = Ratings(source).frame
    assert frame.columns.tolist() == ["user", "item", "rating"]
    assert frame.index.tolist() == [0, 1, 2]
    assert frame.dtypes.astype(str).tolist() == ["str", "int64", "float64"]
    assert list(frame.itertuples(index=False, name=None)) == [("ann", 10, 4.0), ("ann", 20, 2.0), ("bob", 10, 5.0)]


def test_times_are_held_where_there_are_any():
    timed = Ratings(table(timestamp=["2004-02-10", "2004-02-11", "2004-02-12"]))
    assert timed.has_timestamps
    assert timed.frame["timestamp"].dt.day.tolist() == [10, 11, 12]
    assert not Ratings(table()).has_timestamps


def test_sizes_and_the_text_that_shows_them():
    ratings = Ratings(table(), scale=(0.5, 5))
    assert (len(ratings), ratings.n_users, ratings.n_items) == (3, 2, 2)
    assert repr(ratings) == "Ratings(3 ratings, 2 users, 2 items, 0.5 to 5)"


def test_a_table_may_be_empty():
    ratings = Ratings(pd.DataFrame({"user": [], "item": [], "rating": []}), scale=(1, 5))
    assert (len(ratings), ratings.n_users, ratings.n_items, ratings.scale) == (0, 0, 0, (1.0, 5.0))


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 4],
        np.array([1, 2, 4], dtype="float32"),
        pd.Series([1, 2, 4], dtype="Int8"),
        pd.Series([1, 2.0, np.float32(4)], dtype=object),
        [Decimal(1), Decimal(2), Decimal(4)],
    ],
    ids=["integers", "float32", "nullable integers", "objects", "decimals"],
)
def test_ratings_may_be_numbers_of_any_kind(values):
    column = Ratings(table(rating=values)).frame["rating"]
    assert column.dtype == np.float64
    assert column.tolist() == [1.0, 2.0, 4.0]


# What is refused


@pytest.mark.parametrize("column", ["user", "item", "rating"])
def test_a_missing_column_is_named_beside_those_that_are_there(column):
    others = [name for name in ("user", "item", "rating") if name != column]
    with pytest.raises(DataError, match=f"no column '{column}' among '{others[0]}', '{others[1]}'"):
        Ratings(table().drop(columns=column))


REFUSED_RATINGS = {
    "text": ([4, 2, "good"], r"row 2: the rating must be a number, not 'good' \(str\)$"),
    "numbers as text": (["4", "2", "5"], r"row 0: the rating must be a number, not '4' \(str\)$"),
    "a bool": (pd.Series([4, True, 5], dtype=object), r"row 1: the rating must be a number, not True \(bool\)$"),
    "bools": ([True, False, True], r"row 0: the rating must be a number, not True \(bool\)$"),
    "complex numbers": ([4, 2j, 5], r"row 0: the rating must be a number, not \(4\+0j\) \(complex128\)$"),
    "dates": (
        pd.to_datetime(["2004-02-10"] * 3),
        r"row 0: the rating must be a number, not Timestamp\('2004-02-10 00:00:00'\) "
        r"\(Timestamp\)$",
    ),
    "NaN": ([4, np.nan, 5], "row 1: the rating must be a finite number, not nan$"),
    "None": ([4, None, 5], "row 1: the rating must be a finite number, not nan$"),
    "NA": (pd.Series([4, None, 5], dtype="Int64"), "row 1: the rating must be a finite number, not <NA>$"),
    "infinity": ([4, 2, np.inf], "row 2: the rating must be a finite number, not inf$"),
    "minus infinity": ([4, -np.inf, 5], "row 1: the rating must be a finite number, not -inf$"),
    "nothing but None": ([None, None, None], "row 0: the rating must be a finite number, not None$"),
}


@pytest.mark.parametrize(("values", "message"), REFUSED_RATINGS.values(), ids=REFUSED_RATINGS)
def test_ratings_are_finite_numbers(values, message):
    with pytest.raises(DataError, match=message):
        Ratings(table(rating=values))


@pytest.mark.parametrize("side", ["user", "item"])
@pytest.mark.parametrize(
    ("ids", "problem"),
    [
        ([1, 2, None], "row 2: the {side} id is missing"),
        ([1.5, 2.5, 3.5], "row 0: the {side} ids must be integers or strings, not floating"),
        ([1, "2", 3], "the {side} ids are of mixed types"),
        ([1, 2, 2**63], "row 2: the {side} id 9223372036854775808 does not fit"),
    ],
    ids=["missing", "floats", "mixed", "too large"],
)
def test_both_columns_of_ids_are_checked(side, ids, problem):
    with pytest.raises(DataError, match=problem.format(side=side)):
        Ratings(table(**{side: pd.Series(ids, dtype="Int64" if ids[2] is None else None)}))


def test_times_are_checked():
    with pytest.raises(
        DataError, match="row 1: the timestamp 'soon' must be epoch seconds or an ISO 8601 date such as 2004-02-10$"
    ):
        Ratings(table(timestamp=["2004-02-10", "soon", "2004-02-12"]))


@pytest.mark.parametrize(
    ("changed", "scale"),
    [
        ({"rating": [4, np.nan, 5]}, None),
        ({"rating": [4, 9, 5]}, (1, 5)),
        ({"user": ["ann", "", "bob"]}, None),
        ({"timestamp": ["2004-02-10", "x", "2004-02-10"]}, None),
        ({"item": [10, 10, 10]}, None),
    ],
    ids=["rating", "scale", "id", "timestamp", "duplicate"],
)
def test_every_error_names_the_row_by_the_place_it_came_from(changed, scale):
    with pytest.raises(DataError, match=r"^ratings\.csv, line 3: "):
        Ratings(table(**changed), scale=scale, where=lambda row: f"ratings.csv, line {row + 2}")


# The scale


def test_the_scale_is_what_was_observed_unless_it_is_given():
    assert Ratings(table()).scale == (2.0, 5.0)
    assert Ratings(table(), scale=(1, 5)).scale == (1.0, 5.0)
    assert Ratings(table(), scale=(2, 5)).scale == (2.0, 5.0)


@pytest.mark.parametrize(
    ("scale", "message"),
    [
        ((1, 4), "row 2: the rating 5 is outside the scale 1 to 4, as 1 of 3 ratings are: correct them or the scale$"),
        (
            (4.5, 10),
            "row 0: the rating 4 is outside the scale 4.5 to 10, as 2 of 3 ratings are: correct them or the scale$",
        ),
        ((5, 1), r"scale must be \(lowest, highest\) with lowest < highest, not \(5, 1\)$"),
        ((5, 5), r"scale must be \(lowest, highest\) with lowest < highest, not \(5, 5\)$"),
        ((1, np.inf), r"scale must be \(lowest, highest\) with lowest < highest, not \(1, inf\)$"),
        ((np.nan, 5), r"scale must be \(lowest, highest\) with lowest < highest, not \(nan, 5\)$"),
    ],
)
def test_a_scale_that_does_not_hold_the_ratings_is_refused(scale, message):
    with pytest.raises(DataError, match=message):
        Ratings(table(), scale=scale)


# Pairs that stand in the table more than once


TWICE = pd.DataFrame({"user": [1, 2, 1, 1], "item": [7, 7, 7, 8], "rating": [2.0, 3.0, 5.0, 1.0]})


def test_a_repeated_pair_is_an_error_that_says_where_and_how_to_choose():
    message = (
        r"^row 2: user 1 already rated item 7 at row 0 \(1 rows repeat a pair\): "
        "set the option duplicates to 'last' or 'mean'$"
    )
    with pytest.raises(DataError, match=message):
        Ratings(TWICE)


@pytest.mark.parametrize(
    ("policy", "times", "expected"),
    [
        ("last", None, [(2, 7, 3.0), (1, 7, 5.0), (1, 8, 1.0)]),
        ("mean", None, [(2, 7, 3.0), (1, 7, 3.5), (1, 8, 1.0)]),
        ("last", [300, 0, 200, 0], [(1, 7, 2.0, 300), (2, 7, 3.0, 0), (1, 8, 1.0, 0)]),
        ("last", [300, 0, 300, 0], [(2, 7, 3.0, 0), (1, 7, 5.0, 300), (1, 8, 1.0, 0)]),
        ("mean", [300, 0, 200, 0], [(1, 7, 3.5, 300), (2, 7, 3.0, 0), (1, 8, 1.0, 0)]),
    ],
    ids=["last row", "mean", "latest", "last row of the latest", "mean with the latest time"],
)
def test_a_repeated_pair_is_settled_by_policy(policy, times, expected):
    frame = TWICE if times is None else TWICE.assign(timestamp=times)
    ratings = Ratings(frame, duplicates=policy)
    assert ratings.n_merged == ratings.take([0]).n_merged == 1  # of the whole table
    settled = ratings.frame
    if times is not None:
        settled["timestamp"] = settled["timestamp"].astype("int64") // 10**6
    assert list(settled.itertuples(index=False, name=None)) == expected
    assert settled.index.tolist() == [0, 1, 2]


def test_an_unknown_policy_is_refused_even_where_nothing_is_repeated():
    with pytest.raises(DataError, match="duplicates must be one of 'error', 'last', 'mean', not 'first'"):
        Ratings(table(), duplicates="first")


@REPEATABLE
@given(st.lists(st.tuples(st.integers(1, 3), st.sampled_from("ab"), st.integers(1, 5), st.integers(0, 9)), min_size=1))
@example([(1, "a", 5, 3), (1, "a", 2, 3), (1, "a", 4, 1)])
def test_one_rating_a_pair_is_left_in_the_order_of_the_table(given_rows):
    frame = pd.DataFrame(given_rows, columns=["user", "item", "rating", "timestamp"])
    by_pair = defaultdict(list)
    for position, (user, item, rating, time) in enumerate(given_rows):
        by_pair[user, item].append((time, position, rating))
    latest = {pair: max(found) for pair, found in by_pair.items()}
    in_order = sorted(latest, key=lambda pair: latest[pair][1])
    means = {pair: fmean(rating for _, _, rating in found) for pair, found in by_pair.items()}

    last, mean = (Ratings(frame, duplicates=policy).frame for policy in ("last", "mean"))

    pairs = list(zip(last["user"], last["item"], strict=True))
    assert pairs == list(zip(mean["user"], mean["item"], strict=True)) == in_order
    assert last["rating"].tolist() == [latest[pair][2] for pair in in_order]
    assert mean["rating"].tolist() == pytest.approx([means[pair] for pair in in_order], rel=1e-15)
    assert last["timestamp"].tolist() == mean["timestamp"].tolist()


# Nothing changes it


USERS = pd.DataFrame({"user": ["ann", "bob"], "age": [30, 40]})
ITEMS = pd.DataFrame({"item": [10, 20, 30], "year": [1999, 2000, 2001]})


def test_changing_what_is_given_out_changes_nothing():
    ratings = Ratings(table(), user_features=USERS, item_features=ITEMS)
    frame, users, items = ratings.frame, ratings.user_features, ratings.item_features
    frame.loc[0, "rating"] = 99.0
    frame["user"] = "eve"
    del frame["item"]
    users.loc[0, "age"] = 99
    items["year"] = 0
    assert rows(ratings) == [("ann", 10, 4.0), ("ann", 20, 2.0), ("bob", 10, 5.0)]
    assert ratings.user_features["age"].tolist() == [30, 40]
    assert ratings.item_features["year"].tolist() == [1999, 2000, 2001]


@pytest.mark.parametrize("column", ["item", "rating"])
def test_the_numbers_given_out_cannot_be_written_to(column):
    with pytest.raises(ValueError, match="read-only"):
        Ratings(table()).frame[column].to_numpy()[0] = 99


def test_changing_the_source_changes_nothing():
    numbers = np.array([4.0, 2.0, 5.0])
    source = pd.DataFrame({"user": [1, 1, 2], "item": [10, 20, 10], "rating": numbers}, copy=False)
    users = pd.DataFrame({"user": [1, 2], "age": [30, 40]})
    ratings = Ratings(source, user_features=users)
    numbers[0] = 99.0
    source.loc[1, ["user", "rating"]] = 99
    users.loc[0, "age"] = 99
    assert rows(ratings) == [(1, 10, 4.0), (1, 20, 2.0), (2, 10, 5.0)]
    assert ratings.user_features["age"].tolist() == [30, 40]


@pytest.mark.parametrize("name", ["frame", "scale", "user_features", "item_features", "truth"])
def test_no_part_of_it_can_be_replaced(name):
    with pytest.raises(AttributeError, match=name):
        setattr(Ratings(table()), name, None)


# Parts of it


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ([2, 0], [("bob", 10, 5.0), ("ann", 10, 4.0)]),
        (np.array([False, True, True]), [("ann", 20, 2.0), ("bob", 10, 5.0)]),
        ([], []),
    ],
    ids=["positions", "mask", "nothing"],
)
def test_a_part_keeps_the_scale_and_features_of_all(chosen, expected):
    truth = object()
    ratings = Ratings(table(), scale=(1, 6), user_features=USERS, item_features=ITEMS, truth=truth)
    part = ratings.take(chosen)
    assert rows(part) == expected
    assert part.frame.index.tolist() == list(range(len(expected)))
    assert part.scale == (1.0, 6.0)
    assert part.truth is truth
    pd.testing.assert_frame_equal(part.user_features, USERS)
    pd.testing.assert_frame_equal(part.item_features, ITEMS)
    assert len(ratings) == 3


def test_a_part_keeps_the_observed_scale_of_all():
    assert Ratings(table()).take([0]).scale == (2.0, 5.0)


# Features


def test_there_are_no_features_unless_they_are_given():
    assert Ratings(table()).user_features is None
    assert Ratings(table()).item_features is None


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (
            {"user_features": USERS.rename(columns={"user": "who"})},
            "the user features have no column 'user' among 'who', 'age'$",
        ),
        (
            {"user_features": pd.DataFrame({"user": [1]})},
            "the user ids must be of type string in the user features too, not integer$",
        ),
        (
            {"item_features": pd.DataFrame({"item": ["10"]})},
            "the item ids must be of type integer in the item features too, not string$",
        ),
        (
            {"item_features": pd.DataFrame({"item": [5, 5]})},
            "the item features have several rows for item 5: keep one$",
        ),
        (
            {"user_features": pd.DataFrame({"user": ["ann", None]})},
            r"row 1: the user \(in its features\) id is missing",
        ),
    ],
    ids=["no column", "integers for strings", "strings for integers", "repeated", "missing id"],
)
def test_features_that_do_not_fit_the_ids_are_refused(features, message):
    with pytest.raises(DataError, match=message):
        Ratings(table(), **features)


def test_features_can_be_put_beside_ratings_later():
    plain = Ratings(table())
    described = plain.with_features(user_features=USERS)
    pd.testing.assert_frame_equal(described.user_features, Ratings(table(), user_features=USERS).user_features)
    assert (described.item_features, plain.user_features) == (None, None)
    with pytest.raises(DataError, match="the item features have no column 'item' among 'user'$"):
        plain.with_features(item_features=USERS[["user"]])


# Features of ratings


def test_further_columns_are_kept_where_they_are_named():
    source = table(device=pd.Series(["desk", "", None], dtype=object), minutes=[5, 7, 9], note=["a", "b", "c"])
    ratings = Ratings(source, rating_features=["minutes", "device"])
    assert ratings.rating_features == ("minutes", "device")
    assert ratings.frame.columns.tolist() == ["user", "item", "rating", "minutes", "device"]
    assert ratings.frame["minutes"].tolist() == [5, 7, 9]
    assert ratings.frame["device"].isna().tolist() == [False, True, True]
    assert Ratings(source).rating_features == ()


def test_a_part_keeps_the_features_of_its_ratings():
    ratings = Ratings(table(minutes=[5, 7, 9]), rating_features=["minutes"])
    assert ratings.take([2, 0]).frame["minutes"].tolist() == [9, 5]


def test_of_a_repeated_pair_the_latest_rating_gives_the_features():
    source = table(item=[10, 10, 10], minutes=[5, 7, 9], timestamp=["2004-02-11", "2004-02-10", "2004-02-10"])
    for policy in ("last", "mean"):
        ratings = Ratings(source, rating_features=["minutes"], duplicates=policy)
        assert ratings.frame["minutes"].tolist() == [5, 9]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["minuts"], r"rating_features: there is no column 'minuts'; did you mean 'minutes'\?$"),
        (["rating"], "rating_features must be without 'rating', which the table keeps anyway: leave it out$"),
        ("minutes", r"rating_features must be a list of column names such as \['minutes'\], not 'minutes'$"),
        (["minutes", "tags"], r"row 0: the feature 'tags' must be a number, a text or a time, not \[1\] \(list\)$"),
    ],
)
def test_what_is_no_column_of_features_is_refused(names, message):
    with pytest.raises(DataError, match=message):
        Ratings(table(minutes=[5, 7, 9], tags=[[1], [2], [3]]), rating_features=names)


# Liked or not


def test_liked_ratings_are_one_and_others_zero():
    ratings = Ratings(table(minutes=[5, 7, 9]), scale=(0, 5), user_features=USERS, rating_features=["minutes"])
    liked = ratings.liked(4)
    assert liked.frame["rating"].tolist() == [1.0, 0.0, 1.0]
    assert liked.scale == (0.0, 1.0)
    assert liked.frame["minutes"].tolist() == [5, 7, 9]
    assert liked.user_features is not None
    assert ratings.frame["rating"].tolist() == [4.0, 2.0, 5.0]


def test_the_truth_of_ratings_is_none_of_liked_ones():
    class Known:
        def expected(self, users, items):
            return np.ones(len(users))

    assert Ratings(table(), truth=Known()).liked(4).truth is None


def test_a_part_of_which_all_is_liked_is_one_all_the_same():
    assert Ratings(table()).liked(2).frame["rating"].tolist() == [1.0] * 3
    assert Ratings(table()).liked(2).scale == (0.0, 1.0)


# A part of a table that is never whole


def test_a_part_has_the_scale_of_the_whole_and_may_repeat_a_pair():
    part = Ratings.part(table(item=[10, 10, 10]), scale=(1.0, 9.0))
    assert rows(part) == [("ann", 10, 4.0), ("ann", 10, 2.0), ("bob", 10, 5.0)]
    assert part.scale == (1.0, 9.0)
    assert (part.user_features, part.item_features, part.truth) == (None, None, None)
    assert rows(part.take([2])) == [("bob", 10, 5.0)]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"user": ["ann", "ann", None]}, "part 7, row 2: the user id is missing"),
        ({"rating": [4, np.inf, 5]}, "part 7, row 1: the rating must be a finite number, not inf$"),
        ({"rating": [4, 2, 10]}, "part 7, row 2: the rating 10 is outside the scale 1 to 9"),
    ],
)
def test_a_part_is_checked_as_a_table_is(changed, message):
    with pytest.raises(DataError, match=message):
        Ratings.part(table(**changed), scale=(1.0, 9.0), where=lambda row: f"part 7, row {row}")


class TestRedrawn:
    def test_the_pairs_stay_and_the_noise_is_new(self):
        ratings = generate(n_users=20, n_items=15, n_ratings=200)
        again = ratings.redrawn(np.random.default_rng(1))
        pd.testing.assert_frame_equal(again.frame.drop(columns="rating"), ratings.frame.drop(columns="rating"))
        noise, other_noise = (
            each.frame["rating"] - ratings.truth.expected(each.frame["user"], each.frame["item"])
            for each in (ratings, again)
        )
        assert abs(np.corrcoef(noise, other_noise)[0, 1]) < 0.2
        assert again.truth is ratings.truth
        assert again.scale == ratings.scale

    def test_the_same_generator_draws_the_same(self):
        ratings = generate(n_users=20, n_items=15, n_ratings=200)
        once, twice = (ratings.redrawn(np.random.default_rng(1)).frame for _ in range(2))
        pd.testing.assert_frame_equal(once, twice)

    def test_ratings_without_a_truth_are_refused(self):
        with pytest.raises(DataError, match="only generated ratings can be drawn anew: take the data set 'synthetic'$"):
            Ratings(table()).redrawn(np.random.default_rng(1))


def test_ratings_may_be_categories():
    frame = pd.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "rating": pd.Categorical([1.0, 5.0])})
    assert Ratings(frame, scale=(1, 5)).frame["rating"].tolist() == [1.0, 5.0]


@pytest.mark.parametrize("scale", [5, (1,), ("1", "5"), (1, 2, 3)])
def test_a_scale_is_a_pair_of_numbers(scale):
    frame = pd.DataFrame({"user": ["a"], "item": ["x"], "rating": [1.0]})
    with pytest.raises(DataError, match=re.escape(f"scale must be a pair of numbers (lowest, highest), not {scale!r}")):
        Ratings(frame, scale=scale)


def test_features_are_a_frame():
    frame = pd.DataFrame({"user": ["a"], "item": ["x"], "rating": [1.0]})
    with pytest.raises(DataError, match="user_features must be a DataFrame with a column 'user', not dict$"):
        Ratings(frame, scale=(1, 5), user_features={"user": ["a"]})


def test_a_mask_is_as_long_as_the_ratings():
    frame = pd.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "rating": [1.0, 5.0]})
    with pytest.raises(DataError, match="a mask must have a value for each of 2 ratings, not 1 values$"):
        Ratings(frame, scale=(1, 5)).take(np.array([True]))


def test_parts_of_a_table_are_joined_in_their_order_with_what_is_known_of_all():
    whole = Ratings(table(), scale=(0, 9), user_features=pd.DataFrame({"user": table()["user"].unique()}))
    joined = whole.take([2, 0]).joined(whole.take([1]))
    pd.testing.assert_frame_equal(joined.frame, whole.frame.take([2, 0, 1]).reset_index(drop=True))
    assert (joined.scale, joined.n_merged) == ((0, 9), 0)
    pd.testing.assert_frame_equal(joined.user_features, whole.user_features)
