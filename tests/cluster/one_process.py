"""Ray's part, played by one process: what Ray is asked to do is done here and at once.

So fast tests see what is asked of Ray, and what its workers would do. What becomes of real processes, and of those that
are lost, the tests on Ray itself show.
"""

from __future__ import annotations

import logging
import os
import pickle
import queue
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from recsys_nn.cluster import jobs, ray_session

LOGGERS = ("tensorflow", "ray.train", "ray.tune.tune", "ray.tune.analysis", "ray.data")


class Lost(BaseException):
    """Raised by what a worker does: its process is gone."""


class TrainingFailedError(Exception):
    pass


def _settings(**settings: Any) -> dict[str, Any]:
    return settings


@dataclass(frozen=True)
class Ref:
    """What was put where all workers can get it."""

    value: Any


@dataclass
class OneProcess:
    """Ray as the tests see it.

    Attributes:
        asked: what it was asked for, by the name of what was called, and each object that it was told to end.
        resources: that the cluster has.
        address: of this machine.
        refuses: what connecting to it raises.
        interrupted: whether Ctrl-C comes while a training is at work.
    """

    asked: dict[str, Any] = field(default_factory=dict)
    resources: dict[str, float] = field(default_factory=lambda: {"CPU": 3.0})
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
        return refs.value if isinstance(refs, Ref) else [ref.value for ref in refs]

    def remote(self, kind: Callable[..., Any]) -> Any:
        def made(*args: Any) -> Any:
            actor = kind(*args)
            return SimpleNamespace(answer=SimpleNamespace(remote=lambda *question: Ref(actor.answer(*question))))

        def options(**asked: Any) -> Any:
            self.asked["actor"] = asked
            return SimpleNamespace(remote=made)

        return SimpleNamespace(options=options)

    @property
    def modules(self) -> dict[str, dict[str, Any]]:
        """The names of each module of Ray's that the package imports."""
        runtime = SimpleNamespace(get_node_id=lambda: "this node")
        ray = {
            **{name: getattr(self, name) for name in ("init", "shutdown", "get", "remote")},
            "put": Ref,
            "is_initialized": lambda: self.initialized,
            "kill": lambda actor: self.asked.update(killed=actor),
            "cluster_resources": lambda: self.resources,
            "get_runtime_context": lambda: runtime,
            "util": SimpleNamespace(get_node_ip_address=lambda: self.address),
            "data": SimpleNamespace(DataContext=Context, ActorPoolStrategy=_settings, from_items=partial(Rows, self)),
        }
        tune = {
            **dict.fromkeys(("TuneConfig", "RunConfig", "FailureConfig"), _settings),
            "with_parameters": partial,
            "with_resources": lambda work, resources: (work, resources),
            "Tuner": partial(Tuner, self),
        }
        return {
            "ray": {**ray, "tune": SimpleNamespace(**tune)},
            "ray.tune.search": {"Searcher": Searcher},
            "ray.train": dict.fromkeys(("FailureConfig", "RunConfig", "ScalingConfig"), _settings),
            "ray.train.backend": {"Backend": object, "BackendConfig": object},
            "ray.train.v2.api.data_parallel_trainer": {"DataParallelTrainer": partial(DataParallelTrainer, self)},
            "ray.train.v2.api.exceptions": {"TrainingFailedError": TrainingFailedError},
            "ray.util.queue": {"Queue": partial(Queue, self)},
            "ray.util.scheduling_strategies": {"NodeAffinitySchedulingStrategy": lambda *args, **more: (*args, more)},
        }


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


class Searcher:
    FINISHED = "finished"


class Tuner:
    """Which has a job carried out after the other; a worker that is lost begins anew, as often as is allowed."""

    def __init__(self, here: OneProcess, trainable: Any, *, tune_config: dict[str, Any], **settings: Any) -> None:
        self._work, resources = trainable
        self._search = tune_config.pop("search_alg")
        here.asked["jobs"] = {"resources": resources, "tune_config": tune_config, **settings}
        self._tries = 1 + settings["run_config"]["failure_config"]["max_failures"]

    def fit(self) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        pickle.dumps(self._search)
        self._search.save_to_dir("a folder", session_str="a session")
        number = 0
        while (job := self._search.suggest(f"trial {number}")) != Searcher.FINISHED:
            found = None
            for _ in range(self._tries):
                try:
                    found = self._work(job)
                    break
                except Lost:
                    continue
                except KeyboardInterrupt:
                    return
            self._search.on_trial_complete(f"trial {number}", found, error=found is None)
            number += 1


class Context(SimpleNamespace):
    """Ray Data's settings, of which the current ones hold where rows are made."""

    now: Context

    @classmethod
    def get_current(cls) -> Context:
        return cls.now

    @classmethod
    @contextmanager
    def current(cls, context: Context) -> Iterator[None]:
        before, cls.now = cls.now, context
        yield
        cls.now = before

    def copy(self) -> Context:
        return Context(**vars(self))


Context.now = Context(enable_progress_bars=True)


class Rows:
    """Rows of Ray Data, which the actors of a pool answer in turn; one that is lost is replaced without end."""

    def __init__(self, here: OneProcess, rows: Iterable[Any], **settings: Any) -> None:
        self._here, self._rows = here, rows
        here.asked["rows"] = {**settings, **vars(Context.now)}

    def map(self, kind: Callable[..., Any], *, fn_constructor_args: tuple[Any, ...], **settings: Any) -> Rows:
        self._here.asked["map"] = settings
        self._make = lambda: kind(*fn_constructor_args)
        return self

    def iter_rows(self) -> Iterator[Any]:
        pool = [self._make() for _ in range(self._here.asked["map"]["compute"]["size"])]
        for number, row in enumerate(self._rows):
            while True:
                try:
                    yield pool[number % len(pool)](row)
                    break
                except Lost:
                    pool[number % len(pool)] = self._make()


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
    for name in (*ray_session.SETTINGS, *jobs._SETTINGS, "TF_CONFIG"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name in LOGGERS:
        monkeypatch.setattr(logging.getLogger(name), "level", logging.NOTSET)
    answer = signal.getsignal(signal.SIGINT)
    yield here
    signal.signal(signal.SIGINT, answer)
    logging.getLogger().manager._clear_cache()
