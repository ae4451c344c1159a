"""What is counted of a request, whatever comes of it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from recsys_nn.serving.metrics import Measured, Metrics


def counted(app, scope):
    """The lines that a request adds."""
    metrics, sent = Metrics(), []

    async def send(message):
        sent.append(message)

    async def asked():
        await Measured(app, metrics)(scope, None, send)

    try:
        asyncio.run(asked())
    except ZeroDivisionError:
        sent.append("error")
    names = ("recsys_nn_requests_total", "recsys_nn_request_seconds_count")
    return sent, [line for line in metrics.text().decode().splitlines() if line.startswith(names)]


async def answers(scope, receive, send):
    await send({"type": "http.response.start", "status": 201})
    await send({"type": "http.response.body", "status": 404})


async def fails(scope, receive, send):
    raise ZeroDivisionError


FOUND = {"type": "http", "route": SimpleNamespace(path="/predict")}


@pytest.mark.parametrize(
    ("app", "scope", "endpoint", "status"),
    [
        (answers, FOUND, "/predict", 201),
        (answers, {"type": "http"}, "other", 201),
        (fails, FOUND, "/predict", 500),
    ],
)
def test_a_request_is_counted_once_by_its_endpoint_and_status(app, scope, endpoint, status):
    sent, lines = counted(app, scope)
    assert lines == [
        f'recsys_nn_requests_total{{endpoint="{endpoint}",status="{status}"}} 1.0',
        f'recsys_nn_request_seconds_count{{endpoint="{endpoint}"}} 1.0',
    ]
    assert len(sent) == (1 if app is fails else 2)


def test_what_is_no_request_is_not_counted():
    sent, lines = counted(answers, {"type": "lifespan"})
    assert (len(sent), lines) == (2, [])


def test_a_run_that_is_refused_does_not_count_as_loaded(monkeypatch):
    times = [100.0]
    monkeypatch.setattr("recsys_nn.serving.metrics.time", lambda: times[0])
    metrics = Metrics()
    for outcome, at, loaded in (("refused", 200.0, 100.0), ("loaded", 300.0, 300.0)):
        times[0] = at
        metrics.reloaded(outcome)
        text = metrics.text().decode()
        assert f'recsys_nn_reloads_total{{outcome="{outcome}"}} 1.0' in text
        assert f"recsys_nn_loaded_timestamp_seconds {loaded}" in text
