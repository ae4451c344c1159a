"""Processes in which the runs of a selection are carried out: this one, or several beside it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import suppress
from functools import partial
from itertools import islice
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from typing import TypeVar

from rich.console import Console

from recsys_nn.errors import ConfigError, TrainingError
from recsys_nn.models import ModelKind, import_keras, model_kinds, register_kinds

Job = TypeVar("Job")
Found = TypeVar("Found")
_THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def results(work: Callable[[Job], Found], jobs: Iterable[Job], *, workers: int) -> Iterator[Found]:
    """Yields the result of ``work`` at each of the jobs, as they come to an end.

    A job is taken from ``jobs`` when there is a process for it, after the results before have been looked at. One
    worker is this process; several are processes with their share of the CPUs. They know the kinds of models that are
    registered here, also those of a notebook, and they end with this process, however that ends. How many threads
    compute a sum can change its last digits: figures are the same bit for bit where ``workers`` and the machine are.

    Args:
        work: function of a job, picklable for several processes, as are the jobs and the results.
        jobs: what it is called with.
        workers: the number of processes.

    Raises:
        ConfigError: where that is less than 1.
        TrainingError: where a process is lost.
    """
    if workers < 1:
        raise ConfigError(f"workers must be a positive integer such as 2, not {workers}")
    return map(work, jobs) if workers == 1 else _in_processes(work, iter(jobs), workers)


def in_order(
    work: Callable[[Job], Found],
    jobs: Iterable[Job],
    *,
    told: Callable[[Job, Found], str],
    workers: int,
    progress: bool,
) -> list[Found]:
    """Returns the results of ``work`` at the jobs, in their order, and prints a line for each that is done.

    Args:
        work: a function of a module, which several processes can be sent.
        jobs: what it is called with.
        told: function of a job and its result that gives the line.
        workers: the processes that it is called in.
        progress: whether to print the lines.
    """
    console, begun, found = Console(quiet=not progress), {}, {}

    def numbered() -> Iterator[tuple[int, Job]]:
        for number, job in enumerate(jobs):
            begun[number] = job
            yield number, job

    for number, one in results(partial(_numbered, work), numbered(), workers=workers):
        found[number] = one
        console.print(told(begun.pop(number), one), highlight=False, soft_wrap=True, markup=False)
    return [found[number] for number in sorted(found)]


def _numbered(work: Callable[[Job], Found], numbered: tuple[int, Job]) -> tuple[int, Found]:
    number, job = numbered
    return number, work(job)


def _in_processes(work: Callable[[Job], Found], jobs: Iterator[Job], workers: int) -> Iterator[Found]:
    from loky.process_executor import ProcessPoolExecutor, TerminatedWorkerError

    threads = str(max(1, (os.cpu_count() or 1) // workers))
    told_of_end, open_until_end = Pipe(duplex=False)
    executor = ProcessPoolExecutor(
        workers,
        initializer=_begin,
        initargs=(told_of_end, tuple(model_kinds().values())),
        env=dict.fromkeys(_THREADS, threads) | {"TF_FORCE_GPU_ALLOW_GROWTH": "true"},
    )
    try:
        running: set[Future[Found]] = {executor.submit(work, job) for job in islice(jobs, workers)}
        while running:
            done, running = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                yield future.result()
            running |= {executor.submit(work, job) for job in islice(jobs, len(done))}
    except TerminatedWorkerError as error:
        raise TrainingError(
            f"one of {workers} workers was killed, perhaps because memory ran out: use fewer workers"
        ) from error
    finally:
        executor.shutdown(wait=True, kill_workers=True)
        told_of_end.close()
        open_until_end.close()


def _begin(told_of_end: Connection, kinds: Sequence[ModelKind]) -> None:
    """Sets a worker process up: Ctrl-C is the parent's to answer, and nobody waits for results after its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(told_of_end,), daemon=True).start()
    import_keras()
    register_kinds(kinds)


def _end_with_parent(told_of_end: Connection) -> None:
    """Ends this process with its parent, whose end of the pipe closes then; nothing is written into it."""
    with suppress(EOFError, OSError):
        told_of_end.recv_bytes()
    os._exit(1)
