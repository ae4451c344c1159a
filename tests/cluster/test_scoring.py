"""Folders that workers predict, with Ray's part played by this process (``one_process.py``)."""

import json
import logging

import pandas as pd
import pytest

from recsys_nn import ArtifactError, BiasConfig, ConfigError, DataError, Ratings, RecsysError, SVDConfig, predict_folder
from recsys_nn.cluster import scoring
from recsys_nn.prediction.batch.folder import RECORD, FolderScoring
from tests.cluster.one_process import Context, Lost
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
    assert here.asked.pop("killed") is not None
    del here.asked["actor"]
    assert here.asked == {
        "threads": 1,
        "rows": {"override_num_blocks": 3, "enable_progress_bars": False},
        "map": {"compute": {"size": 2, "max_tasks_in_flight_per_actor": 1}, "num_cpus": 1, "num_gpus": 0},
    }
    assert logging.getLogger("ray.data").level == logging.CRITICAL
    assert Context.get_current() == Context(enable_progress_bars=True)


def test_there_are_no_more_workers_than_files_and_each_has_its_cpus_and_gpu(here, predictor, pairs, tmp_path):
    here.resources = {"CPU": 9.0, "GPU": 4.0}
    predict_folder(predictor, pairs, tmp_path / "out", cluster={"workers": 4, "cpus": 2, "gpu": True})
    asked = {"compute": {"size": 3, "max_tasks_in_flight_per_actor": 1}, "num_cpus": 2, "num_gpus": 1}
    assert here.asked["map"] == asked


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

    monkeypatch.setattr(scoring, "FolderScoring", Deadly)
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


@pytest.mark.parametrize(
    ("section", "resources", "asked", "there", "room"),
    [
        ({"workers": 3}, {"CPU": 3.0}, "3 with 1 CPU", "2 CPU", 2),
        ({"workers": 2, "cpus": 2}, {"CPU": 4.0}, "2 with 2 CPU", "3 CPU", 1),
        ({"workers": 1}, {}, "1 with 1 CPU", "0 CPU", 0),
        ({"workers": 1, "gpu": True}, {"CPU": 4.0}, "1 with 1 GPU", "0 GPU", 0),
        ({"workers": 3, "gpu": True}, {"CPU": 4.0, "GPU": 2.0}, "3 with 1 GPU", "2 GPU", 2),
    ],
)
def test_more_workers_than_there_is_room_for_are_refused(
    here, predictor, pairs, tmp_path, section, resources, asked, there, room
):
    here.resources = resources
    with pytest.raises(ConfigError) as told:
        predict_folder(predictor, pairs, tmp_path / "out", cluster=section)
    assert str(told.value) == (
        f"cluster.workers: {asked} each are more than the cluster has for them, {there} (one CPU is Ray's own); "
        f"there can be {room}"
    )
    assert not (tmp_path / "out").exists()
