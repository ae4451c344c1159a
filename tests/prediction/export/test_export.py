import json
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path
from typing import get_args

import keras
import numpy as np
import onnx
import pandas as pd
import pytest
import tensorflow as tf

from recsys_nn import (
    ArtifactError,
    BSplineConfig,
    ConfigError,
    DataError,
    NeuMFConfig,
    Predictor,
    Ratings,
    SVDConfig,
    SVDPPConfig,
)
from recsys_nn.models.layers.averaged import AveragedModel
from recsys_nn.prediction.export import onnx as onnx_format
from recsys_nn.prediction.export.target import Format
from recsys_nn.prediction.predictor import BlendedPredictor
from tests.models.contract import twenty_ratings
from tests.models.layers.test_features import FEATURES, with_features
from tests.prediction.export.runtimes import run
from tests.prediction.predictors import drawn

FORMATS = get_args(Format)
RUNNER = Path(__file__).parents[3] / "benchmarks" / "exported.py"


def of_texts(ratings: Ratings) -> Ratings:
    """The ratings with texts as ids."""
    frame = ratings.frame
    return Ratings(frame.assign(user="u" + frame["user"].astype("str"), item="é" + frame["item"].astype("str")))


def pairs(predictor: Predictor) -> tuple[list, list]:
    """Every user with every item, an unknown one among them."""
    ids = [[*known.ids.tolist(), known.unknown_id] for known in predictor.encoder.vocabularies.values()]
    users, items = (grid.ravel().tolist() for grid in np.meshgrid(*(np.array(side, object) for side in ids)))
    return users, items


@pytest.fixture(scope="module")
def svd() -> Predictor:
    return drawn(SVDConfig(embedding_dim=2), twenty_ratings())


@pytest.fixture(scope="module")
def reading_times() -> Predictor:
    """A predictor with features of all sides and drift."""
    return drawn(SVDPPConfig(embedding_dim=2), with_features(), FEATURES | {"drift": "timestamp"})


@pytest.mark.slow
@pytest.mark.parametrize("format", FORMATS)
def test_its_own_runtime_predicts_the_same_without_this_package(format, tmp_path):
    predictor = drawn(BSplineConfig(embedding_dim=2, head="ordinal"), of_texts(twenty_ratings()))
    users, items = pairs(predictor)
    np.savez(tmp_path / "pairs.npz", user=np.array(users, object), item=np.array(items, object))
    model = predictor.export(tmp_path / "model", format)
    words = [format, model, tmp_path / "pairs.npz", tmp_path / "found.npy", sysconfig.get_path("purelib")]
    process = subprocess.run(
        [sys.executable, "-I", "-S", RUNNER, *words], check=True, capture_output=True, text=True, cwd=tmp_path
    )
    told = json.loads(process.stdout.splitlines()[-1])
    assert told["has_this_package"] is False
    assert format == "savedmodel" or not told["loaded"]
    expected = predictor.predict(users=users, items=items)["prediction"]
    np.testing.assert_allclose(np.load(tmp_path / "found.npy"), expected, rtol=0, atol=1e-5)


@pytest.fixture(scope="module", params=FORMATS)
def exported(request, reading_times, tmp_path_factory) -> tuple[Path, Format]:
    return reading_times.export(tmp_path_factory.mktemp("exported") / "model", request.param), request.param


def test_what_the_model_reads_of_the_ratings_is_missing(exported, reading_times):
    """predict gets no timestamps either."""
    users, items = pairs(reading_times)
    expected = reading_times.predict(users=users, items=items)["prediction"]
    found = run(*exported, users, items)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_large_tables_go_round_the_converter_of_onnx(monkeypatch, tmp_path):
    monkeypatch.setattr(onnx_format, "TABLE_BYTES", 100)
    predictor = drawn(BSplineConfig(embedding_dim=8), twenty_ratings())
    users, items = pairs(predictor)
    model = predictor.export(tmp_path / "model", "onnx")
    names = {tensor.name for tensor in onnx.load(model).graph.initializer}
    assert {"table_0", "table_1"} <= names
    expected = predictor.predict(users=users, items=items)["prediction"]
    np.testing.assert_allclose(run(model, "onnx", users, items), expected, rtol=0, atol=1e-5)


def test_an_average_and_a_blend_predict_the_same(reading_times, tmp_path):
    """The second member of the blend has more ids than the first: those with features and without ratings."""
    weights = [variable.numpy() for variable in reading_times.model.trainable_variables]
    members = [[value * (1 + m / 10) for value in weights] for m in range(2)]
    average = Predictor(AveragedModel.of(reading_times.model, members), reading_times.encoder)
    other = drawn(NeuMFConfig(embedding_dim=2, widths=(4,)), twenty_ratings())
    assert average.encoder.n_users > other.encoder.n_users
    blend = BlendedPredictor({"other": other, "average": average}, {"other": 0.3, "average": 0.6})
    users, items = pairs(average)
    expected = blend.predict(users=users, items=items)["prediction"]
    model = blend.export(tmp_path / "model", "savedmodel")
    np.testing.assert_allclose(run(model, "savedmodel", users, items), expected, rtol=0, atol=1e-5)


def test_users_who_were_folded_in_are_known(svd, tmp_path):
    knowing = svd.fold_in(pd.DataFrame({"user": [77, 77], "item": [100, 101], "rating": [1.0, 5.0]}))
    model = knowing.export(tmp_path / "model", "savedmodel")
    expected = knowing.predict([(77, 101), (78, 101)])["prediction"]
    assert expected[0] != expected[1]
    np.testing.assert_allclose(run(model, "savedmodel", [77, 78], [101, 101]), expected, rtol=0, atol=1e-5)


def document_of(model: Path, format: Format) -> dict:
    if format == "savedmodel":
        return json.loads((model / "assets.extra" / "recsys_nn.json").read_text())
    if format == "litert":
        return json.loads(zipfile.ZipFile(model).read("recsys_nn.json"))
    (entry,) = onnx.load(model).metadata_props
    assert entry.key == "recsys_nn"
    return json.loads(entry.value)


def test_a_document_tells_what_the_model_takes_and_gives(exported):
    document = document_of(*exported)
    assert document.pop("versions")["keras"] == keras.__version__
    assert document == {
        "model": "svdpp",
        "inputs": {"user": "integer", "item": "integer"},
        "output": "prediction",
        "scale": [1.0, 5.0],
        "missing": ["timestamp"],
    }


@pytest.mark.parametrize("format", ["savedmodel", "onnx"])
def test_what_stands_there_is_replaced_when_asked_alone(format, svd, tmp_path):
    place = svd.export(tmp_path / "model", format)
    with pytest.raises((ArtifactError, DataError), match="(exists|already holds a model): .*or overwrite it"):
        svd.export(place, format)
    assert svd.export(place, format, overwrite=True) == place
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_is_no_exported_model_stays(svd, tmp_path):
    (tmp_path / "notes").mkdir()
    with pytest.raises(ArtifactError, match="notes exists and is not an exported model"):
        svd.export(tmp_path / "notes", "savedmodel", overwrite=True)
    with pytest.raises(DataError, match="notes is a folder"):
        svd.export(tmp_path / "notes", "onnx", overwrite=True)


def test_another_format_is_refused(svd, tmp_path):
    with pytest.raises(
        ConfigError,
        match="format must be one of 'savedmodel', 'onnx', 'litert', not 'onxx'; did you mean "
        r"'onnx'\?$",
    ):
        svd.export(tmp_path / "model", "onxx")


def test_a_missing_converter_is_told_with_its_extra(svd, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(
        ConfigError, match=r"onnx needs tf2onnx, which is not installed: pip install 'recsys-nn\[onnx\]'"
    ):
        svd.export(tmp_path / "model", "onnx")


@pytest.mark.parametrize("format", ["onnx", "litert"])
def test_an_operation_that_a_format_has_not_is_told_and_nothing_is_written(format, svd, tmp_path):
    inputs = svd.model.input
    rating = keras.layers.Lambda(tf.math.bessel_i0e, output_shape=())(svd.model.output)
    predictor = Predictor(keras.Model(inputs, rating), svd.encoder)
    with pytest.raises(ArtifactError, match="model cannot be converted to .*BesselI0e"):
        predictor.export(tmp_path / "model", format)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_made_is_told(svd, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="file/model cannot be written: Not a directory"):
        svd.export(tmp_path / "file" / "model", "savedmodel")
