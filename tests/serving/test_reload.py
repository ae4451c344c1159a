"""A new run in the folder answers from then on; a broken one never does."""

from __future__ import annotations

import shutil

import pytest
from fastapi.testclient import TestClient

import recsys_nn as rn
from recsys_nn.serving import reload as live_module
from recsys_nn.serving.answers import ServedRun
from recsys_nn.serving.app import create_app
from recsys_nn.serving.limits import Limits
from recsys_nn.serving.reload import LiveRun
from tests.serving.conftest import HOST, replace


@pytest.fixture
def outcomes():
    return []


@pytest.fixture
def live(folder, outcomes) -> LiveRun:
    return LiveRun(folder, Limits(), outcomes.append)


def test_the_service_takes_a_new_run_while_it_runs(folder, runs, monkeypatch):
    from time import monotonic, sleep

    monkeypatch.setattr(live_module, "SECONDS", 0.02)
    pair = [rn.Predictor.load(folder).encoder.vocabularies[side].ids.iloc[0] for side in ("user", "item")]
    with TestClient(create_app(folder), HOST) as client:
        before, end = client.post("/predict", json={"pairs": [pair]}).json(), monotonic() + 20
        replace(folder, runs / "other")
        while (after := client.post("/predict", json={"pairs": [pair]}).json())["revision"] == before["revision"]:
            assert monotonic() < end
            sleep(0.02)
        assert client.get("/health").json()["kind"] == "gmf"
        expected = rn.Predictor.load(runs / "other").predict([pair])["prediction"].iloc[0]
        assert after["predictions"] == [pytest.approx(expected)] != before["predictions"]
        assert 'recsys_nn_reloads_total{outcome="loaded"} 1.0' in client.get("/metrics").text


def test_nothing_is_loaded_where_nothing_has_changed(live, outcomes, monkeypatch):
    monkeypatch.setattr(ServedRun, "load", pytest.fail)
    live.look()
    assert outcomes == []


def test_a_broken_run_is_refused_once_and_the_old_one_stays(live, folder, runs, outcomes, caplog):
    former = live.current
    replace(folder, runs / "other")
    whole = (folder / "weights.safetensors").read_bytes()
    (folder / "weights.safetensors").write_bytes(whole[:-1])
    live.look()
    live.look()
    assert live.current is former
    assert outcomes == ["refused"]
    assert "weights.safetensors" in live.refused
    assert caplog.messages == [f"{folder} cannot be loaded, and the former run goes on answering: {live.refused}"]
    (folder / "weights.safetensors").write_bytes(whole)
    caplog.set_level("INFO", "recsys_nn.serving")
    live.look()
    assert caplog.messages[1:] == [f"{folder}: revision {live.current.revision} answers from now on"]
    assert (live.refused, live.current.health(None).kind, outcomes) == (None, "gmf", ["refused", "loaded"])


def test_no_folder_for_a_moment_is_no_reason_to_do_anything(live, folder, outcomes):
    former = live.current
    shutil.rmtree(folder)
    live.look()
    assert live.current is former
    assert outcomes == []


def test_what_is_replaced_while_it_is_loaded_is_loaded_again(live, folder, runs, outcomes, monkeypatch):
    former, load = live.current, ServedRun.load

    def load_while_it_is_replaced(*given):
        monkeypatch.setattr(ServedRun, "load", load)
        loaded = load(*given)
        replace(folder, runs / "numbers")
        return loaded

    replace(folder, runs / "other")
    monkeypatch.setattr(ServedRun, "load", load_while_it_is_replaced)
    live.look()
    assert live.current is former
    live.look()
    assert (live.current.health(None).kind, outcomes) == ("bias", ["loaded"])


def test_there_is_a_run_to_begin_with(tmp_path):
    with pytest.raises(rn.ArtifactError, match="is not a run folder"):
        LiveRun(tmp_path, Limits())
