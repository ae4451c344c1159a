"""Ray's part, played by one process: what Ray is asked to do is done here and at once.

So fast tests see what is asked of Ray, and what its workers would do. What becomes of real processes, and of those that
are lost, the tests on Ray itself show.
"""

from __future__ import annotations

import logging
import os
import queue
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from recsys_nn.cluster import ray_session

LOGGERS = ("tensorflow", "ray.train")


LOSSES = {
    name: type(name, (Exception,), {})
    for name in ("NodeDiedError", "ObjectLostError", "OutOfMemoryError", "RayActorError")
}
"""Errors by which Ray tells that a worker is lost."""


class Lost(BaseException):
    """Raised by what a worker does: its process is gone, which Ray tells by an error of this name."""

    def __init__(self, told: str = "RayActorError") -> None:
        super().__init__(told)
        self.told = LOSSES[told]()


class RayTaskError(Exception):
    def __init__(self, cause: Exception) -> None:
        super().__init__(cause)
        self.cause = cause


class TrainingFailedError(Exception):
    pass


def _settings(**settings: Any) -> dict[str, Any]:
    return settings


@dataclass(frozen=True, eq=False)
class Ref:
    """What was put where all workers can get it, or came of what one of them did."""

    value: Any = None
    error: Exception | None = None


@dataclass(frozen=True, eq=False)
class Actor:
    """An object, each of whose methods is carried out when it is called.

    Attributes:
        made: the object.
    """

    made: Any

    def __getattr__(self, name: str) -> Any:
        return SimpleNamespace(remote=partial(self._call, getattr(self.made, name)))

    def _call(self, method: Callable[..., Any], *args: Any) -> Ref:
        try:
            return Ref(method(*args))
        except Lost as lost:
            return Ref(error=lost.told)
        except Exception as error:
            return Ref(error=RayTaskError(error))


@dataclass
class OneProcess:
    """Ray as the tests see it.

    Attributes:
        asked: what it was asked for, by the name of what was called.
        actors: those that were made.
        killed: those that it was told to end.
        nodes: the machines of the cluster.
        address: of this machine.
        refuses: what connecting to it raises.
        interrupted: whether Ctrl-C comes while workers are at work.
    """

    asked: dict[str, Any] = field(default_factory=dict)
    actors: list[Actor] = field(default_factory=list)
    killed: list[Actor] = field(default_factory=list)
    nodes: list[dict[str, Any]] = field(default_factory=lambda: [machine(CPU=9.0, GPU=4.0)])
    address: str = "10.0.0.7"
    refuses: Exception | None = None
    interrupted: bool = False
    initialized: bool = True

    def init(self, **settings: Any) -> None:
        self.asked["init"] = settings
        if self.refuses is not None:
            raise self.refuses
        self.initialized = True

    def shutdown(self) -> None:
        self.asked["shutdown"] = self.initialized
        self.initialized = False

    def get(self, refs: Ref | Sequence[Ref]) -> Any:
        if not isinstance(refs, Ref):
            return [self.get(ref) for ref in refs]
        if refs.error is not None:
            raise refs.error
        return refs.value

    def wait(self, refs: list[Ref]) -> tuple[list[Ref], list[Ref]]:
        if self.interrupted:
            raise KeyboardInterrupt
        return refs[:1], refs[1:]

    def remote(self, kind: Callable[..., Any]) -> Any:
        def made(*args: Any) -> Actor:
            self.actors.append(Actor(kind(*args)))
            return self.actors[-1]

        def options(**asked: Any) -> Any:
            self.asked["actor"] = asked
            return SimpleNamespace(remote=made)

        return SimpleNamespace(options=options)

    @property
    def modules(self) -> dict[str, dict[str, Any]]:
        """The names of each module of Ray's that the package imports."""
        runtime = SimpleNamespace(get_node_id=lambda: "this node")
        ray = {
            **{name: getattr(self, name) for name in ("init", "shutdown", "get", "wait", "remote")},
            "put": Ref,
            "kill": self.killed.append,
            "is_initialized": lambda: self.initialized,
            "nodes": lambda: self.nodes,
            "get_runtime_context": lambda: runtime,
            "util": SimpleNamespace(get_node_ip_address=lambda: self.address),
        }
        return {
            "ray": ray,
            "ray.exceptions": {**LOSSES, "RayTaskError": RayTaskError},
            "ray.train": dict.fromkeys(("FailureConfig", "RunConfig", "ScalingConfig"), _settings),
            "ray.train.backend": {"Backend": object, "BackendConfig": object},
            "ray.train.v2.api.data_parallel_trainer": {"DataParallelTrainer": partial(DataParallelTrainer, self)},
            "ray.train.v2.api.exceptions": {"TrainingFailedError": TrainingFailedError},
            "ray.util.queue": {"Queue": partial(Queue, self)},
            "ray.util.scheduling_strategies": {"NodeAffinitySchedulingStrategy": lambda *args, **more: (*args, more)},
        }


def machine(alive: bool = True, **resources: float) -> dict[str, Any]:
    return {"Alive": alive, "Resources": resources}


class Queue(queue.Queue[Any]):
    def __init__(self, here: OneProcess) -> None:
        super().__init__()
        self._here = here

    def shutdown(self, **how: Any) -> None:
        self._here.asked["queue"] = how


class WorkerGroup:
    """Workers of a training.

    Attributes:
        told: the ``TF_CONFIG`` that each has got.
    """

    def __init__(self, n: int) -> None:
        self.told = [""] * n

    def __len__(self) -> int:
        return len(self.told)

    def execute(self, work: Callable[[], Any]) -> list[Any]:
        return [work() for _ in self.told]

    def execute_single_async(self, rank: int, work: Callable[..., Any], *args: Any) -> Ref:
        found = Ref(work(*args))
        self.told[rank] = os.environ["TF_CONFIG"]
        return found


class DataParallelTrainer:
    """Of which this process is each worker; what fails is begun anew as often as is allowed."""

    def __init__(self, here: OneProcess, work: Callable[[], Any], *, backend_config: Any, **settings: Any) -> None:
        self._here, self._work, self._backend = here, work, backend_config
        here.asked["training"] = settings

    def fit(self) -> Any:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # an answer of its own
        if self._here.interrupted:
            raise SystemExit
        asked = self._here.asked["training"]
        self._backend.backend_cls().on_start(WorkerGroup(asked["scaling_config"]["num_workers"]), self._backend)
        for _ in range(1 + asked["run_config"]["failure_config"]["max_failures"]):
            try:
                return SimpleNamespace(return_value=self._work())
            except (Exception, Lost) as error:
                failed = error
        raise TrainingFailedError(f"the worker has failed: {failed}")


@contextmanager
def played(monkeypatch: pytest.MonkeyPatch) -> Iterator[OneProcess]:
    """Until the end of the block, after which nothing is left of what is meant for a process of Ray's own."""
    import tensorflow as tf

    here = OneProcess()
    for name, names in here.modules.items():
        module = ModuleType(name)
        vars(module).update(names)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.delitem(sys.modules, "recsys_nn.cluster.addresses", raising=False)
    monkeypatch.setitem(sys.modules, "recsys_nn.cluster.addresses", import_module("recsys_nn.cluster.addresses"))
    monkeypatch.setattr(tf.config.threading, "set_intra_op_parallelism_threads", lambda n: here.asked.update(threads=n))
    for name in (*ray_session.SETTINGS, "TF_CONFIG"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name in LOGGERS:
        monkeypatch.setattr(logging.getLogger(name), "level", logging.NOTSET)
    answer = signal.getsignal(signal.SIGINT)
    yield here
    signal.signal(signal.SIGINT, answer)
    logging.getLogger().manager._clear_cache()
