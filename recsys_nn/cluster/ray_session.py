"""Ray: that of a cluster, or one on this machine for a while."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from recsys_nn.cluster_config import ClusterConfig
from recsys_nn.errors import ConfigError


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
