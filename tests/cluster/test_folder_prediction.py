"""Folders that workers predict, with Ray's part played by this process (``one_process.py``)."""

import json

import pandas as pd
import pytest

from recsys_nn import ArtifactError, BiasConfig, ConfigError, DataError, Ratings, RecsysError, SVDConfig, predict_folder
from recsys_nn.cluster import folder_prediction
from recsys_nn.prediction.batch.folder import RECORD, FolderScoring
from tests.cluster.one_process import Lost, machine
from tests.models.contract import twenty_ratings
from tests.prediction.predictors import drawn

NAMES = ["a.parquet", "b.parquet", "c.parquet"]


@pytest.fixture(scope="module")
def predictor():
    return drawn(BiasConfig()).calibrated(twenty_ratings())


@pytest.fixture
def pairs(tmp_path):
    """Three files of one, two and three pairs."""
    (tmp_path / "pairs").mkdir()
    for rows, name in enumerate(NAMES, 1):
        twenty_ratings().frame[["user", "item"]][:rows].to_parquet(tmp_path / "pairs" / name, index=False)
    return tmp_path / "pairs"


def test_workers_predict_what_this_process_does(here, predictor, pairs, tmp_path):
    shares = []
    alone = predict_folder(predictor, pairs, tmp_path / "alone", interval=0.8)
    assert here.asked == {}
    shared = predict_folder(
        predictor,
        pairs,
        tmp_path / "out",
        cluster={"workers": 2},
        interval=0.8,
        progress=lambda *share: shares.append(share),
    )
    assert (
        (shared.files, shared.rows, shared.sources) == (3, 6, {"model": 6}) == (alone.files, alone.rows, alone.sources)
    )
    for name in NAMES:
        pd.testing.assert_frame_equal(
            pd.read_parquet(tmp_path / "out" / name), pd.read_parquet(tmp_path / "alone" / name)
        )
    assert shares == [(1, 1 / 3), (3, 2 / 3), (6, 1)]
    assert here.asked == {"threads": 1, "actor": {"num_cpus": 1, "num_gpus": 0}}
    assert len(here.actors) == 2


def test_what_is_left_out_is_told_as_by_one_process(here, predictor, pairs, tmp_path):
    frame = pd.DataFrame({"user": pd.array([None, 1], dtype="Int64"), "item": [100, 101]})
    frame.to_parquet(pairs / "b.parquet", index=False)
    found = predict_folder(predictor, pairs, tmp_path / "out", cluster={"workers": 1}, on_error="skip")
    assert (found.rows, found.skipped) == (5, 1)
    assert (tmp_path / "out" / "b.parquet.skipped.csv").is_file()


def test_columns_that_are_missing_are_told_once(here, pairs, tmp_path):
    ratings = Ratings(twenty_ratings().frame.assign(hour=[1, 2] * 10), scale=(1, 5), rating_features=["hour"])
    predictor = drawn(SVDConfig(embedding_dim=2), ratings, {"rating": ["hour"]})
    found = predict_folder(predictor, pairs, tmp_path / "out", cluster={"workers": 1})
    assert found.missing == ("hour",)


def test_a_bad_row_is_told_as_by_one_process(here, predictor, pairs, tmp_path):
    pd.DataFrame({"user": [None], "item": [100]}).to_parquet(pairs / "b.parquet", index=False)
    with pytest.raises(DataError, match=f"^{pairs}/b.parquet, row 0: the user id is missing"):
        predict_folder(predictor, pairs, tmp_path / "out", cluster={"workers": 1})
    assert json.loads((tmp_path / "out" / RECORD).read_text()) == {"finished": False}


@pytest.mark.parametrize(("deaths", "fails"), [(2, False), (3, True)])
def test_a_worker_that_is_lost_is_replaced_as_often_as_is_allowed(
    here, predictor, pairs, tmp_path, monkeypatch, deaths, fails
):
    died = []

    class Deadly(FolderScoring):
        def carry_out(self, predictor, name):
            if name == "b.parquet" and len(died) < deaths:
                died.append(name)
                raise Lost
            return super().carry_out(predictor, name)

    monkeypatch.setattr(folder_prediction, "FolderScoring", Deadly)
    cluster = {"workers": 2, "max_failures": 2}
    if not fails:
        assert predict_folder(predictor, pairs, tmp_path / "out", cluster=cluster).files == 3
        return
    with pytest.raises(RecsysError) as told:
        predict_folder(predictor, pairs, tmp_path / "out", cluster=cluster)
    assert type(told.value) is RecsysError
    assert str(told.value) == (
        "cluster.max_failures: more than 2 times a worker was lost; the files that are done are whole"
    )
    assert (tmp_path / "out" / "a.parquet").is_file()


def test_a_worker_that_does_not_see_the_output_says_so(here, predictor, pairs, tmp_path, monkeypatch):
    monkeypatch.setattr(FolderScoring, "begin", lambda self: None)
    with pytest.raises(
        ArtifactError, match="out does not exist on .*: name an output on storage that all machines share"
    ):
        predict_folder(predictor, pairs, tmp_path / "out", cluster={"workers": 1})


def test_more_workers_than_there_is_room_for_leave_the_output_alone(here, predictor, pairs, tmp_path):
    here.nodes = [machine(CPU=2.0)]
    with pytest.raises(ConfigError, match="^cluster.workers: 3 with 1 CPU each are more than there is room for"):
        predict_folder(predictor, pairs, tmp_path / "out", cluster={"workers": 3})
    assert not (tmp_path / "out").exists()
