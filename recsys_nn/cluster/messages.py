"""Messages to this process about the epochs of a training elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from typing import Any

from recsys_nn.tracking import Tell


@contextmanager
def told_here(tell: Tell | None) -> Iterator[Any]:
    """Makes a function that a process of Ray's can call to have ``tell`` called in this one, by the end of the block.

    An epoch that is repeated, after a worker was lost, is not told again. The function is None where ``tell`` is.
    """
    if tell is None:
        yield None
        return
    from ray.util.queue import Queue

    queue = Queue()
    thread = Thread(target=_pass_on, args=(queue, tell), daemon=True)
    thread.start()
    try:
        yield lambda number, figures: queue.put((number, figures))
    finally:
        queue.put(None)
        thread.join()
        queue.shutdown(force=True)


def _pass_on(queue: Any, tell: Tell) -> None:
    last = 0
    while (epoch := queue.get()) is not None:
        number, figures = epoch
        if number > last:
            tell(number, figures)
            last = number
