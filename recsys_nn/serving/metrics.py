"""Counters of the service, in the format of Prometheus."""

from __future__ import annotations

from time import perf_counter, time
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
PREFIX = "recsys_nn_"


class Metrics:
    """Counters of one service, which do not mix with those of another in the process."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = self._new(Counter, "requests", "Answers by endpoint and status.", ["endpoint", "status"])
        self.seconds = self._new(
            Histogram, "request_seconds", "Until a request was answered.", ["endpoint"], buckets=SECONDS
        )
        self.pairs = self._new(Counter, "pairs", "Pairs that were predicted.")
        self.reloads = self._new(Counter, "reloads", "New run folders, by what came of them.", ["outcome"])
        self.waiting = self._new(Gauge, "waiting", "Requests that are worked on or wait for it, but for small ones.")
        self.loaded = self._new(Gauge, "loaded_timestamp_seconds", "When the run was loaded that answers.")
        self.loaded.set(time())

    def _new(self, metric: Any, name: str, *arguments: Any, **settings: Any) -> Any:
        return metric(PREFIX + name, *arguments, registry=self.registry, **settings)

    def reloaded(self, outcome: str) -> None:
        """Counts a new run folder, loaded or refused."""
        self.reloads.labels(outcome).inc()
        if outcome == "loaded":
            self.loaded.set(time())

    def text(self) -> bytes:
        """Writes all counters, as ``/metrics`` shows them."""
        return generate_latest(self.registry)


class Measured:
    """Middleware that counts each request and its time, by the path of its endpoint; all unknown paths are one."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            endpoint = getattr(scope.get("route"), "path", "other")
            self._metrics.requests.labels(endpoint, status).inc()
            self._metrics.seconds.labels(endpoint).observe(perf_counter() - began)
