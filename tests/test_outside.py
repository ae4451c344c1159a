"""Extensions from outside: a kind with a layer of its own, a file format, a pitfall, each one file that is imported."""

import importlib.util

import pandas as pd
import pytest

import recsys_nn as rn
from recsys_nn.advice.doctor.pitfalls import PITFALLS
from recsys_nn.data import table_format
from recsys_nn.data.table_format import READERS
from recsys_nn.models import base

KIND = '''
from typing import Literal
import keras
import recsys_nn as rn

class ScaledConfig(rn.ModelConfig):
    kind: Literal["test_scaled"] = "test_scaled"
    start: float = 0.5

@keras.saving.register_keras_serializable("outside")
class Scaled(keras.layers.Layer):
    """y = a x + b for the start value of a and b = 0."""

    def __init__(self, start, **options):
        super().__init__(**options)
        self.start = start

    def build(self, shape):
        self.a = self.add_weight(name="a", initializer=keras.initializers.Constant(self.start))
        self.b = self.add_weight(name="b", initializer="zeros")

    def call(self, x):
        return self.a * x + self.b

    def get_config(self):
        return {**super().get_config(), "start": self.start}

@rn.register_model(ScaledConfig)
def build(config, encoder):
    inputs = {side: keras.Input((), dtype="int32", name=side) for side in ("user", "item")}
    both = keras.ops.cast(inputs["user"] + 10 * inputs["item"], "float32")
    return keras.Model(inputs, Scaled(config.start, name="scaled")(both))
'''
FORMAT = """
import pandas as pd
from recsys_nn.data import register_format

@register_format(".jsonl", ".NDJSON")
def read_json_lines(file):
    return pd.read_json(file, lines=True)
"""
PITFALL = """
from recsys_nn.advice import Finding, register_pitfall

@register_pitfall
def few_ratings(evidence):
    if evidence.n_train < 100:
        yield Finding("few-ratings", "note", "Ratings are few.", f"There are {evidence.n_train}.", "Collect more.")
"""
LINES = '{"userId": 7, "movieId": "a", "rating": 4, "year": 1999}\n{"userId": 8, "movieId": "b", "rating": 2.5}\n'


@pytest.fixture
def imported(tmp_path, monkeypatch):
    """Writes a module and imports it; registrations are forgotten after the test."""
    monkeypatch.setattr(base, "_kinds", dict(base._kinds))
    readers, known_pitfalls = dict(READERS), list(PITFALLS)

    def write_and_import(source: str) -> None:
        file = tmp_path / "outside.py"
        file.write_text(source)
        spec = importlib.util.spec_from_file_location("outside", file)
        spec.loader.exec_module(importlib.util.module_from_spec(spec))

    yield write_and_import
    PITFALLS[:] = known_pitfalls
    READERS.clear()
    READERS.update(readers)


def test_a_kind_with_a_layer_of_its_own_is_built_trained_saved_and_loaded(imported, tmp_path):
    imported(KIND)
    ratings = rn.load_ratings("synthetic", n_users=20, n_items=10, n_ratings=100)
    encoder = rn.Encoder.fit(ratings)
    config = rn.RunConfig.model_validate({"model": {"kind": "test_scaled", "start": 0.25}}).model
    model = rn.build_model(config, encoder)
    pair = (ratings.frame["user"][0], ratings.frame["item"][0])
    rows = encoder.users.lookup([pair[0]])[0] + 10 * encoder.items.lookup([pair[1]])[0]
    untrained = rn.Predictor(model, encoder).predict([pair])["prediction"][0]
    assert untrained == pytest.approx(min(max(0.25 * rows, encoder.scale[0]), encoder.scale[1]))
    rn.Trainer(rn.TrainConfig(epochs=2, learning_rate=0.01), progress=False).fit(model, encoder.encode(ratings))
    predictor = rn.Predictor(model, encoder)
    again = rn.Predictor.load(predictor.save(tmp_path / "run"))
    assert again.config == config
    assert again.predict([pair]).equals(predictor.predict([pair]))


@pytest.mark.parametrize("suffix", ["jsonl", "ndjson", "NDJSON"])
def test_a_file_format_is_read_wherever_tables_are(imported, tmp_path, suffix):
    imported(FORMAT)
    table = tmp_path / f"ratings.{suffix}"
    table.write_text(LINES)
    ratings = rn.load_ratings(table, rating_features=["year"])
    assert ratings.frame[["user", "item", "rating"]].to_numpy().tolist() == [[7, "a", 4.0], [8, "b", 2.5]]
    assert ratings.frame["year"].isna().tolist() == [False, True]
    biases = rn.Predictor(rn.build_model(rn.BiasConfig(), encoder := rn.Encoder.fit(ratings)), encoder)
    out = biases.predict_file(table, tmp_path / "out.csv")
    written = pd.read_csv(out.output)
    assert written.columns.tolist() == ["userId", "movieId", "rating", "year", "prediction", "source"]
    assert written["userId"].tolist() == [7, 8]


def test_what_is_wrong_with_a_file_of_a_registered_format_is_said_with_its_row(imported, tmp_path):
    imported(FORMAT)
    table = tmp_path / "ratings.jsonl"
    table.write_text(LINES + '{"userId": 9, "movieId": "c", "rating": null}\n')
    with pytest.raises(rn.DataError, match=r"ratings\.jsonl, row 2: the rating must be a finite number, not nan$"):
        rn.load_ratings(table)
    table.write_text("{")
    with pytest.raises(rn.DataError, match=r"ratings\.jsonl cannot be read: .+"):
        rn.load_ratings(table)
    with pytest.raises(rn.DataError, match=r"none\.jsonl does not exist$"):
        rn.load_ratings(tmp_path / "none.jsonl")


def test_a_reader_returns_a_table_and_a_suffix_begins_with_a_dot(tmp_path):
    with pytest.raises(rn.DataError, match=r"^suffixes must begin with a dot, such as '.feather', not 'feather'$"):
        table_format.register_format("feather")
    (tmp_path / "ratings.list").write_text("")
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(READERS, ".list", lambda file: [1])
        with pytest.raises(
            rn.DataError, match="ratings.list: the reader's result must be a DataFrame or a pyarrow Table, not list$"
        ):
            rn.load_ratings(tmp_path / "ratings.list")


def test_a_pitfall_is_found_by_the_doctor(imported):
    ratings = rn.load_ratings("synthetic", n_users=20, n_items=10, n_ratings=90)
    assert "few-ratings" not in rn.diagnose(rn.SVDConfig(), ratings).codes
    imported(PITFALL)
    found = rn.diagnose(rn.SVDConfig(), ratings)
    assert "There are 7" in next(finding.evidence for finding in found if finding.code == "few-ratings")
