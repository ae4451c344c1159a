"""Tests that start processes which train together: ``make test-cluster`` runs them. For the others this process plays
Ray's part (``one_process.py``)."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from recsys_nn.cluster.ray_session import SETTINGS
from tests.cluster.one_process import OneProcess, played

os.environ.update(SETTINGS)  # before these tests import Ray


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"ray_session", "two_workers"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("cluster")


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[OneProcess]:
    """Ray, as this process alone plays it."""
    with played(monkeypatch) as here:
        yield here


def together(module: str, arguments: Sequence[str], *, n: int = 2) -> list[tuple[int, str]]:
    """Runs a module as so many processes that find each other: the exit code of each, and what it printed."""
    addresses = _free_addresses(n)
    processes = []
    for rank in range(n):
        config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}}
        environment = os.environ | {"TF_CONFIG": json.dumps(config), "TF_NUM_INTRAOP_THREADS": "1"}
        command = [sys.executable, "-m", module, *arguments]
        processes.append(
            subprocess.Popen(
                command,
                env=environment,
                cwd=Path(__file__).parents[2],
                text=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        )
    return [(process.returncode, output) for process in processes for output in [process.communicate(timeout=300)[0]]]


def _free_addresses(n: int) -> list[str]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]


@pytest.fixture(scope="session")
def ray_session() -> Iterator[None]:
    """One Ray of two workers for all tests: to start it takes longer than they do."""
    pytest.importorskip("ray", reason="without Ray (recsys-nn[ray])")
    from recsys_nn.cluster.ray_session import connected
    from recsys_nn.config.cluster import ClusterConfig

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_worker_niceness", "0")  # of 15, at which what runs beside Ray starves it until it gives up
        patch.setenv("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.2")  # of two seconds, after which an end is noticed
        with connected(ClusterConfig(workers=2)):
            yield


@pytest.fixture(scope="session")
def two_workers(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What each of two workers tells of the trainings of ``trainings.py``, by their names."""
    folder = tmp_path_factory.mktemp("workers")
    for code, output in together("tests.cluster.trainings", [str(folder)]):
        assert code == 0, output[-3000:]
    return [json.loads((folder / f"worker-{rank}.json").read_text()) for rank in range(2)]
