"""The knots that a rating lies between: ranks by hand, and what holds for any times."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_nn.config.sections import validated
from recsys_nn.data.ratings import Ratings
from recsys_nn.data.stream import stream_ratings
from recsys_nn.encoding.drift import Drift, DriftConfig
from recsys_nn.encoding.encoder import Encoder
from recsys_nn.encoding.extend import with_ids
from recsys_nn.encoding.features import FeaturesConfig
from recsys_nn.errors import ArtifactError, ConfigError, DataError

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=50)


def at(times: list) -> pd.DataFrame:
    return pd.DataFrame({"timestamp": times})


def fitted(users: list[int], times: list, *, every: int = 4) -> Drift:
    return Drift.fit(DriftConfig(column="timestamp", every=every), np.array(users), at(times))


def places(drift: Drift, user: int, times: list) -> list[float]:
    """The place on the spline as one number: the lower knot's row, and how far beyond it."""
    rows, weights = drift.encode(np.full(len(times), user), at(times))
    assert (rows[:, 1] == rows[:, 0] + 1).all()
    return (rows[:, 0] + weights[:, 1]).tolist()


def test_a_rating_lies_between_two_knots_by_its_rank_in_the_order_of_time():
    """Nine ratings have two segments, so three knots (rows 1, 2, 3), at the ranks 0, 4 and 8: rank 1 is place 1/4."""
    drift = fitted([1] * 9, [900, 100, 200, 300, 400, 500, 600, 700, 800])
    rows, weights = drift.encode(np.array([1, 1, 1, 1]), at([100, 200, 600, 900]))
    assert rows.tolist() == [[1, 2], [1, 2], [2, 3], [2, 3]]
    assert weights.tolist() == [[1, 0], [0.75, 0.25], [0.75, 0.25], [0, 1]]
    assert (rows.dtype, weights.dtype) == (np.int32, np.float32)


def test_a_time_that_training_does_not_have_lies_half_way_between_its_neighbours():
    drift = fitted([1] * 5, [100, 200, 300, 400, 1000])  # one segment, four ranks long
    assert places(drift, 1, [150, 399, 401, 999]) == [1 + rank / 4 for rank in (0.5, 2.5, 3.5, 3.5)]


def test_before_the_first_rating_and_after_the_last_the_drift_stands_still():
    assert places(fitted([1] * 5, [100, 200, 300, 400, 500]), 1, [0, 100, 500, 10**9]) == [1, 1, 2, 2]


def test_equal_times_share_the_middle_of_their_ranks():
    assert places(fitted([1] * 5, [100, 200, 200, 200, 500]), 1, [200, 300]) == [1 + 2 / 4, 1 + 3.5 / 4]


def test_the_users_knots_follow_one_another_in_one_table_after_the_row_for_none():
    """User 1 has no rating, 2 has one (a segment, as everyone has), 4 has four (two segments of two)."""
    drift = fitted([4, 2, 4, 4, 4], [400, 7, 100, 200, 300], every=2)
    assert drift.n_rows == 1 + 2 + 3
    assert places(drift, 2, [7, 9999]) == [1, 1]
    assert places(drift, 4, [100, 400]) == [3, 5]
    # Row 2 is touched with weight 0; of user 4, the ranks 0 and 1 lie below the middle knot, 2 and 3 above.
    assert drift.counts.tolist() == [0, 1, 1, 2, 4, 2]


def test_unknown_users_users_without_ratings_and_missing_times_have_no_drift():
    drift = fitted([1, 1, 3], [100, 200, 300])
    rows, weights = drift.encode(np.array([0, 2, 4, 1]), at([100, 100, 100, None]))
    assert rows.tolist() == [[0, 0]] * 4
    assert weights.tolist() == [[0, 0]] * 4
    rows, weights = drift.encode(np.array([1]), pd.DataFrame(index=range(1)))
    assert (rows.tolist(), weights.tolist()) == ([[0, 0]], [[0, 0]])


def test_ratings_of_training_without_a_time_are_left_out():
    drift = fitted([1, 1, 1, 2], [100, None, 300, None])
    assert places(drift, 1, [100, 200, 300]) == [1, 1.5, 2]
    assert drift.encode(np.array([2]), at([100]))[0].tolist() == [[0, 0]]


TRAINING = st.lists(st.tuples(st.integers(1, 4), st.integers(0, 20)), min_size=1, max_size=60)


@REPEATABLE
@given(TRAINING, st.integers(1, 9), st.lists(st.integers(-5, 25), min_size=1, max_size=30))
def test_a_place_is_within_the_users_knots_and_never_goes_back_in_time(training, every, asked):
    users, times = zip(*training, strict=True)
    drift = fitted(list(users), list(times), every=every)
    asked = sorted(asked)
    for user in set(users):
        rows, weights = drift.encode(np.full(len(asked), user), at(asked))
        np.testing.assert_allclose(weights.sum(axis=1), 1, rtol=1e-6)
        assert ((weights >= 0) & (weights <= 1)).all()
        assert (np.diff(rows[:, 0] + weights[:, 1].astype(float)) >= -1e-6).all()
        own, _ = drift.encode(np.array([user, user]), at([min(times), max(times)]))
        assert rows.min() >= own.min()
        assert rows.max() <= own.max()


@REPEATABLE
@given(TRAINING, st.integers(1, 9))
def test_no_two_users_share_a_knot(training, every):
    users, times = zip(*training, strict=True)
    drift = fitted(list(users), list(times), every=every)
    rows, _ = drift.encode(np.array(users), at(list(times)))
    owners = {}
    for user, pair in zip(users, rows, strict=True):
        for row in pair:
            assert owners.setdefault(row, user) == user
    assert min(owners) >= 1
    assert max(owners) < drift.n_rows


@REPEATABLE
@given(TRAINING)
def test_ranks_are_those_of_pandas(training):
    users, times = (list(values) for values in zip(*training, strict=True))
    drift = fitted(users, times, every=1000)  # one segment: the place is the share of the way
    series = pd.Series(times).groupby(users)
    expected = (series.rank(method="average") - 1) / np.maximum(series.transform("size") - 1, 1)
    _, weights = drift.encode(np.array(users), at(times))
    np.testing.assert_allclose(weights[:, 1], expected, atol=1e-6)


# In the encoder

TIMED = Ratings(
    pd.DataFrame(
        {
            "user": ["b", "a", "b", "b", "b"],
            "item": [10, 10, 20, 30, 40],
            "rating": [1.0, 2.0, 4.0, 5.0, 3.0],
            "timestamp": ["2004-02-10", "2004-02-11", "2004-03-10", "2004-03-11", "2005-01-01"],
            "bought": ["2004-02-10", None, "2004-03-11", "2004-03-10", None],
            "shelf": ["x", "y", "z", "x", "y"],
        }
    ),
    rating_features=["bought", "shelf"],
)


def test_the_drift_is_two_more_inputs():
    encoder = Encoder.fit(TIMED, features={"drift": {"column": "timestamp", "every": 2}})
    assert encoder.context_columns == ("timestamp",)
    inputs = encoder.encode(TIMED).inputs
    # User a has the knots 1 and 2, user b with its four ratings the knots 3, 4 and 5, at the ranks 0, 1.5 and 3.
    assert inputs["drift_rows"].tolist() == [[3, 4], [1, 2], [3, 4], [4, 5], [4, 5]]
    np.testing.assert_allclose(inputs["drift_weights"][:, 1], [0, 0, 2 / 3, 1 / 3, 1], rtol=1e-6)
    assert encoder.encode_pairs(["b"], [10])["drift_weights"].tolist() == [[0, 0]]
    with pytest.raises(DataError, match="context must have a row for each of 2 pairs, not 1 rows$"):
        encoder.encode_pairs(["a", "b"], [10, 20], context=at([5]))
    with pytest.raises(
        DataError,
        match="row 0, the feature 'timestamp': the timestamp 'soon' must be epoch seconds or an "
        "ISO 8601 date such as 2004-02-10$",
    ):
        encoder.encode_pairs(["a"], [10], context=at(["soon"]))


def test_the_drift_may_be_in_another_time_and_stand_beside_features_of_ratings():
    encoder = Encoder.fit(TIMED, features={"drift": "bought", "rating": ["bought", "timestamp"]})
    assert encoder.context_columns == ("bought", "timestamp")
    inputs = encoder.encode(TIMED).inputs
    assert set(inputs) == {"user", "item", "context_rows", "context_weights", "drift_rows", "drift_weights"}
    assert inputs["drift_rows"].tolist() == [[1, 2], [0, 0], [1, 2], [1, 2], [0, 0]]
    np.testing.assert_allclose(inputs["drift_weights"][:, 1], [0, 0, 1, 0.5, 0])


def test_an_encoder_that_was_saved_and_loaded_drifts_alike(tmp_path):
    encoder = Encoder.fit(TIMED, features={"drift": {"column": "timestamp", "every": 2}})
    encoder.save(tmp_path)
    loaded = Encoder.load(tmp_path)
    assert loaded.drift.config == encoder.drift.config
    for name in ("users", "times", "counts"):
        np.testing.assert_array_equal(getattr(loaded.drift, name), getattr(encoder.drift, name), strict=True)
    assert loaded.context_columns == encoder.context_columns
    for name, values in encoder.encode(TIMED).inputs.items():
        np.testing.assert_array_equal(loaded.encode(TIMED).inputs[name], values, strict=True)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "of 2 users$"),
        ([1, 0, 2], "in the order of users and times$"),
    ],
)
def test_a_saved_drift_without_its_order_is_refused(tmp_path, rows, message):
    Encoder.fit(TIMED, features={"drift": "timestamp"}).save(tmp_path)
    pd.read_parquet(tmp_path / "drift.parquet").iloc[rows].to_parquet(tmp_path / "drift.parquet", index=False)
    with pytest.raises(
        ArtifactError, match=f"drift.parquet is damaged: the times of users who drift must be {message}"
    ):
        Encoder.load(tmp_path)


def test_users_that_are_added_later_have_no_drift():
    encoder = Encoder.fit(TIMED, features={"drift": "timestamp"})
    grown = with_ids(encoder, {"user": pd.Series(["c", "c"]), "item": pd.Series([], dtype="int64")})
    inputs = grown.encode_pairs(["c", "b"], [10, 10], context=at(["2004-02-10", "2004-02-10"]))
    assert inputs["user"].tolist() == [3, 2]
    assert inputs["drift_rows"].tolist() == [[0, 0], [3, 4]]


@pytest.mark.parametrize(
    ("drift", "message"),
    [
        (
            "timestmap",
            (
                r"there is no rating feature 'timestmap'; did you mean 'timestamp'\?; name further "
                "columns in rating_features, in YAML data.format.features$"
            ),
        ),
        (
            "shelf",
            "row 0, the feature 'shelf': the timestamp 'x' must be epoch seconds or an ISO 8601 "
            "date such as 2004-02-10$",
        ),
        ({"column": "timestamp", "evry": 3}, r"^features.drift.evry: there is no such key; did you mean 'every'\?$"),
        ({"column": "timestamp", "every": 0}, "^features.drift.every must be greater than or equal to 1, not 0$"),
    ],
)
def test_a_drift_in_what_is_no_time_is_refused(drift, message):
    with pytest.raises(DataError, match=message):
        Encoder.fit(TIMED, features={"drift": drift})


def test_a_drift_without_any_time_is_refused():
    train = Ratings(TIMED.frame.assign(bought=None), rating_features=["bought"])
    with pytest.raises(
        DataError, match="the feature 'bought' has no value in training, so that users cannot drift: leave drift out$"
    ):
        Encoder.fit(train, features={"drift": "bought"})


def test_a_drift_in_a_stream_is_refused(tmp_path):
    TIMED.frame[["user", "item", "rating", "timestamp"]].to_parquet(tmp_path / "part.parquet")
    stream = stream_ratings(tmp_path)
    with pytest.raises(DataError, match="^features need ratings in memory, not a stream: read them with load_ratings$"):
        Encoder.fit(stream, features={"drift": "timestamp"})
    with pytest.raises(
        DataError, match="features of ratings need ratings in memory, not a stream: read them with load_ratings$"
    ):
        Encoder.fit(TIMED, features={"drift": "timestamp"}).encode_stream(stream)


@pytest.mark.parametrize(
    ("drift", "message"),
    [
        ({"column": "timestamp", "evry": 3}, "^drift.evry: there is no such key; did you mean 'every'"),
        ({"every": 3}, "^drift.column is missing$"),
    ],
)
def test_a_wrong_config_names_the_place_and_the_nearest_name(drift, message):
    with pytest.raises(ConfigError, match=message):
        validated(FeaturesConfig, {"drift": drift})


def test_a_plain_string_is_the_name_of_the_column():
    assert FeaturesConfig.of({"drift": "timestamp"}).drift == DriftConfig(column="timestamp", every=4)
    assert FeaturesConfig.of({"drift": "timestamp"}).by_side() == {}
    assert FeaturesConfig.of(None).drift is None
