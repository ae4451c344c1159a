"""An encoder with features, and one of before there were any, from its files."""

import json

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
    monkeypatch.setattr(files, "_MOST_JSON", 100)
    with pytest.raises(
        ArtifactError,
        match=(
            r"encoder\.json would have [\d,]+ bytes, where at most 100 are read again: leave out "
            r"the feature with the most categories, or make them fewer$"
        ),
    ):
        encoder.save(tmp_path)


def test_names_of_items_are_texts(encoder, tmp_path):
    encoder.save(tmp_path)
    items = pd.read_parquet(tmp_path / "items.parquet")
    items["name"] = 1.5
    items.to_parquet(tmp_path / "items.parquet")
    with pytest.raises(ArtifactError, match="the column 'name' is not of texts"):
        Encoder.load(tmp_path)
