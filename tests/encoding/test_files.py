"""An encoder with features, and one of before there were any, from its files."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_nn.data.datasets import get_dataset
from recsys_nn.data.ratings import Ratings
from recsys_nn.encoding import files
from recsys_nn.encoding.encoder import Encoder
from recsys_nn.errors import ArtifactError

FEATURES = {
    "user": ["group", "age", {"column": "age", "bins": 4}],
    "item": [{"column": "genres", "separator": "|"}, {"column": "year", "kind": "categorical"}],
    "rating": ["timestamp", "device"],
}


@pytest.fixture(scope="module")
def ratings() -> Ratings:
    """Generated ratings with a device; of some users and items nothing is known, of others nothing but features."""
    whole = get_dataset("synthetic").load(n_users=60, n_items=40, n_ratings=600)
    frame = whole.frame.assign(device=np.resize(["phone", None, "desk"], 600))
    return Ratings(
        frame,
        scale=whole.scale,
        user_features=whole.user_features.iloc[::2],
        item_features=whole.item_features.iloc[5:].assign(note=None),
        rating_features=["device"],
    )


@pytest.fixture
def encoder(ratings) -> Encoder:
    return Encoder.fit(ratings.take(np.arange(80)), features=FEATURES)


def test_features_come_back_exactly(ratings, encoder, tmp_path):
    assert (encoder.user_counts[1:] == 0).any()
    assert (encoder.features["user"].rows[1:] == 0).all(axis=1).any()
    encoder.save(tmp_path)
    loaded = Encoder.load(tmp_path)
    assert list(loaded.features) == ["user", "item", "rating"]
    for side, features in encoder.features.items():
        found = loaded.features[side]
        assert (found.columns, found.n_rows, found.slots) == (features.columns, features.n_rows, features.slots)
        if side != "rating":
            np.testing.assert_array_equal(found.rows, features.rows, strict=True)
            np.testing.assert_array_equal(found.weights, features.weights, strict=True)
    expected = encoder.encode(ratings).inputs
    for name, values in loaded.encode(ratings).inputs.items():
        np.testing.assert_array_equal(values, expected[name], strict=True)


def test_an_encoder_that_was_loaded_is_saved_as_the_same_files(encoder, tmp_path):
    for folder in ("first", "second"):
        (tmp_path / folder).mkdir()
    encoder.save(tmp_path / "first")
    Encoder.load(tmp_path / "first").save(tmp_path / "second")
    for file in (tmp_path / "first").iterdir():
        assert file.read_bytes() == (tmp_path / "second" / file.name).read_bytes()


def test_the_values_of_features_stand_in_the_tables_under_their_names(encoder, tmp_path):
    encoder.save(tmp_path)
    assert pd.read_parquet(tmp_path / "users.parquet").columns.tolist()[-2:] == ["feature:group", "feature:age"]
    assert pd.read_parquet(tmp_path / "items.parquet").columns.tolist()[-2:] == ["feature:genres", "feature:year"]


def test_files_of_before_there_were_features_and_levels_are_read(ratings, tmp_path):
    encoder = Encoder.fit(ratings)
    encoder.save(tmp_path)
    values = json.loads((tmp_path / "encoder.json").read_text())
    old = {name: values[name] for name in ("rating_mean", "rating_std", "scale")}
    (tmp_path / "encoder.json").write_text(json.dumps(old))
    loaded = Encoder.load(tmp_path)
    assert (loaded.levels, loaded.level_counts, loaded.features) == (None, None, {})
    assert loaded.rating_mean == encoder.rating_mean


def test_more_categories_than_are_read_again_are_refused_when_saved(encoder, tmp_path, monkeypatch):
    monkeypatch.setattr(files, "_MAX_JSON", 100)
    with pytest.raises(
        ArtifactError,
        match=(
            "encoder.json must have at most 100 bytes to be read again, not 1,498: leave out the "
            "feature with the most categories, or make them fewer$"
        ),
    ):
        encoder.save(tmp_path)


def test_names_of_items_are_texts(encoder, tmp_path):
    encoder.save(tmp_path)
    items = pd.read_parquet(tmp_path / "items.parquet")
    items["name"] = 1.5
    items.to_parquet(tmp_path / "items.parquet")
    with pytest.raises(ArtifactError, match="the column 'name' must hold texts"):
        Encoder.load(tmp_path)


def damaged(folder, **changed):
    """What reading the files says with these values in their JSON."""
    file = folder / "encoder.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed))
    with pytest.raises(ArtifactError) as caught:
        Encoder.load(folder)
    return str(caught.value)


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"scale": [1, 5], "rating_mean": 0.99}, "the mean and the standard deviation must be those of ratings on"),
        ({"scale": [1, 5], "rating_mean": 5.01}, "the mean and the standard deviation must be those of ratings on"),
        ({"scale": [1, 5], "rating_std": 4.01}, "the mean and the standard deviation must be those of ratings on the"),
        ({"levels": [1, 3, 2], "level_counts": [1, 1, 1]}, "the levels must ascend, with a count for each"),
        ({"levels": [1, 2, 2], "level_counts": [1, 1, 1]}, "the levels must ascend, with a count for each"),
        ({"levels": [1, 2], "level_counts": [1]}, "the levels must ascend, with a count for each"),
        ({"levels": [1, 2], "level_counts": None}, "the levels must ascend, with a count for each"),
        ({"level_counts": [0]}, "level_counts.0: Input should be greater than or equal to 1"),
        ({"rating_std": 0}, "rating_std: Input should be greater than 0"),
        ({"mood": "calm"}, "mood: Extra inputs are not permitted"),
    ],
)
def test_what_no_ratings_have_is_refused(plain, changed, what):
    message = damaged(plain, **changed)
    assert message.startswith(f"{plain / 'encoder.json'} is damaged: ")
    assert what in message


@pytest.fixture
def plain(ratings, tmp_path) -> Path:
    """The files of an encoder without features."""
    Encoder.fit(ratings).save(tmp_path)
    return tmp_path


def test_a_mean_at_an_end_of_the_scale_and_the_widest_spread_are_read(plain):
    for mean in (1.0, 5.0):
        file = plain / "encoder.json"
        values = json.loads(file.read_text())
        values |= {"scale": [1, 5], "rating_mean": mean, "rating_std": 4.0, "levels": None, "level_counts": None}
        file.write_text(json.dumps(values))
        loaded = Encoder.load(plain)
        assert (loaded.rating_mean, loaded.rating_std, loaded.levels) == (mean, 4.0, None)


@pytest.mark.parametrize(
    ("column", "values", "what"),
    [
        ("id", lambda ids: [*ids[:-1], ids.iloc[0]], "the id 'u0' occurs twice"),
        ("id", lambda ids: [*ids[:-1], ""], "row 59: the user id '' is empty"),
        ("count", lambda counts: -counts, "the column 'count' must say how often each was rated"),
        (
            "count",
            lambda counts: counts.astype("int64") + 2**31,
            "the column 'count' must say how often each was rated",
        ),
        ("count", lambda counts: counts * 0, "the column 'count' must say how often each was rated"),
        ("count", lambda counts: counts + 0.5, "the column 'count' must say how often each was rated"),
        ("bias", lambda biases: biases * np.inf, "the column 'bias' must hold finite numbers"),
        ("bias", lambda biases: biases.astype("float32"), "the column 'bias' must hold finite numbers"),
        ("user", None, "the column 'user' is missing"),
    ],
)
def test_a_table_of_users_that_is_none_is_refused(plain, column, values, what):
    file = plain / "users.parquet"
    table = pd.read_parquet(file)
    table = table.drop(columns=column) if values is None else table.assign(**{column: values(table[column])})
    table.to_parquet(file, index=False)
    with pytest.raises(ArtifactError) as caught:
        Encoder.load(plain)
    assert str(caught.value) == f"{file} is damaged: {what}"


def test_a_count_may_be_all_that_32_bits_hold(plain):
    users = pd.read_parquet(plain / "users.parquet")
    users.assign(count=2**31 - 1).to_parquet(plain / "users.parquet", index=False)
    assert (Encoder.load(plain).user_counts[1:] == 2**31 - 1).all()


def test_numbers_of_users_and_items_that_are_known_are_checked(plain):
    found = files.read_encoder(plain, sizes={"user": 60, "item": 40})
    assert len(found["users"].ids) == 60
    for side, n, wrong in (("user", 60, 61), ("item", 40, 39)):
        with pytest.raises(ArtifactError, match=rf"{side}s\.parquet is damaged: it must have {wrong} rows, not {n}$"):
            files.read_encoder(plain, sizes={side: wrong})


def test_up_to_two_mebibytes_of_json_are_read(plain):
    file = plain / "encoder.json"
    file.write_text(file.read_text().ljust(2 * 2**20))
    assert Encoder.load(plain).levels == (1, 2, 3, 4, 5)
    file.write_text(file.read_text() + " ")
    with pytest.raises(
        ArtifactError, match="encoder.json is damaged: it must have at most 2,097,152 bytes, not 2,097,153$"
    ):
        Encoder.load(plain)


def test_many_categories_are_read(encoder, tmp_path):
    encoder.save(tmp_path)
    file = tmp_path / "encoder.json"
    values = json.loads(file.read_text())
    values["features"]["user"][0]["values"] = [f"{k:05}" for k in range(25_000)]
    file.write_text(json.dumps(values))
    assert Encoder.load(tmp_path).features["user"].columns[0].n_rows == 25_000


def test_a_drift_that_is_no_table_is_refused_by_its_name(ratings, tmp_path):
    Encoder.fit(ratings, features={"drift": "timestamp"}).save(tmp_path)
    (tmp_path / "drift.parquet").write_bytes(b"PAR1")
    with pytest.raises(ArtifactError, match=f"^{tmp_path / 'drift.parquet'} is damaged: "):
        Encoder.load(tmp_path)
