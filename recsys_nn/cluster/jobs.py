"""Jobs of which each is carried out by one worker of a cluster, by Ray Tune."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from recsys_nn.cluster.ray_session import Setting, check_seen, ctrl_c_as_before, storage
from recsys_nn.config import ClusterConfig

Job = TypeVar("Job")
Found = TypeVar("Found")
Answer = TypeVar("Answer")
_SETTINGS = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_PRINT_ALL_TRIAL_ERRORS": "0",
    "RAY_AIR_NEW_OUTPUT": "0",  # which prints even where it is to be silent
}


def jobs_on_workers(
    cluster: ClusterConfig,
    work: Callable[[Job], Found],
    jobs: Iterable[Job],
    *,
    ended: Callable[[Found], None],
    lost: Callable[[Job], Found],
    folder: Path,
) -> None:
    """Has the workers of a cluster, to which this process is connected, carry out ``work`` at each of the jobs.

    A job is taken from ``jobs`` when there is a worker for it, after ``ended`` has been told of those before. It is
    begun anew where its worker was lost. ``work`` itself is sent to each machine once.

    Args:
        cluster: the workers, and how often they may be lost.
        work: function that is called with a job, in one of them; what it raises is raised here, and ends all.
        jobs: the jobs, which are small to send.
        ended: function that is called here with each result.
        lost: function that gives the result of a job whose worker was lost more often than is allowed.
        folder: folder that all of them see; what Ray keeps there goes at the end.

    Raises:
        KeyboardInterrupt: by Ctrl-C, once Ray has ended the workers, for which it takes some ten seconds; by a second
            one at once.
    """
    from ray import tune
    from ray.tune.search import Searcher

    class Taken(Searcher):
        """Jobs as they are taken and come to an end, with this process's error, which Ray would lay to the jobs."""

        def __init__(self) -> None:
            super().__init__()
            self.error: Exception | None = None
            self.all = False
            self.at_work: dict[str, Job] = {}
            self._jobs = iter(jobs)

        def suggest(self, trial_id: str) -> Any:
            self.raise_error()
            for job in self._jobs:
                self.at_work[trial_id] = job
                return {"job": job}
            self.all = True
            return Searcher.FINISHED

        def on_trial_complete(self, trial_id: str, result: Any = None, error: bool = False) -> None:
            job = self.at_work.pop(trial_id)
            try:
                if not error and "error" in result:
                    raise result["error"]
                ended(lost(job) if error else result["found"])
            except Exception as raised:
                self.error = raised

        def raise_error(self) -> None:
            if self.error is not None:
                raise self.error

        def save_to_dir(self, *_: Any, **__: Any) -> None:
            pass  # who is told of what was found keeps it

        def __reduce__(self) -> Any:
            return object, ()  # Ray writes down a Tuner, to go on from

    for name, value in _SETTINGS.items():
        os.environ.setdefault(name, value)
    for name in ("ray.tune.tune", "ray.tune.analysis"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    taken = Taken()
    with storage(folder) as place:
        trainable = tune.with_parameters(_carried_out, work=work, setting=Setting(cluster.cpus), place=place)
        tuner = tune.Tuner(
            tune.with_resources(trainable, cluster.resources),
            tune_config=tune.TuneConfig(
                search_alg=taken, num_samples=-1, max_concurrent_trials=cluster.workers, reuse_actors=True
            ),
            run_config=tune.RunConfig(
                name="jobs",
                storage_path=str(place),
                failure_config=tune.FailureConfig(max_failures=cluster.max_failures),
                verbose=0,
            ),
        )
        with ctrl_c_as_before():
            tuner.fit()
    taken.raise_error()
    if not taken.all or taken.at_work:
        raise KeyboardInterrupt


def _carried_out(taken: Any, *, work: Callable[[Any], Any], setting: Setting, place: Path) -> dict[str, Any]:
    """Carries out a job in a worker, and returns an error of it: raised, it would have Ray begin anew."""
    try:
        check_seen(place)
        setting.enter()
        return {"found": work(taken["job"])}
    except Exception as error:
        return {"error": error}


@contextmanager
def answered_here(
    answering: Callable[[], AbstractContextManager[Callable[..., Answer]]],
) -> Iterator[Callable[..., Answer]]:
    """Makes a function that the workers can be sent, of which all calls are answered by one process on this machine.

    Args:
        answering: context that gives that process the function that answers.
    """
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    of_actor = {"num_cpus": 0, "max_restarts": -1, "max_task_retries": -1, "scheduling_strategy": here}
    actor = ray.remote(_Answering).options(**of_actor).remote(answering)
    yield partial(_asked, actor)
    ray.kill(actor)  # after an error workers may still wait for an answer; then it ends with the session


class _Answering:
    def __init__(self, answering: Callable[[], AbstractContextManager[Callable[..., Any]]]) -> None:
        self._open = answering()
        self._answer = self._open.__enter__()

    def answer(self, *question: Any) -> Any:
        return self._answer(*question)


def _asked(actor: Any, *question: Any) -> Any:
    import ray

    return ray.get(actor.answer.remote(*question))
