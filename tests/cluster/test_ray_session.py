"""How this process and those that Ray begins come together."""

import logging
import os
import platform
import signal
import sys
from pathlib import Path
from threading import Thread

import pytest

from recsys_nn import ArtifactError, ConfigError
from recsys_nn.cluster.ray_session import SETTINGS, Setting, check_seen, connected, ctrl_c_as_before, quieten, storage
from recsys_nn.config.cluster import ClusterConfig
from recsys_nn.models import base
from tests.cluster.one_process import machine

QUIET = {"worker_process_setup_hook": quieten, "env_vars": {"TF_CPP_MIN_LOG_LEVEL": "3"}}


@pytest.mark.parametrize(
    ("cluster", "asked"),
    [
        ({"workers": 2}, {"address": "local", "num_cpus": 2, "include_dashboard": False}),
        ({"workers": 3, "cpus": 2}, {"address": "local", "num_cpus": 6, "include_dashboard": False}),
        ({"workers": 2, "address": "auto"}, {"address": "auto"}),
    ],
)
def test_one_is_started_on_this_machine_or_that_at_the_address_is_joined(here, cluster, asked):
    here.initialized = False
    with connected(ClusterConfig(**cluster)):
        assert here.asked == {"init": {**asked, "logging_level": logging.WARNING, "runtime_env": QUIET}}
    assert here.asked["shutdown"]
    assert {name: os.environ[name] for name in SETTINGS} == {
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    }


@pytest.mark.parametrize(
    ("cluster", "nodes", "asked", "room"),
    [
        ({"workers": 3}, [machine(CPU=2.0)], "3 with 1 CPU", 2),
        ({"workers": 3, "cpus": 2}, [machine(CPU=3.0), machine(CPU=3.0)], "3 with 2 CPU", 2),
        ({"workers": 2}, [machine(CPU=1.0), machine(alive=False, CPU=8.0)], "2 with 1 CPU", 1),
        ({"workers": 1}, [], "1 with 1 CPU", 0),
        ({"workers": 1, "gpu": True}, [machine(CPU=4.0)], "1 with 1 CPU and 1 GPU", 0),
        ({"workers": 3, "gpu": True}, [machine(CPU=9.0, GPU=2.0), machine(CPU=9.0)], "3 with 1 CPU and 1 GPU", 2),
    ],
)
@pytest.mark.parametrize("initialized", [True, False])
def test_more_workers_than_there_is_room_for_are_refused(here, cluster, nodes, asked, room, initialized):
    here.nodes, here.initialized = nodes, initialized
    with pytest.raises(ConfigError) as told, connected(ClusterConfig(**cluster)):
        pass
    assert str(told.value) == f"cluster.workers: {asked} each are more than there is room for; there can be {room}"
    assert here.initialized == initialized


@pytest.mark.parametrize("nodes", [[machine(CPU=4.0)], [machine(CPU=3.0), machine(CPU=2.0)]])
def test_as_many_as_there_is_room_for_are_not(here, nodes):
    here.nodes = nodes
    with connected(ClusterConfig(workers=2, cpus=2)):
        pass


def test_what_is_set_by_hand_stays(here, monkeypatch):
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "1")
    with connected(ClusterConfig(workers=2)):
        assert os.environ["RAY_USAGE_STATS_ENABLED"] == "1"


def test_a_connection_that_stands_stays(here):
    with connected(ClusterConfig(workers=2)):
        pass
    assert here.asked == {}


def test_after_an_error_it_ends_too(here):
    here.initialized = False
    with pytest.raises(ZeroDivisionError), connected(ClusterConfig(workers=1)):
        raise ZeroDivisionError
    assert not here.initialized


def test_without_a_cluster_there_is_no_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with connected(None):
        pass


def test_without_ray_what_else_can_be_done_is_told(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    told = "^cluster needs ray, which is not installed: pip install 'recsys-nn\\[ray\\]', or leave the section out$"
    with pytest.raises(ConfigError, match=told), connected(ClusterConfig(workers=1)):
        pass


def test_an_address_without_ray_is_named(here):
    here.initialized, here.refuses = False, ConnectionError("nobody answers")
    told = r"^cluster.address: there is no Ray at 'far:6379' \(nobody answers\)$"
    with pytest.raises(ConfigError, match=told), connected(ClusterConfig(workers=1, address="far:6379")):
        pass


def test_a_process_takes_over_the_folder_the_kinds_and_its_threads(here, tmp_path, monkeypatch):
    kinds = dict(base._kinds)
    monkeypatch.chdir(tmp_path)
    setting = Setting(cpus=3)
    monkeypatch.chdir("/")
    monkeypatch.setattr(base, "_kinds", {})
    setting.enter()
    assert Path.cwd() == tmp_path
    assert base._kinds == kinds
    assert here.asked == {"threads": 3}


def test_where_a_machine_has_no_such_folder_it_stays_in_its_own(here, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Setting(1, tmp_path / "elsewhere", ()).enter()
    assert Path.cwd() == tmp_path


def test_what_ray_keeps_lies_in_the_folder_for_the_time_of_the_block(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    left = tmp_path / "shared" / ".recsys-nn-ray" / "of" / "a" / "killed process"
    left.mkdir(parents=True)
    with storage(Path("shared")) as place:
        assert place == tmp_path / "shared" / ".recsys-nn-ray"
        assert list(place.iterdir()) == []
        (place / "train").mkdir()
    assert list((tmp_path / "shared").iterdir()) == []
    assert (tmp_path / "shared").is_dir()


def test_without_a_folder_it_lies_on_this_machine(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(ZeroDivisionError), storage(None) as place:
        (own,) = tmp_path.iterdir()
        assert own.name.startswith("recsys-nn-")
        assert place == own / ".recsys-nn-ray"
        check_seen(place)
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_what_is_gone_already_is_no_error(tmp_path):
    with storage(tmp_path) as place:
        place.rmdir()


def test_a_place_that_a_machine_does_not_see_is_named(tmp_path):
    place = tmp_path / "elsewhere"
    check_seen(place.parent)
    with pytest.raises(ArtifactError) as told:
        check_seen(place)
    assert (
        str(told.value)
        == f"{place} does not exist on {platform.node()}: name an output on storage that all machines share"
    )


def test_a_process_of_rays_tells_of_errors_alone(here):
    quieten()
    assert [logging.getLogger(name).level for name in ("tensorflow", "ray.train")] == [logging.ERROR] * 2


def test_ctrl_c_is_answered_as_before(here):
    before = signal.getsignal(signal.SIGINT)
    for ending in (lambda: None, lambda: 1 / 0):
        try:
            with ctrl_c_as_before():
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                ending()
        except ZeroDivisionError:
            pass
        assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_which_must_not_leaves_it_alone(here):
    def leaves_it_alone():
        with ctrl_c_as_before():
            pass
        done.append(True)

    done: list[bool] = []
    thread = Thread(target=leaves_it_alone)
    thread.start()
    thread.join()
    assert done == [True]
