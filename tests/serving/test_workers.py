"""Threads for what takes long, and the queue before them."""

from __future__ import annotations

import asyncio
import threading

import pytest
from fastapi import HTTPException

from recsys_nn.serving.limits import Limits
from recsys_nn.serving.workers import Workers


def test_what_a_function_returns_or_raises_comes_back_from_a_thread():
    async def asked():
        workers = Workers(Limits())
        name = await workers.run(lambda suffix: threading.current_thread().name + suffix, "!")
        with pytest.raises(ZeroDivisionError):
            await workers.run(lambda: 1 // 0)
        await asyncio.sleep(0)
        waiting = workers.waiting
        workers.close()
        return name, waiting

    name, waiting = asyncio.run(asked())
    assert name.startswith("work")
    assert name.endswith("!")
    assert waiting == 0


def test_too_many_are_told_to_come_again_and_late_ones_are_given_up():
    going_on, dropped = threading.Event(), []

    async def asked():
        workers = Workers(Limits(waiting=3, seconds=0.05))
        first = [asyncio.create_task(workers.run(going_on.wait, 20)) for _ in range(2)]
        third = asyncio.create_task(workers.run(dropped.append, "carried out"))
        await asyncio.sleep(0)
        with pytest.raises(HTTPException) as refused:
            await workers.run(print)
        late = await asyncio.gather(*first, third, return_exceptions=True)
        threading.Timer(0.05, going_on.set).start()
        workers.close()
        return refused.value, late, workers.waiting

    refused, late, waiting = asyncio.run(asked())
    assert (refused.status_code, refused.detail) == (503, "3 requests are waiting: try again later")
    assert refused.headers == {"Retry-After": "1"}
    told = "there is no answer within 0.05 s: ask for less at once"
    assert [(error.status_code, error.detail) for error in late] == [(504, told)] * 3
    assert waiting == 2
    assert dropped == []
