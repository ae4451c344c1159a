"""Limits of one request, and of all of them together."""

from __future__ import annotations

from pydantic import Field

from recsys_nn.config import Section


class Limits(Section):
    """Limits that the service refuses to exceed.

    Args:
        body: bytes of a request's body; beyond them 413.
        pairs: pairs of users and items in a request to predict, and users times n in one for lists; beyond them 422.
        seconds: time for a body to arrive (else 408), and for an answer to be worked out (else 504).
        waiting: requests that are worked on or wait for it; beyond them 503.
        connections: connections open at once; beyond them 503.
    """

    body: int = Field(default=8 * 2**20, ge=1)
    pairs: int = Field(default=100_000, ge=1)
    seconds: float = Field(default=10.0, gt=0)
    waiting: int = Field(default=64, ge=1)
    connections: int = Field(default=512, ge=1)
