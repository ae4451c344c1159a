"""Connection to Ray: that of a cluster, or one on this machine for a while."""

from __future__ import annotations

import logging
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import Any

from recsys_nn.config import ClusterConfig
from recsys_nn.errors import ConfigError, not_seen, required
from recsys_nn.models import ModelKind, model_kinds, quiet_unless_it_fails, register_kinds


@dataclass(frozen=True)
class Setting:
    """Setting that a process of Ray's takes over from this one: the registered kinds of models, and the folder.

    Args:
        cpus: number of threads that it has.
        folder: folder that it is in, where its machine has such a folder.
        kinds: kinds of models that it registers.
    """

    cpus: int
    folder: Path = field(default_factory=Path.cwd)
    kinds: tuple[ModelKind, ...] = field(default_factory=lambda: tuple(model_kinds().values()))

    def enter(self) -> None:
        """Takes the setting over in the other process, before TensorFlow computes anything."""
        if self.folder.is_dir():
            os.chdir(self.folder)
        register_kinds(self.kinds)
        with quiet_unless_it_fails():
            import tensorflow as tf
        tf.config.threading.set_intra_op_parallelism_threads(self.cpus)


@contextmanager
def storage(folder: Path | None) -> Iterator[Path]:
    """Makes a place for what Ray keeps, for the time of the block.

    It is in a folder that all workers see or, without one, on this machine.
    """
    with TemporaryDirectory(prefix="recsys-nn-") if folder is None else nullcontext(folder) as parent:
        place = Path(parent).resolve() / ".recsys-nn-ray"
        shutil.rmtree(place, ignore_errors=True)  # that of a process that was killed
        place.mkdir()
        try:
            yield place
        finally:
            shutil.rmtree(place, ignore_errors=True)


def check_seen(place: Path) -> None:
    """Checks in another process that it sees a file or folder that all of them have to see.

    Raises:
        ArtifactError: where its machine does not.
    """
    if not place.exists():
        raise not_seen(place)


def quieten() -> None:
    """Ends Ray's and TensorFlow's running commentary in a process that Ray begins."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("ray.train").setLevel(logging.ERROR)


SETTINGS = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
"""Settings of Ray, which reads them when it is imported. Below ``uv run``, Ray 2.60 would begin each worker by that
command in a copy of the working folder. Where that finds no environment, none begins, and Ray tries for ever."""


@contextmanager
def connected(cluster: ClusterConfig | None) -> Iterator[None]:
    """Connects this process to Ray, unless it is connected already, or there is no cluster.

    Args:
        cluster: the cluster whose Ray is used, or for whose workers one is started on this machine.

    Raises:
        ConfigError: where Ray is not installed, there is none at the address, or it has no room for the workers.
    """
    if cluster is None:
        yield
        return
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    ray = required("ray", "ray", needed_by="cluster", instead="leave the section out")
    begins = not ray.is_initialized()
    try:
        if begins:
            _begin(ray, cluster)
        _check_room(ray, cluster)
        yield
    finally:
        if begins:
            ray.shutdown()


def _begin(ray: ModuleType, cluster: ClusterConfig) -> None:
    settings: dict[str, Any] = {"address": cluster.address}
    if cluster.address is None:
        cpus = cluster.workers * cluster.cpus
        settings = {"address": "local", "num_cpus": cpus, "include_dashboard": False}
    quiet = {"worker_process_setup_hook": quieten, "env_vars": {"TF_CPP_MIN_LOG_LEVEL": "3"}}
    try:
        ray.init(**settings, logging_level=logging.WARNING, runtime_env=quiet)
    except ConnectionError as error:
        raise ConfigError(f"cluster.address: there is no Ray at {cluster.address!r} ({error})") from error


def _check_room(ray: ModuleType, cluster: ClusterConfig) -> None:
    """Checks that the machines hold the workers, for which Ray would wait without a word."""
    asked = cluster.resources
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    room = sum(int(min(node.get(name, 0) // each for name, each in asked.items())) for node in nodes)
    if room < cluster.workers:
        each = " and ".join(f"{n:g} {name}" for name, n in asked.items())
        raise ConfigError(
            f"cluster.workers: {cluster.workers} with {each} each are more than there is room for; there can be {room}"
        )


@contextmanager
def ctrl_c_as_before() -> Iterator[None]:
    """Restores the answer to Ctrl-C after the block, when Ray would keep its own."""
    answer = signal.getsignal(signal.SIGINT)
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, answer)
