import copy
import pickle

import pandas as pd
import pytest

from recsys_nn import Encoder, Predictor, Ratings, SVDConfig, build_model
from recsys_nn.errors import ArtifactError
from recsys_nn.prediction.predictor import BlendedPredictor
from recsys_nn.prediction.predictor import _from_files as from_files
from recsys_nn.prediction.predictor import _to_files as to_files

PAIRS = [("a", 1), ("b", 3), ("new", 2)]


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    frame = pd.DataFrame({"user": list("aabbc"), "item": [1, 2, 1, 3, 2], "rating": [1, 5, 2, 4, 3]})
    encoder = Encoder.fit(Ratings(frame, scale=(1, 5)))
    return Predictor(build_model(SVDConfig(embedding_dim=2), encoder, seed=3), encoder)


def test_its_files_are_those_of_its_run_folder(predictor, tmp_path):
    run = predictor.save(tmp_path / "run")
    assert to_files(predictor) == {file.name: file.read_bytes() for file in run.iterdir()}


@pytest.mark.parametrize("again", [lambda it: from_files(to_files(it)), copy.deepcopy, pickle.dumps])
def test_made_anew_it_predicts_the_same_bit_for_bit(predictor, again):
    other = again(predictor)
    other = pickle.loads(other) if isinstance(other, bytes) else other
    assert other is not predictor
    pd.testing.assert_frame_equal(other.predict(PAIRS), predictor.predict(PAIRS), check_exact=True)


def test_the_folders_within_that_of_a_blend_are_kept(predictor):
    blend = BlendedPredictor({"one": predictor, "two": predictor}, {"one": 0.75, "two": 0.25})
    files = to_files(blend)
    assert {name.partition("/")[0] for name in files if "/" in name} == {"member_1", "member_2"}
    pd.testing.assert_frame_equal(from_files(files).predict(PAIRS), blend.predict(PAIRS), check_exact=True)


def test_damaged_files_are_refused(predictor):
    files = to_files(predictor)
    with pytest.raises(ArtifactError, match=r"model\.json"):
        from_files({**files, "model.json": files["model.json"] + b" "})
