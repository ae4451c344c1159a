"""The service's ASGI application, and its endpoints."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any

import orjson
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.middleware.trustedhost import TrustedHostMiddleware

from recsys_nn._version import __version__
from recsys_nn.errors import RecsysError
from recsys_nn.serving.bodies import body_of
from recsys_nn.serving.limits import Limits
from recsys_nn.serving.metrics import Measured, Metrics
from recsys_nn.serving.pages import add_pages
from recsys_nn.serving.reload import LiveRun
from recsys_nn.serving.schemas import (
    Found,
    Health,
    Predictions,
    PredictQuestion,
    Problem,
    Problems,
    Question,
    Recommendations,
    RecommendQuestion,
    problems,
    read,
)
from recsys_nn.serving.workers import Workers

LOOPBACK = ("127.0.0.1", "localhost", "[::1]", "::1")
INLINE = 4096
"""Bytes of a body that is answered at once: some 200 pairs take less than a millisecond, about what a thread costs."""

_Text = Annotated[str, Query(max_length=200)]
_Few = Annotated[int, Query(ge=1, le=100)]


def create_app(folder: Path, limits: Limits | None = None, *, hosts: tuple[str, ...] = LOOPBACK) -> FastAPI:
    """The ASGI application that serves a run folder.

    Args:
        folder: the run folder, which may be replaced by another one while it is served.
        limits: limits of a request.
        hosts: names by which browsers may call it, ``"*"`` for any: a page elsewhere whose name has come to mean this
            machine (DNS rebinding) does not have them.

    Raises:
        ArtifactError: where the folder holds no run that can be used.
    """
    limits, metrics = limits or Limits(), Metrics()
    live, workers = LiveRun(folder, limits, metrics.reloaded), Workers(limits)
    metrics.waiting.set_function(lambda: workers.waiting)

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(live.watch())
        yield
        watching.cancel()
        workers.close()

    app = FastAPI(
        title="recsys-nn",
        description=f"Ratings and lists of the run {live.current.name}.",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses={422: {"model": Problems}},
    )
    app.state.live = live
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts), www_redirect=False)
    app.add_middleware(Measured, metrics=metrics)
    add_pages(app, live)

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return _json(problems(error).model_dump(), 422)

    @app.exception_handler(RecsysError)
    async def unfit(request: Request, error: RecsysError) -> Response:
        return _json(Problems(detail=[Problem(loc=["body"], msg=str(error), type="data_error")]).model_dump(), 422)

    @app.get("/health", response_model=Health)
    async def health() -> Health:
        """The run that answers, and since when."""
        return live.current.health(live.refused)

    @app.get("/metrics", response_class=Response)
    async def prometheus() -> Response:
        """Counters, times and memory, for Prometheus."""
        return Response(metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    @app.post("/predict", response_model=Predictions, openapi_extra=_body(PredictQuestion))
    async def predict(request: Request) -> Response:
        """The ratings of pairs of users and items."""
        body = await body_of(request, limits)
        n, content = _predicted(body) if len(body) <= INLINE else await workers.run(_predicted, body)
        metrics.pairs.inc(n)
        return _json_of(content)

    def _predicted(body: bytes) -> tuple[int, bytes]:
        answer = live.current.predict(read(PredictQuestion, body))
        return len(answer["predictions"]), _dumped(answer)

    @app.post("/recommend", response_model=Recommendations, openapi_extra=_body(RecommendQuestion))
    async def recommend(request: Request) -> Response:
        """The items with the highest predicted ratings, for users or for a new person with a few ratings."""
        return _json_of(await workers.run(_recommended, await body_of(request, limits)))

    def _recommended(body: bytes) -> bytes:
        return _dumped(live.current.recommend(read(RecommendQuestion, body)))

    @app.get("/recommend", response_model=Recommendations)
    async def recommend_one(
        user: _Text, n: _Few = 10, exclude_seen: bool = True, reasons: Annotated[int, Query(ge=0, le=10)] = 0
    ) -> Response:
        """The items with the highest predicted ratings for one user, whose id is text also where ids are integers."""
        run = live.current
        question = RecommendQuestion(users=[run.user_of(user)], n=n, exclude_seen=exclude_seen, reasons=reasons)
        return _json_of(await workers.run(lambda: _dumped(run.recommend(question))))

    @app.get("/users", response_model=list[Found])
    async def users(search: _Text = "", n: _Few = 10) -> Response:
        """Users of the training, by a part of their id."""
        return _json(await workers.run(live.current.find, "user", search, n))

    @app.get("/items", response_model=list[Found])
    async def items(search: _Text = "", n: _Few = 10) -> Response:
        """Items of the training, by a part of their name or id."""
        return _json(await workers.run(live.current.find, "item", search, n))

    return app


def _dumped(answer: Any) -> bytes:
    return orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)


def _json(answer: Any, status: int = 200) -> Response:
    return _json_of(_dumped(answer), status)


def _json_of(content: bytes, status: int = 200) -> Response:
    return Response(content, status, media_type="application/json")


def _body(question: type[Question]) -> dict[str, Any]:
    """Documents a body that is read straight from its bytes."""
    schema = question.model_json_schema()
    return {"requestBody": {"required": True, "content": {"application/json": {"schema": schema}}}}
