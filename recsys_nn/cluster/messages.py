"""Messages to this process from a training elsewhere: its epochs, and the errors of this package that end it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Thread
from typing import Any

from recsys_nn.errors import ArtifactError, ConfigError, DataError, RecsysError, TrainingError
from recsys_nn.tracking import Tell

_KINDS = {kind.__name__: kind for kind in (ConfigError, DataError, TrainingError, ArtifactError, RecsysError)}


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


def as_told(error: RecsysError) -> dict[str, str]:
    """Converts an error to its kind and its message, for JSON."""
    kind = next(name for name, known in _KINDS.items() if isinstance(error, known))
    return {"kind": kind, "message": str(error)}


def as_raised(told: Mapping[str, str]) -> RecsysError:
    """Rebuilds an error from its kind and its message."""
    return _KINDS[told["kind"]](told["message"])
