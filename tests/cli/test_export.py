"""``recsys-nn export``."""

from pathlib import Path

import pytest

import recsys_nn as rn
from tests.models.layers.test_features import with_features
from tests.prediction.export import runtimes


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    encoder = rn.Encoder.fit(with_features(), features={"rating": ["timestamp"]})
    predictor = rn.Predictor(rn.build_model(rn.SVDConfig(embedding_dim=2), encoder), encoder)
    return predictor.save(tmp_path_factory.mktemp("runs") / "run")


def test_it_writes_a_model_that_predicts_and_tells_what_it_reads(run, saved, tmp_path):
    place = tmp_path / "model"
    code, printed, _ = run("export", saved, "--format", "savedmodel", "--output", place)
    assert code == 0
    assert printed == (
        "The exported model predicts without timestamp, which the run reads of each pair.\n"
        f"savedmodel written to {place}: user (integer), item (integer) -> prediction\n"
    )
    expected = rn.Predictor.load(saved).predict([(0, 100), (1, 101)])["prediction"]
    assert runtimes.run(place, "savedmodel", [0, 1], [100, 101]) == pytest.approx(expected.to_numpy(), abs=1e-5)


def test_a_place_that_is_taken_is_refused_before_the_run_is_read(run, tmp_path):
    (tmp_path / "model.onnx").touch()
    words = ["export", tmp_path / "no run", "--format", "onnx", "--output", tmp_path / "model.onnx"]
    code, _, told = run(*words)
    assert code == 2
    assert "model.onnx exists: choose another output, or overwrite it" in told
    code, _, told = run(*words, "--overwrite")
    assert code == 2
    assert "no run does not exist" in told
