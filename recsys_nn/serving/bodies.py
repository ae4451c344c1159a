"""The body of a request, no longer and no later than allowed."""

from __future__ import annotations

import asyncio

from fastapi import HTTPException
from starlette.requests import ClientDisconnect, Request

from recsys_nn.serving.limits import Limits

_CLOSE = {"Connection": "close"}


async def body_of(request: Request, limits: Limits) -> bytes:
    """The JSON that a request brings.

    Raises:
        HTTPException: 415 where it is declared as something else (a form of another site could be), 413 where it is too
            long, 408 where it takes too long to come, 400 where it ends before its end.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise HTTPException(415, f"Content-Type must be application/json, not {kind or 'nothing'}", _CLOSE)
    declared = request.headers.get("content-length", "0")
    body = bytearray()
    try:
        if not declared.isdecimal() or int(declared) > limits.body:
            raise _too_long(limits)
        async with asyncio.timeout(limits.seconds):
            async for part in request.stream():
                body += part
                if len(body) > limits.body:
                    raise _too_long(limits)
    except TimeoutError:
        raise HTTPException(408, f"the body did not arrive within {limits.seconds:g} s", _CLOSE) from None
    except ClientDisconnect:
        raise HTTPException(400, "the body ended too early", _CLOSE) from None
    return bytes(body)


def _too_long(limits: Limits) -> HTTPException:
    return HTTPException(413, f"the body must have at most {limits.body:,} bytes: send less at once", _CLOSE)
