"""Jobs of which each is carried out by one worker of a cluster, which is an actor of Ray's."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property, partial
from itertools import islice
from typing import Any, TypeVar

from recsys_nn.cluster.ray_session import Setting
from recsys_nn.config import ClusterConfig

Job = TypeVar("Job")
Found = TypeVar("Found")
Answer = TypeVar("Answer")


def jobs_on_workers(
    cluster: ClusterConfig,
    work: Callable[[Job], Found],
    jobs: Iterable[Job],
    *,
    ended: Callable[[Found], None],
    lost: Callable[[Job, int], Found | None],
    check: Callable[[], None],
) -> None:
    """Has the workers of a cluster, to which this process is connected, carry out ``work`` at each of the jobs.

    A job is taken from ``jobs`` when there is a worker for it, after ``ended`` has been told of those before. ``work``
    itself is sent to each machine once. Whatever is raised here, Ctrl-C too, ends the workers first.

    Args:
        cluster: the workers, and what each of them has.
        work: function that is called with a job, in one of them; what it raises is raised here, and ends all.
        jobs: the jobs, which are small to send.
        ended: function that is called here with each result.
        lost: function of a job and how often its worker was lost: gives its result, or None to begin it anew.
        check: function that each worker calls first, to see that its machine has what ``work`` needs.
    """
    import ray
    from ray.exceptions import NodeDiedError, ObjectLostError, OutOfMemoryError, RayActorError, RayTaskError

    setting, sent, jobs = Setting(cluster.cpus), [ray.put(work)], iter(jobs)
    worker = ray.remote(_Worker).options(num_cpus=cluster.cpus, num_gpus=int(cluster.gpu))
    at_work: dict[Any, tuple[Any, Job, int]] = {}

    def begin(actor: Any, job: Job, losses: int = 0) -> None:
        actor = actor or worker.remote(setting, check, sent)
        at_work[actor.carry_out.remote(job)] = actor, job, losses

    try:
        for job in islice(jobs, cluster.workers):
            begin(None, job)
        while at_work:
            (done,), _ = ray.wait(list(at_work))
            actor, job, losses = at_work[done]
            try:
                found = ray.get(done)
            except RayTaskError as error:
                raise error.cause from error
            except (RayActorError, NodeDiedError, ObjectLostError, OutOfMemoryError):
                ray.kill(actor)  # it may be out of reach, and at work
                actor, found = None, lost(job, losses + 1)
                if found is None:
                    del at_work[done]
                    begin(actor, job, losses + 1)
                    continue
            ended(found)
            del at_work[done]
            for job in islice(jobs, 1):
                begin(actor, job)
            actor = None  # without another job it ends, and leaves its CPUs to one that waits for them
    finally:
        for actor, _, _ in at_work.values():
            ray.kill(actor)


class _Worker:
    """Process of Ray's that carries out jobs, one after the other."""

    def __init__(self, setting: Setting, check: Callable[[], None], sent: list[Any]) -> None:
        self._setting, self._check, self._sent = setting, check, sent

    def carry_out(self, job: Any) -> Any:
        return self._work(job)

    @cached_property
    def _work(self) -> Callable[[Any], Any]:
        """Work, which is loaded for the first job: an error of the constructor is none of the work's to Ray."""
        import ray

        self._check()
        self._setting.enter()
        (work,) = ray.get(self._sent)
        return work


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
