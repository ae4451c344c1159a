"""What is learnt from the training rows: ids, counts, mean, scale; and that it survives being saved."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys_nn.data import stream as stream_module
from recsys_nn.data.ratings import Ratings
from recsys_nn.data.stream import RatingsStream, stream_ratings
from recsys_nn.encoding.encoder import Encoder
from recsys_nn.encoding.files import ENCODER_FILES
from recsys_nn.errors import DataError
from recsys_nn.tensors.streamed import StreamedTensors
from recsys_nn.tensors.tensors import Tensors

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=25)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1)


def stream_of(frame: pd.DataFrame, folder: str | Path, n_files: int = 1, **options: object) -> RatingsStream:
    for number, rows in enumerate(np.array_split(np.arange(len(frame)), n_files)):
        frame.iloc[rows].to_parquet(Path(folder) / f"{number}.parquet", index=False)
    return stream_ratings(folder, **options)


def ratings_of(users: list, items: list, values: list[float], **options: object) -> Ratings:
    return Ratings(pd.DataFrame({"user": users, "item": items, "rating": values}), **options)


TRAIN = ratings_of(["b", "a", "b", "c"], [20, 20, 10, 10], [1.0, 2.0, 4.0, 5.0])


def test_what_is_fitted_to_four_ratings_by_hand():
    encoder = Encoder.fit(TRAIN)
    assert (encoder.n_users, encoder.n_items, encoder.n_ratings) == (3, 2, 4)
    assert encoder.id_types == {"user": "string", "item": "integer"}
    assert encoder.user_counts.tolist() == [0, 1, 2, 1]  # unknown, a, b, c
    assert encoder.item_counts.tolist() == [0, 2, 2]  # unknown, 10, 20
    assert encoder.rating_mean == 3.0
    assert encoder.rating_std == pytest.approx(np.sqrt((4 + 1 + 1 + 4) / 4))
    assert encoder.scale == (1.0, 5.0)
    assert set(encoder.baselines) == {"global", "user", "item", "bias"}


def test_ratings_become_rows_and_targets_in_the_order_of_the_table():
    tensors = Encoder.fit(TRAIN).encode(TRAIN)
    assert isinstance(tensors, Tensors)
    assert {name: array.tolist() for name, array in tensors.inputs.items()} == {
        "user": [2, 1, 2, 3],
        "item": [2, 2, 1, 1],
    }
    assert tensors.targets.tolist() == [1.0, 2.0, 4.0, 5.0]
    assert {array.dtype for array in tensors.inputs.values()} == {np.dtype(np.int32)}
    assert tensors.targets.dtype == np.float32


def test_only_the_training_rows_are_learnt_from_but_the_scale_is_that_of_the_whole_table():
    whole = ratings_of(["a", "b", "a", "new"], [1, 2, 2, 9], [2.0, 3.0, 3.0, 5.0], scale=(1, 6))
    encoder = Encoder.fit(whole.take([0, 1, 2]))
    assert (encoder.n_users, encoder.n_items, encoder.n_ratings) == (2, 2, 3)
    assert encoder.rating_mean == pytest.approx(8 / 3)
    assert encoder.scale == (1.0, 6.0)
    tensors = encoder.encode(whole)
    assert tensors.inputs["user"].tolist() == [1, 2, 1, 0]
    assert tensors.inputs["item"].tolist() == [1, 2, 2, 0]


def test_a_dataframe_is_encoded_as_the_ratings_in_it():
    encoder = Encoder.fit(TRAIN)
    tensors = encoder.encode(pd.DataFrame({"rating": [3, 4], "item": [20, 99], "user": ["c", "d"]}))
    assert tensors.inputs["user"].tolist() == [3, 0]
    assert tensors.inputs["item"].tolist() == [2, 0]
    assert tensors.targets.tolist() == [3.0, 4.0]
    with pytest.raises(DataError, match="row 1: the rating must be a finite number, not nan$"):
        encoder.encode(pd.DataFrame({"user": ["c", "d"], "item": [20, 99], "rating": [3, np.nan]}))


def test_pairs_are_encoded_without_ratings():
    inputs = Encoder.fit(TRAIN).encode_pairs(["c", "nobody"], pd.Series([99, 10]))
    assert {name: rows.tolist() for name, rows in inputs.items()} == {"user": [3, 0], "item": [0, 1]}
    assert {rows.dtype for rows in inputs.values()} == {np.dtype(np.int32)}


NOTHING_TO_LEARN = {
    "no ratings": (TRAIN.take([]), "the training part has no ratings$"),
    "one user": (
        ratings_of([7, 7], [1, 2], [1, 2]),
        "^the training part has only one user, 7: give ratings of two or more$",
    ),
    "one item": (
        ratings_of([1, 2], ["x", "x"], [1, 2]),
        "the training part has only one item, 'x': give ratings of two or more$",
    ),
    "all equal": (
        ratings_of([1, 2], [1, 2], [4, 4], scale=(1, 5)),
        "all 2 training ratings are 4: give ratings that differ$",
    ),
}


@pytest.mark.parametrize(("train", "message"), NOTHING_TO_LEARN.values(), ids=NOTHING_TO_LEARN)
def test_a_training_part_from_which_nothing_can_be_learnt_is_refused(train, message):
    with pytest.raises(DataError, match=message):
        Encoder.fit(train)


@pytest.mark.parametrize(
    ("users", "items", "message"),
    [
        (
            ["a"],
            ["10"],
            "row 0: the item ids must be of type integer, as in training, not string as '10' is: "
            r"cast them \(1 of 1 would match then\)$",
        ),
        (
            ["a", "a"],
            [99, 10.0],
            "row 0: the item ids must be integers or strings, not floating as 99.0 is: convert "
            r"them, for example with frame\['item'\].astype\('int64'\) or .astype\(str\)$",
        ),
        (
            [1],
            [10],
            "row 0: the user ids must be of type string, as in training, not integer as 1 is: "
            r"cast them \(0 of 1 would match then\)$",
        ),
        (["a", "b"], [10], "users and items must have the same length, not 2 and 1$"),
    ],
    ids=["a cast would match", "no ids", "a cast would match nothing", "unequal lengths"],
)
def test_what_is_no_pair_of_known_types_is_refused(users, items, message):
    with pytest.raises(DataError, match=message):
        Encoder.fit(TRAIN).encode_pairs(users, items)


def test_an_error_names_the_place_of_the_pair():
    with pytest.raises(
        DataError,
        match="^pairs.csv, line 2: the item ids must be of type integer, as in training, not "
        r"string as '10' is: cast them \(1 of 1 would match then\)$",
    ):
        Encoder.fit(TRAIN).encode_pairs(["a"], ["10"], where=lambda row: f"pairs.csv, line {row + 2}")


@REPEATABLE
@given(
    st.one_of(st.sets(ids, min_size=2, max_size=6) for ids in (INTEGERS, TEXTS)),
    st.one_of(st.sets(ids, min_size=2, max_size=6) for ids in (INTEGERS, TEXTS)),
    st.floats(0.01, 2.0),
)
@example({2**53, 2**53 + 1, -(2**63)}, {"007", "7", "NA", "None", "a,b"}, 1 / 3)
def test_an_encoder_that_was_saved_and_loaded_is_the_same(users, items, step):
    pairs = pd.MultiIndex.from_product([sorted(users), sorted(items)], names=["user", "item"]).to_frame(index=False)
    ratings = Ratings(pairs.assign(rating=np.arange(len(pairs)) * step), scale=(-0.5, 100.25))
    encoder = Encoder.fit(ratings)
    with tempfile.TemporaryDirectory() as folder:
        encoder.save(folder)
        assert sorted(path.name for path in Path(folder).iterdir()) == sorted(ENCODER_FILES)
        loaded = Encoder.load(folder)

    values = ("n_users", "n_items", "n_ratings", "id_types", "rating_mean", "rating_std", "scale", "levels")
    for name in (*values, "level_counts"):
        assert getattr(loaded, name) == getattr(encoder, name)
    for name in ("user_counts", "item_counts"):
        np.testing.assert_array_equal(getattr(loaded, name), getattr(encoder, name), strict=True)
    for name, baseline in encoder.baselines.items():
        assert loaded.baselines[name].mean == baseline.mean
        np.testing.assert_array_equal(loaded.baselines[name].user, baseline.user, strict=True)
        np.testing.assert_array_equal(loaded.baselines[name].item, baseline.item, strict=True)
    expected, found = encoder.encode(ratings), loaded.encode(ratings)
    for side in ("user", "item"):
        np.testing.assert_array_equal(found.inputs[side], expected.inputs[side], strict=True)
        assert found.inputs[side].min() == 1


@REPEATABLE
@given(st.sets(TEXTS, min_size=2, max_size=6), st.lists(TEXTS, max_size=6))
def test_ids_have_rows_of_their_own_and_unknown_ones_row_0(known, asked):
    encoder = Encoder.fit(
        Ratings(
            pd.DataFrame(
                {"user": sorted(known), "item": [1, 2, *[1] * (len(known) - 2)], "rating": np.arange(len(known))}
            )
        )
    )
    rows = encoder.encode_pairs(sorted(known) + asked, np.ones(len(known) + len(asked), dtype=np.int64))["user"]
    assert sorted(rows[: len(known)]) == list(range(1, len(known) + 1))
    row_of = dict(zip(sorted(known), rows, strict=False))
    assert rows[len(known) :].tolist() == [row_of.get(one, 0) for one in asked]


def test_a_loaded_encoder_still_refuses_ids_of_the_other_type(tmp_path):
    Encoder.fit(TRAIN).save(tmp_path)
    with pytest.raises(
        DataError,
        match="row 0: the item ids must be of type integer, as in training, not string as '10' is: "
        r"cast them \(1 of 1 would match then\)$",
    ):
        Encoder.load(tmp_path).encode_pairs(["a"], ["10"])


def test_a_million_distinct_ids_have_a_million_rows():
    number = 1_000_000
    ids = 2**53 + np.arange(number)  # as floats, every other one would be its neighbour
    encoder = Encoder.fit(Ratings(pd.DataFrame({"user": ids[::-1], "item": ids % 2, "rating": ids % 5})))
    assert encoder.n_users == number
    np.testing.assert_array_equal(encoder.users.lookup(ids), np.arange(1, number + 1))
    assert encoder.user_counts.max() == 1


# Rating levels


def test_the_levels_are_the_distinct_training_ratings():
    encoder = Encoder.fit(ratings_of(["a", "a", "b", "b"], [1, 2, 1, 2], [0.5, 5.0, 3.0, 0.5], scale=(0, 9)))
    assert encoder.levels == (0.5, 3.0, 5.0)
    assert encoder.level_counts == (2, 1, 1)


def test_ratings_that_take_many_values_have_no_levels():
    encoder = Encoder.fit(ratings_of([1, 2] * 60, list(range(120)), np.arange(120.0).tolist()))
    assert (encoder.levels, encoder.level_counts) == (None, None)


# Features

AGES = pd.DataFrame({"user": ["cold", "c", "a", "b"], "age": [99, 30, 10, 20]})
GENRES = pd.DataFrame({"item": [10, 30], "genres": ["Comedy|Drama", "Drama|War"]})
TIMED = Ratings(
    TRAIN.frame.assign(
        timestamp=["2004-02-10", "2004-02-11", "2004-03-10", "2004-03-11"], device=["x", "y", "x", None]
    ),
    user_features=AGES,
    item_features=GENRES,
    rating_features=["device"],
)


def test_every_id_of_a_feature_table_has_a_row_and_a_count():
    encoder = Encoder.fit(TIMED, features={"user": ["age"], "item": [{"column": "genres", "separator": "|"}]})
    assert encoder.users.ids.tolist() == ["a", "b", "c", "cold"]
    assert encoder.user_counts.tolist() == [0, 1, 2, 1, 0]
    assert encoder.items.ids.tolist() == [10, 20, 30]
    assert encoder.item_counts.tolist() == [0, 2, 2, 0]
    assert (encoder.n_users, encoder.n_items, encoder.n_ratings) == (4, 3, 4)
    for side in ("user", "item"):
        assert getattr(encoder.baselines["bias"], side)[[0, -1]].tolist() == [0, 0]


def test_features_are_fitted_to_the_owners_with_a_rating_and_held_by_row():
    encoder = Encoder.fit(TIMED, features={"user": ["age"], "item": [{"column": "genres", "separator": "|"}]})
    assert list(encoder.features) == ["user", "item"]
    ages = (np.array([10, 20, 30, 99]) - 20) / np.std([10, 20, 30])
    assert encoder.features["user"].rows.tolist() == [[0], [1], [1], [1], [1]]
    np.testing.assert_allclose(encoder.features["user"].weights[:, 0], [0, *ages], rtol=1e-6)
    genres = encoder.features["item"]  # 10 alone has both features and ratings; War is unknown, 20 has no features
    assert genres.columns[0].values == ("Comedy", "Drama")
    assert genres.rows.tolist() == [[0, 0], [1, 2], [0, 0], [2, 0]]
    np.testing.assert_allclose(genres.weights, [[0, 0], [0.5**0.5, 0.5**0.5], [0, 0], [1, 0]], rtol=1e-7)


def test_a_side_without_features_has_rows_for_the_rated_alone():
    encoder = Encoder.fit(TIMED, features={"item": [{"column": "genres", "separator": "|"}]})
    assert encoder.users.ids.tolist() == ["a", "b", "c"]
    assert Encoder.fit(TIMED).features == {}


def test_features_of_ratings_are_two_more_inputs():
    encoder = Encoder.fit(TIMED, features={"rating": ["device", "timestamp"]})
    assert encoder.context_columns == ("device", "timestamp")
    inputs = encoder.encode(TIMED).inputs
    # The devices x and y are the rows 1 and 2, the trend is row 3, the months are 4 and 5.
    assert inputs["context_rows"].tolist() == [[1, 3, 4], [2, 3, 4], [1, 3, 5], [0, 3, 5]]
    days = np.array([0, 1, 29, 30])
    trend = (days - 15) / np.std(days)
    np.testing.assert_allclose(inputs["context_weights"][:, 1], trend, rtol=1e-6)
    assert inputs["context_weights"][:, [0, 2]].tolist() == [[1, 1], [1, 1], [1, 1], [0, 1]]
    assert (inputs["context_rows"].dtype, inputs["context_weights"].dtype) == (np.int32, np.float32)


def test_pairs_have_the_context_that_is_given_and_missing_values_else():
    encoder = Encoder.fit(TIMED, features={"rating": ["device", "timestamp"]})
    context = pd.DataFrame({"timestamp": [1076371200], "mood": ["good"]})  # 2004-02-10
    inputs = encoder.encode_pairs(["a"], [10], context=context)
    assert inputs["context_rows"].tolist() == [[0, 3, 4]]
    for part in ("context_rows", "context_weights"):
        assert encoder.encode_pairs(["a", "b"], [10, 20])[part].tolist() == [[0, 0, 0], [0, 0, 0]]
    with pytest.raises(DataError, match="context must have a row for each of 2 pairs, not 1 rows$"):
        encoder.encode_pairs(["a", "b"], [10, 20], context=context)
    with pytest.raises(
        DataError,
        match="row 0, the feature 'timestamp': the timestamp 'soon' must be epoch seconds or an "
        "ISO 8601 date such as 2004-02-10$",
    ):
        encoder.encode_pairs(["a"], [10], context=pd.DataFrame({"timestamp": ["soon"]}))


def test_a_dataframe_is_encoded_with_its_context():
    encoder = Encoder.fit(TIMED, features={"rating": ["device", "timestamp"]})
    frame = pd.DataFrame({"user": ["a"], "item": [10], "rating": [3], "device": ["y"], "timestamp": ["2004-03-31"]})
    assert encoder.encode(frame).inputs["context_rows"].tolist() == [[2, 3, 5]]


@pytest.mark.parametrize(
    ("train", "features", "message"),
    [
        (TIMED, {"user": ["aeg"]}, r"^there is no user feature 'aeg'; did you mean 'age'\?$"),
        (TIMED, {"item": ["item"]}, "there is no item feature 'item'"),
        (
            TIMED,
            {"rating": ["rating"]},
            r"^there is no rating feature 'rating' \(known: device, timestamp\); name further "
            "columns in rating_features, in YAML data.format.features$",
        ),
        (TIMED, {"usr": ["age"]}, r"features.usr: there is no such key; did you mean 'user'\?$"),
        (
            TRAIN,
            {"item": ["genres"]},
            "the ratings have no item features: pass item_features to load_ratings, or leave them out$",
        ),
        (
            TRAIN,
            {"rating": ["timestamp"]},
            "the ratings have no rating features: pass rating_features to load_ratings, or leave them out$",
        ),
        (
            TIMED.with_features(user_features=AGES.assign(age=["?", "30", "10", "20"])),
            {"user": [{"column": "age", "kind": "numeric"}]},
            r"^user 'cold': the feature 'age' must be a finite number, not '\?'$",
        ),
    ],
)
def test_features_that_the_ratings_do_not_have_are_refused(train, features, message):
    with pytest.raises(DataError, match=message):
        Encoder.fit(train, features=features)


# Streams


@settings(REPEATABLE, max_examples=12)
@given(
    st.one_of(st.sets(ids, min_size=2, max_size=8) for ids in (INTEGERS, TEXTS)),
    st.one_of(st.sets(ids, min_size=2, max_size=8) for ids in (INTEGERS, TEXTS)),
    st.integers(1, 4),
    st.integers(0, 2**32),
)
def test_a_stream_gives_the_encoder_and_the_rows_of_the_same_ratings_in_one_table(users, items, n_files, seed):
    pairs = pd.MultiIndex.from_product([sorted(users), sorted(items)], names=["user", "item"]).to_frame(index=False)
    rng = np.random.default_rng(seed)
    frame = pairs.iloc[rng.permutation(len(pairs))].assign(rating=rng.normal(3.7, 1.0, len(pairs)))
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream_module, "CHUNK_ROWS", 3)
        stream = stream_of(frame, folder, n_files)
        found = Encoder.fit(stream)
        rows = found.encode_stream(stream).take(np.arange(len(frame)))
    ratings = Ratings(frame)
    expected = Encoder.fit(ratings)

    for side in ("users", "items"):
        pd.testing.assert_series_equal(getattr(found, side).ids, getattr(expected, side).ids)
    for name in ("user_counts", "item_counts"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), strict=True)
    assert found.id_types == expected.id_types
    assert found.scale == expected.scale
    assert (found.levels, found.level_counts) == (expected.levels, expected.level_counts)
    assert (found.rating_mean, found.rating_std) == pytest.approx(
        (expected.rating_mean, expected.rating_std), rel=1e-12
    )
    for name, baseline in expected.baselines.items():
        np.testing.assert_allclose(found.baselines[name].user, baseline.user, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.baselines[name].item, baseline.item, rtol=0, atol=1e-12)
    resident = expected.encode(ratings)
    for side in ("user", "item"):
        np.testing.assert_array_equal(rows.inputs[side], resident.inputs[side], strict=True)
    np.testing.assert_array_equal(rows.targets, resident.targets, strict=True)


def test_a_stream_of_more_than_one_chunk_on_disk_is_encoded_as_the_table(tmp_path):
    n = 150_000  # three chunks of the cache
    rng = np.random.default_rng(0)
    pairs = rng.choice(20_000 * 500, n, replace=False)
    frame = pd.DataFrame({"user": pairs // 500, "item": pairs % 500, "rating": rng.integers(1, 11, n) / 2})
    stream = stream_of(frame, tmp_path, n_files=3)
    found, expected = Encoder.fit(stream), Encoder.fit(Ratings(frame))
    assert found.rating_mean == pytest.approx(expected.rating_mean, rel=1e-14)
    np.testing.assert_allclose(found.baselines["bias"].user, expected.baselines["bias"].user, rtol=0, atol=1e-12)
    (block,) = found.encode_stream(stream).blocks(batch_size=100)
    np.testing.assert_array_equal(block.tensors.inputs["user"], expected.users.lookup(frame["user"]))


def test_a_stream_that_is_encoded_into_a_folder_is_opened_again_from_there(tmp_path):
    (tmp_path / "ratings").mkdir()
    stream = stream_of(TRAIN.frame, tmp_path / "ratings", n_files=2)
    Encoder.fit(stream).encode_stream(stream, cache=tmp_path / "cache")
    found, expected = StreamedTensors(tmp_path / "cache").take(np.arange(4)), Encoder.fit(TRAIN).encode(TRAIN)
    assert found.inputs["user"].tolist() == expected.inputs["user"].tolist()
    assert found.targets.tolist() == expected.targets.tolist()


def test_other_ratings_than_those_of_training_are_streamed_too(tmp_path):
    stream = stream_of(pd.DataFrame({"user": ["new", "c"], "item": [10, 99], "rating": [1.0, 2.0]}), tmp_path)
    rows = Encoder.fit(TRAIN).encode_stream(stream).take(np.array([0, 1]))
    assert rows.inputs["user"].tolist() == [0, 3]
    assert rows.inputs["item"].tolist() == [1, 0]


def test_a_temporary_folder_is_left_by_no_fit_and_by_no_encoding_that_failed(tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    (tmp_path / "ratings").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    encoder = Encoder.fit(stream_of(TRAIN.frame, tmp_path / "ratings"))
    stream = stream_of(pd.DataFrame({"user": ["a"], "item": ["10"], "rating": [1.0]}), tmp_path / "ratings")
    with pytest.raises(
        DataError,
        match=r"0\.parquet, row 0: the item ids must be of type integer, as in training, not string as '10' is",
    ):
        encoder.encode_stream(stream)
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_streamed_rating_beyond_32_bits_is_refused_with_its_place(tmp_path):
    stream = stream_of(pd.DataFrame({"user": ["a", "b"], "item": [10, 20], "rating": [1.0, 1e39]}), tmp_path)
    with pytest.raises(DataError, match=r"0\.parquet, row 1: the rating must fit into a 32-bit number, not 1e\+39"):
        Encoder.fit(TRAIN).encode_stream(stream)


def test_features_need_a_table_in_memory(tmp_path):
    stream = stream_of(TRAIN.frame, tmp_path)
    with pytest.raises(
        DataError,
        match=r"^features need ratings in memory, not a stream: read them with load_ratings$",
    ):
        Encoder.fit(stream, features={"user": ["age"]})
    with pytest.raises(
        DataError,
        match=r"^features of ratings need ratings in memory, not a stream: read them with load_ratings$",
    ):
        Encoder.fit(TIMED, features={"rating": ["timestamp"]}).encode_stream(stream)


def test_a_stream_is_not_encoded_into_memory(tmp_path):
    with pytest.raises(DataError, match="^encode needs ratings in memory, not a stream: call encode_stream$"):
        Encoder.fit(TRAIN).encode(stream_of(TRAIN.frame, tmp_path))


@pytest.mark.parametrize(("train", "message"), list(NOTHING_TO_LEARN.values())[1:], ids=list(NOTHING_TO_LEARN)[1:])
def test_a_stream_from_which_nothing_can_be_learnt_is_refused(tmp_path, train, message):
    with pytest.raises(DataError, match=message):
        Encoder.fit(stream_of(train.frame, tmp_path))
