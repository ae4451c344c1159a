"""Addresses by which the workers of a training find each other.

Ray's own trainer for TensorFlow tells them too, but loads TensorFlow in the process that only watches over them.
"""

from __future__ import annotations

import json
import os
import socket
from typing import Any

import ray
from ray.train.backend import Backend, BackendConfig


class Addresses(BackendConfig):
    """Backend of Ray Train that tells each worker the addresses of all and its place among them, in ``TF_CONFIG``."""

    @property
    def backend_cls(self) -> type[Backend]:
        return _Telling


class _Telling(Backend):
    def on_start(self, worker_group: Any, backend_config: BackendConfig) -> None:
        addresses = worker_group.execute(_free_address)
        ray.get([worker_group.execute_single_async(rank, _tell, addresses, rank) for rank in range(len(worker_group))])


def _free_address() -> str:
    host = ray.util.get_node_ip_address()
    longer = ":" in host
    with socket.create_server(("", 0), family=socket.AF_INET6 if longer else socket.AF_INET) as free:
        port = free.getsockname()[1]
    return f"[{host}]:{port}" if longer else f"{host}:{port}"


def _tell(addresses: list[str], rank: int) -> None:
    config = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}}
    os.environ["TF_CONFIG"] = json.dumps(config)
