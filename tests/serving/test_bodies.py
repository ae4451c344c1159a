"""Bodies that do not come, or not whole."""

from __future__ import annotations

import asyncio

import pytest
from fastapi import HTTPException
from starlette.requests import Request

from recsys_nn.serving.bodies import body_of
from recsys_nn.serving.limits import Limits

HEADERS = [(b"content-type", b"application/json; charset=utf-8")]


def read(*messages, headers=HEADERS) -> bytes:
    """Reads a body of these messages, after which nothing comes any more."""
    coming = iter(messages)

    async def receive():
        if (message := next(coming, None)) is None:
            await asyncio.sleep(60)
        return message

    request = Request({"type": "http", "headers": headers}, receive)
    return asyncio.run(body_of(request, Limits(seconds=0.05, body=10)))


def part(content: bytes, *, more: bool) -> dict:
    return {"type": "http.request", "body": content, "more_body": more}


def test_a_body_comes_in_parts():
    assert read(part(b'{"a"', more=True), part(b": 1}", more=False)) == b'{"a": 1}'


@pytest.mark.parametrize("declared", [[], [(b"content-length", b"10")]])
def test_a_body_that_is_as_long_as_allowed_is_read(declared):
    assert read(part(b"0123456789", more=False), headers=[*HEADERS, *declared]) == b"0123456789"


@pytest.mark.parametrize(("kind", "named"), [([], "nothing"), ([(b"content-type", b"Text/HTML; q=1")], "text/html")])
def test_what_is_not_declared_as_json_is_not_read(kind, named):
    with pytest.raises(HTTPException, match=f"^415: Content-Type must be application/json, not {named}$") as refused:
        read(headers=kind)
    assert refused.value.headers == {"Connection": "close"}


@pytest.mark.parametrize(
    ("messages", "status", "message"),
    [
        ([part(b"{", more=True)], 408, "the body did not arrive within 0.05 s"),
        ([part(b"{", more=True), {"type": "http.disconnect"}], 400, "the body ended too early"),
        (
            [part(b"012345", more=True), part(b"67890", more=True)],
            413,
            "the body must have at most 10 bytes: send less at once",
        ),
    ],
)
def test_others_are_given_up(messages, status, message):
    with pytest.raises(HTTPException) as given_up:
        read(*messages)
    assert (given_up.value.status_code, given_up.value.detail) == (status, message)
    assert given_up.value.headers == {"Connection": "close"}


@pytest.mark.parametrize("length", [b"11", b"-1", b"x"])
def test_a_declared_length_is_believed_before_anything_is_read(length):
    with pytest.raises(HTTPException, match="413"):
        read(headers=[*HEADERS, (b"content-length", length)])
