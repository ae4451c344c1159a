"""Folders that workers on Ray predict, against those of one process."""

import json
from types import SimpleNamespace

import pandas as pd
import pytest

from recsys_nn import ArtifactError, ConfigError, DataError, RecsysError, predict_folder
from recsys_nn.cluster.faults import as_raised
from recsys_nn.cluster.scoring import _Worker
from recsys_nn.prediction.scoring_folders import RECORD
from tests.cluster.kill_actors import Killer, differing_rows, prepared

pytest.importorskip("ray", reason="without Ray (recsys-nn[ray])")
TWO = {"workers": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("scoring")


@pytest.fixture(scope="module")
def predictor(folder):
    predictor = prepared(folder, files=6, rows=2000)
    predict_folder(predictor, folder / "pairs", folder / "alone")
    return predictor


def test_workers_predict_what_one_process_does(predictor, folder, tmp_path, ray_session):
    found = predict_folder(predictor, folder / "pairs", tmp_path / "out", cluster=TWO)
    assert (found.files, found.rows) == (6, 12_000)
    assert differing_rows(folder / "alone", tmp_path / "out") == 0


def test_no_row_is_lost_or_doubled_where_a_worker_is_killed(predictor, folder, tmp_path, ray_session):
    killer = Killer(tmp_path / "out", after=1, delay=0)
    killer.start()
    predict_folder(predictor, folder / "pairs", tmp_path / "out", cluster=TWO)
    killer.join()
    assert 1 <= killer.done < 6
    assert differing_rows(folder / "alone", tmp_path / "out") == 0


def test_a_bad_row_is_told_as_by_one_process(predictor, folder, tmp_path, ray_session):
    (tmp_path / "pairs").mkdir()
    pd.DataFrame({"user": ["1", ""], "item": ["1", "1"]}).to_parquet(tmp_path / "pairs" / "bad.parquet")
    with pytest.raises(DataError, match=r"pairs/bad.parquet, row"):
        predict_folder(predictor, tmp_path / "pairs", tmp_path / "out", cluster=TWO)


def test_any_fault_keeps_its_kind(monkeypatch):
    def refuse():
        raise ArtifactError("the disk is full")

    monkeypatch.setattr("ray.get", lambda sent: sent)
    worker = _Worker(None, SimpleNamespace(enter=lambda: None), SimpleNamespace(check_begun=refuse))
    told = json.loads(worker({"name": "one.parquet"})["found"])["wrong"]
    assert repr(as_raised(told)) == "ArtifactError('the disk is full')"


def test_workers_that_are_lost_too_often_end_it_unfinished(predictor, folder, tmp_path, ray_session, capfd):
    killer = Killer(tmp_path / "out", after=1, delay=0)
    killer.start()
    with pytest.raises(RecsysError, match="cluster.max_failures: more than 0 times a worker was lost"):
        predict_folder(predictor, folder / "pairs", tmp_path / "out", cluster={**TWO, "max_failures": 0})
    killer.join()
    assert json.loads((tmp_path / "out" / RECORD).read_text()) == {"finished": False}
    assert "Traceback" not in capfd.readouterr().err


def test_more_workers_than_there_is_room_for_are_refused(predictor, folder, tmp_path, ray_session):
    with pytest.raises(ConfigError, match=r"cluster.workers: 3 with 1 CPUs each.* 3 CPUs .*; there can be 2"):
        predict_folder(predictor, folder / "pairs", tmp_path / "out", cluster={"workers": 3})
    assert not (tmp_path / "out").exists()
