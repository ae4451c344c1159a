"""Threads with a bounded queue for what takes long, so that the event loop answers others meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

from fastapi import HTTPException

from recsys_nn.serving.limits import Limits

Result = TypeVar("Result")
THREADS = 2


class Workers:
    """Carries out functions in threads.

    Args:
        limits: limits on how many may wait, and how long.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._pool = ThreadPoolExecutor(THREADS, thread_name_prefix="work")
        self._futures: set[Future[Any]] = set()

    @property
    def waiting(self) -> int:
        """Number of functions that are worked on or wait, also where nobody waits for the answer any more."""
        return len(self._futures)

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Runs a function in a thread and returns its result.

        Raises:
            HTTPException: 503 where too many wait already, 504 where it takes too long.
        """
        if self.waiting >= self._limits.waiting:
            raise HTTPException(503, f"{self.waiting} requests are waiting: try again later", {"Retry-After": "1"})
        loop, future = asyncio.get_running_loop(), self._pool.submit(function, *arguments)
        self._futures.add(future)
        future.add_done_callback(lambda done: loop.call_soon_threadsafe(self._futures.discard, done))
        try:
            return await asyncio.wait_for(asyncio.wrap_future(future), self._limits.seconds)
        except TimeoutError:
            raise HTTPException(
                504, f"there is no answer within {self._limits.seconds:g} s: ask for less at once"
            ) from None

    def close(self) -> None:
        """Waits for what is being worked on, and drops what is not."""
        self._pool.shutdown(cancel_futures=True)
