"""Folders that workers on Ray predict, against those of one process."""

import json
import os
import signal

import pandas as pd
import pytest

from recsys_nn import ArtifactError, ConfigError, DataError, RecsysError, predict_folder
from recsys_nn.cluster import folder_prediction
from recsys_nn.prediction.batch.folder import RECORD, FolderScoring
from tests.cluster.kill_actors import Killer, differing_rows, prepared

ray = pytest.importorskip("ray", reason="without Ray (recsys-nn[ray])")
ONE, TWO = {"workers": 1}, {"workers": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("scoring")


@pytest.fixture(scope="module")
def predictor(folder):
    predictor = prepared(folder, files=6, rows=2000)
    predict_folder(predictor, folder / "pairs", folder / "alone")
    return predictor


def test_workers_predict_what_one_process_does_though_one_is_killed(predictor, folder, tmp_path, ray_session):
    shares = []
    killer = Killer(tmp_path / "out", after=1, delay=0)
    killer.start()
    found = predict_folder(
        predictor, folder / "pairs", tmp_path / "out", cluster=TWO, progress=lambda *share: shares.append(share)
    )
    killer.join()
    assert 1 <= killer.done < 6
    assert (found.files, found.rows) == (6, 12_000)
    assert shares == [(2000 * done, done / 6) for done in range(1, 7)]
    assert differing_rows(folder / "alone", tmp_path / "out") == 0


def test_a_bad_row_is_told_as_by_one_process(predictor, folder, tmp_path, ray_session):
    (tmp_path / "pairs").mkdir()
    pd.DataFrame({"user": ["1", ""], "item": ["1", "1"]}).to_parquet(tmp_path / "pairs" / "bad.parquet")
    with pytest.raises(DataError, match=r"pairs/bad.parquet, row"):
        predict_folder(predictor, tmp_path / "pairs", tmp_path / "out", cluster=ONE)


def test_a_file_that_kills_whoever_predicts_it_ends_it_unfinished(
    predictor, folder, tmp_path, ray_session, monkeypatch, capfd
):
    class Deadly(FolderScoring):
        def carry_out(self, predictor, name):
            if name == "000.parquet":
                tmp_path.joinpath(f"died-{os.getpid()}").touch()
                os.kill(os.getpid(), signal.SIGKILL)
            return super().carry_out(predictor, name)

    monkeypatch.setattr(folder_prediction, "FolderScoring", Deadly)
    told = r"^cluster.max_failures: more than 1 times a worker was lost; the files that are done are whole$"
    with pytest.raises(RecsysError, match=told):
        predict_folder(predictor, folder / "pairs", tmp_path / "out", cluster={**TWO, "max_failures": 1})
    assert len(list(tmp_path.glob("died-*"))) == 2
    assert json.loads((tmp_path / "out" / RECORD).read_text()) == {"finished": False}
    assert "Traceback" not in capfd.readouterr().err


def failing(fault):
    class Failing(FolderScoring):
        def carry_out(self, *_):
            raise fault

    return Failing


def test_any_fault_keeps_its_kind(predictor, folder, tmp_path, ray_session, monkeypatch):
    monkeypatch.setattr(folder_prediction, "FolderScoring", failing(ArtifactError("the disk is full")))
    with pytest.raises(ArtifactError, match="^the disk is full$"):
        predict_folder(predictor, folder / "pairs", tmp_path / "out", cluster=ONE)


def test_a_defect_is_not_told_as_a_lost_worker(predictor, folder, tmp_path, ray_session, monkeypatch):
    monkeypatch.setattr(folder_prediction, "FolderScoring", failing(ZeroDivisionError("a defect")))
    with pytest.raises(ZeroDivisionError, match="^a defect$"):
        predict_folder(predictor, folder / "pairs", tmp_path / "out", cluster=ONE)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"workers": 3}, "3 with 1 CPU each are more than there is room for; there can be 2"),
        ({"workers": 2, "cpus": 2}, "2 with 2 CPU each are more than .*; there can be 1"),
        ({"workers": 1, "gpu": True}, "1 with 1 CPU and 1 GPU each are more than .*; there can be 0"),
    ],
)
def test_more_workers_than_there_is_room_for_are_refused(predictor, folder, tmp_path, ray_session, section, message):
    if "gpu" in section and ray.cluster_resources().get("GPU"):
        pytest.skip("there is a GPU")
    with pytest.raises(ConfigError, match=f"cluster.workers: {message}"):
        predict_folder(predictor, folder / "pairs", tmp_path / "out", cluster=section)
    assert not (tmp_path / "out").exists()
