"""Ray: that of a cluster, or one on this machine for a while; and the processes that it begins."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from recsys_nn.cluster_config import ClusterConfig
from recsys_nn.errors import ArtifactError, ConfigError
from recsys_nn.models.backend import quiet_unless_it_fails
from recsys_nn.models.base import ModelKind, model_kinds, register_model


def quieten() -> None:
    """Ends Ray's and TensorFlow's running commentary in a process that Ray begins."""
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    logging.getLogger("ray.train").setLevel(logging.ERROR)


@contextmanager
def connected(cluster: ClusterConfig) -> Iterator[None]:
    """Connects this process to Ray, unless it is connected already.

    Raises:
        ConfigError: where Ray is not installed, or there is none at the address.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "cluster: ray is not installed; pip install 'recsys-nn[ray]', or leave the section out"
        ) from None
    if ray.is_initialized():
        yield
        return
    settings: dict[str, Any] = {"address": cluster.address}
    if cluster.address is None:
        cpus = cluster.workers * cluster.cpus
        settings = {"address": "local", "num_cpus": cpus, "include_dashboard": False}
    quiet = {"worker_process_setup_hook": quieten, "env_vars": {"TF_CPP_MIN_LOG_LEVEL": "3"}}
    try:
        ray.init(**settings, logging_level=logging.WARNING, runtime_env=quiet)
    except ConnectionError as error:
        raise ConfigError(f"cluster.address: there is no Ray at {cluster.address!r} ({error})") from error
    try:
        yield
    finally:
        ray.shutdown()


def like_this_process(cluster: ClusterConfig) -> Callable[[Path], None]:
    """What makes a process that Ray has begun like this one, with the threads that the cluster section says.

    It knows the kinds of models that are registered here, and is in the folder that this process is in. What it is
    called with there is a folder that both have to see, else it raises an ArtifactError.
    """
    return partial(_made_alike, cluster.cpus, Path.cwd(), tuple(model_kinds().values()))


def _made_alike(threads: int, started_in: Path, kinds: Sequence[ModelKind], place: Path) -> None:
    if not place.is_dir():
        raise ArtifactError(f"{place} is not seen on {os.uname().nodename}: the output lies on storage that all share")
    os.environ.pop("TF_USE_LEGACY_KERAS", None)  # set by Ray; this package uses Keras itself
    if started_in.is_dir():
        os.chdir(started_in)
    for kind in kinds:
        register_model(kind.config)(kind.build)
    with quiet_unless_it_fails():
        import tensorflow as tf
    tf.config.threading.set_intra_op_parallelism_threads(threads)
