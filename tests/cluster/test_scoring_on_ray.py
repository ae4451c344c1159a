"""Folders that workers on Ray predict, against those of one process."""

import pandas as pd
import pytest

from recsys_nn import DataError, predict_folder
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
