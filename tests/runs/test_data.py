"""The ratings of a run: how a data section is read and split, and what is recorded of the parts."""

import hashlib
import json

import numpy as np
import pandas as pd
import pytest

from recsys_nn import ConfigError, DataError, Encoder, Ratings, Split, random_split
from recsys_nn.config.run import DataConfig
from recsys_nn.data.fingerprints import fingerprint, fingerprints
from recsys_nn.data.stream import stream_ratings
from recsys_nn.runs.data import as_json, described, encoded, fit_encoder, load_parts, load_split, load_whole, provenance
from recsys_nn.tensors.streamed import StreamedTensors

FRAME = pd.DataFrame(
    {"user": list("aabbcc"), "item": list("xyxyxz"), "rating": [1.0, 5, 2, 4, 3, 3], "timestamp": range(6)}
)
RATINGS = Ratings(FRAME, scale=(1, 5))
SYNTHETIC = {"source": "synthetic", "options": {"n_users": 30, "n_items": 20, "n_ratings": 300}}


def rows(part):
    return part.frame[["user", "item", "rating"]].to_numpy().tolist()


@pytest.fixture
def file(tmp_path):
    """The ratings as ``ratings.csv``, with what is known of users and items beside it."""
    FRAME.to_csv(tmp_path / "ratings.csv", index=False)
    (tmp_path / "users.csv").write_text("user,age\na,20\nb,30\nc,40\n")
    (tmp_path / "items.csv").write_text("item,genre\nx,war\ny,love\nz,war\n")
    return tmp_path / "ratings.csv"


@pytest.mark.parametrize("load", [load_split, load_parts])
def test_ratings_are_split_as_the_section_says_by_the_seed(load):
    section = DataConfig(split={"validation": 0.25, "test": 0.5})
    for data in (section, DataConfig(**SYNTHETIC, split={"validation": 0.25, "test": 0.5})):
        given = RATINGS if data is section else None
        whole = RATINGS if data is section else load_whole(data)
        for seed in (3, 4):
            found, expected = load(data, seed, given), random_split(whole, validation=0.25, test=0.5, seed=seed)
            for part in ("train", "validation", "test"):
                assert rows(getattr(found, part)) == rows(getattr(expected, part))
    assert rows(load(section, 3, RATINGS).test) != rows(load(section, 4, RATINGS).test)
    split = Split(RATINGS)
    assert load(section, 3, split) is split


def test_a_file_is_read_with_its_features_and_what_is_liked(file):
    features = {f"{side}_features": str(file.with_name(f"{side}s.csv")) for side in ("user", "item")}
    named = {"user": ["age"], "item": ["genre"]}
    found = load_whole(DataConfig(source=str(file), scale=[1, 5], liked=4, features=named, **features))
    assert rows(found) == [[*row[:2], float(row[2] >= 4)] for row in rows(RATINGS)]
    assert found.scale == (0, 1)
    assert found.user_features["age"].tolist() == [20, 30, 40]
    assert found.item_features["genre"].tolist() == ["war", "love", "war"]


def test_duplicates_are_merged_as_the_section_says(file):
    file.write_text("user,item,rating\na,x,1\na,x,5\nb,x,2\n")
    for duplicates, rating in (("mean", 3), ("last", 5)):
        found = load_whole(DataConfig(source=str(file), scale=[1, 5], duplicates=duplicates))
        assert found.frame["rating"].tolist() == [rating, 2]


@pytest.mark.parametrize(("validation", "sizes"), [("held.csv", [6, 1, 2]), (0.5, [3, 3, 2])])
def test_parts_can_be_files(file, validation, sizes):
    (file.parent / "held.csv").write_text("user,item,rating\na,z,4\n")
    (file.parent / "test.csv").write_text("user,item,rating\nb,z,4\nc,y,1\n")
    validation = str(file.parent / validation) if isinstance(validation, str) else validation
    split = {"kind": "files", "train": str(file), "validation": validation, "test": str(file.parent / "test.csv")}
    found = load_split(DataConfig(split=split, scale=[1, 5], liked=4), 3)
    assert [len(part) for part in (found.train, found.validation, found.test)] == sizes
    assert rows(found.test) == [["b", "z", 1.0], ["c", "y", 0.0]]
    again = load_split(DataConfig(split=split, scale=[1, 5], liked=4), 4)
    assert (rows(again.validation) == rows(found.validation)) == isinstance(validation, str)


@pytest.mark.parametrize(
    ("section", "given", "error", "message"),
    [
        (
            {},
            None,
            ConfigError,
            "data.source is missing: name a file of ratings, or a data set that `recsys-nn datasets` lists",
        ),
        (
            {"source": "a.csv"},
            RATINGS,
            ConfigError,
            "data.source must be left out, as the ratings are given in memory, but is 'a.csv'",
        ),
        (
            {"source": "a.csv"},
            Split(RATINGS),
            ConfigError,
            "data.source must be left out, as the ratings are given in memory, but is 'a.csv'",
        ),
        (
            {"split": {"kind": "files", "train": "a.csv"}},
            RATINGS,
            ConfigError,
            "data.split.kind cannot be files, as the ratings are given in memory: choose another kind",
        ),
        ({}, FRAME, DataError, "the ratings must be Ratings or a Split, not DataFrame"),
        (
            {"stream": True, "scale": [1, 5], "split": {"kind": "files", "train": "a.parquet"}},
            None,
            ConfigError,
            "data.stream must be left out, as only a single run (recsys-nn train) can stream: "
            "name a sample of the training ratings in data.split.train",
        ),
    ],
)
def test_what_cannot_be_loaded_is_told(section, given, error, message):
    with pytest.raises(error) as told:
        load_split(DataConfig(**section), 0, given)
    assert str(told.value) == message


def test_a_stream_is_not_given_in_memory():
    data = DataConfig(stream=True, scale=[1, 5], split={"kind": "files", "train": "a.parquet"})
    with pytest.raises(ConfigError, match="^data.stream must be left out, as the ratings are given in memory$"):
        load_parts(data, 0, RATINGS)


def test_an_encoder_is_of_the_training_part_and_what_the_others_can_be_judged_on():
    table = RATINGS.with_features(item_features=pd.DataFrame({"item": list("xyz"), "genre": list("abb")}))
    train, test = table.take(np.arange(4)), table.take(np.arange(4, 6))
    found = fit_encoder(Split(train, test=test), {"item": ["genre"]})
    expected = Encoder.fit(train, features={"item": ["genre"]})
    assert (found.n_ratings, found.n_users) == (4, 2)
    assert str(found.features) == str(expected.features)
    assert fit_encoder(Split(train)).features.keys() == set()
    other = Ratings(FRAME.assign(rating=FRAME["rating"] * 2), scale=(1, 10))
    for split in (Split(train, other), Split(train, test=other)):
        with pytest.raises(DataError, match="scale"):
            fit_encoder(split)


def test_tensors_of_a_table_are_in_memory(tmp_path):
    encoder = Encoder.fit(RATINGS)
    np.testing.assert_array_equal(encoded(encoder, RATINGS, tmp_path).targets, encoder.encode(RATINGS).targets)
    assert list(tmp_path.iterdir()) == []


def test_rows_of_a_stream_are_encoded_on_disk_once(tmp_path):
    FRAME.to_parquet(tmp_path / "train.parquet")
    stream = stream_ratings(tmp_path / "train.parquet", scale=(1, 5))
    encoder = Encoder.fit(stream)
    for folder in (None, tmp_path / "states", tmp_path / "states"):
        found = encoded(encoder, stream, folder)
        assert (type(found), len(found)) == (StreamedTensors, 6)
        (tmp_path / "train.parquet").unlink(missing_ok=folder is not None)
        if folder is None:
            FRAME.to_parquet(tmp_path / "train.parquet")
    assert [entry.name for entry in (tmp_path / "states").iterdir()] == ["encoded"]


def test_what_is_recorded_of_the_parts():
    split = Split(RATINGS.take(np.arange(4)), RATINGS.take(np.arange(4, 6)), RATINGS.take(np.arange(4, 5)))
    order = {"after": 0.0, "after_all": 0.0, "users": 0}
    found = json.loads(json.dumps(provenance("a.csv", split)))
    parts = found.pop("parts")
    assert found == {"source": "a.csv", "merged": 0}
    assert {name: part.pop("sha256") for name, part in parts.items()} == {
        name: fingerprint(getattr(split, name)) for name in parts
    }
    for name in ("validation", "test"):
        assert parts[name].pop("order").items() >= order.items()
    assert parts == {
        "train": {
            "ratings": 4,
            "users": 2,
            "items": 2,
            "mean": 3.0,
            "std": pytest.approx(np.std([1, 5, 2, 4], ddof=1)),
            "min": 1.0,
            "max": 5.0,
        },
        "validation": {
            "ratings": 2,
            "users": 1,
            "items": 2,
            "mean": 3.0,
            "std": 0.0,
            "min": 3.0,
            "max": 3.0,
            "pairs_in_training": 0,
        },
        "test": {"ratings": 1, "users": 1, "items": 1, "pairs_in_training": 0},
    }


def test_pairs_of_the_training_part_are_counted_and_without_times_there_is_no_order():
    untimed = Ratings(FRAME.drop(columns="timestamp"), scale=(1, 5))
    parts = provenance(None, Split(untimed, untimed.take(np.arange(2))))["parts"]
    assert parts["validation"]["pairs_in_training"] == 2
    assert "order" not in parts["validation"]
    assert parts["test"]["ratings"] == 0


def test_two_ratings_have_a_spread():
    assert described(RATINGS.take(np.arange(2)))["std"] == pytest.approx(np.sqrt(8))
    assert "std" not in described(RATINGS.take(np.arange(1)))


def test_a_fingerprint_is_of_the_rows_in_their_order():
    hashes = pd.util.hash_pandas_object(RATINGS.frame, index=False).to_numpy()
    assert fingerprint(RATINGS) == hashlib.sha256(hashes.astype("<u8").tobytes()).hexdigest()
    turned = RATINGS.take(np.array([1, 0, 2, 3, 4, 5]))
    assert fingerprint(turned) != fingerprint(RATINGS)
    assert fingerprint(turned.take(np.array([1, 0, 2, 3, 4, 5]))) == fingerprint(RATINGS)


def test_fingerprints_are_of_parts_and_of_tables_of_features():
    users = pd.DataFrame({"user": list("abc"), "age": [2, 3, 4]})
    items = pd.DataFrame({"item": list("xyz"), "age": [2, 3, 4]})
    found = fingerprints(Split(RATINGS.with_features(user_features=users, item_features=items), RATINGS))
    parts = [f"{part} part" for part in ("training", "validation", "test")]
    assert list(found) == [*parts, "table of features of users", "table of features of items"]
    assert found["training part"] == found["validation part"] == fingerprint(RATINGS)
    assert len(set(found.values())) == 4
    assert list(fingerprints(Split(RATINGS))) == parts


def test_a_figure_that_is_no_number_is_null():
    figures = {"r2": float("nan"), "rmse": 0.5, "loss": float("inf"), "gain": -float("inf")}
    assert json.loads(as_json(figures)) == {"r2": None, "rmse": 0.5, "loss": None, "gain": None}
