"""Mode of networks that are exported, where what does not depend on the inputs is worked out once for all."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_FOLDING = ContextVar("folding", default=False)


@contextmanager
def constant_folding() -> Iterator[None]:
    """Marks the block as calling a network whose graph is to be folded.

    Layers then work out sums of all their owners, whatever the batch, and averages one member after another.
    """
    token = _FOLDING.set(True)
    try:
        yield
    finally:
        _FOLDING.reset(token)


def is_constant_folding() -> bool:
    return _FOLDING.get()
