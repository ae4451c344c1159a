"""JSON read strictly: of bounded size and depth, no key twice, every number finite, of the form that is expected."""

from __future__ import annotations

import json
import math
import re
import reprlib
from itertools import accumulate
from typing import Any, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from recsys_nn.errors import ArtifactError

MOST_BYTES, MOST_DEPTH, MOST_CONTAINERS = 2**20, 20, 20_000
_NO_BRACKETS = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[^\[\]{}"]++|"', re.DOTALL)

Expected = TypeVar("Expected")


def read_json(
    content: bytes, expected: type[BaseModel] | TypeAdapter[Expected], name: str, *, most_bytes: int = MOST_BYTES
) -> Any:
    """What a JSON text holds.

    Args:
        content: the text.
        expected: its form.
        name: of its file, for error messages.
        most_bytes: that it may have.

    Raises:
        ArtifactError: naming the file, the place in it and the value that is wrong.
    """
    if len(content) > most_bytes:
        raise ArtifactError(f"{name} has {len(content):,} bytes, where at most {most_bytes:,} can be right")
    adapter = expected if isinstance(expected, TypeAdapter) else TypeAdapter(expected)
    try:
        _check_structure(content)
        json.loads(content.decode(), object_pairs_hook=_once, parse_float=_finite, parse_constant=_finite)
        return adapter.validate_json(content)
    except ValidationError as error:
        raise ArtifactError(f"{name} is damaged: {_first_of(error)}") from None
    except ValueError as error:
        raise ArtifactError(f"{name} is damaged: {error}") from None


def _check_structure(content: bytes) -> None:
    """A ValueError where lists and mappings are too many or too deep: each would take many times the bytes it has."""
    brackets = _NO_BRACKETS.sub(b"", content)
    if len(brackets) > 2 * MOST_CONTAINERS:
        raise ValueError(f"more than {MOST_CONTAINERS:,} lists and mappings")
    if max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets), default=0) > MOST_DEPTH:
        raise ValueError(f"lists and mappings more than {MOST_DEPTH} deep")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"the key {reprlib.repr(key)} stands twice")
        values[key] = value
    return values


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{reprlib.repr(text)} is no finite number")
    return number


def _first_of(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    place = ".".join(
        reprlib.repr(step) if isinstance(step, str) and len(step) > 60 else str(step) for step in problem["loc"]
    )
    return f"{place + ': ' if place else ''}{problem['msg']}, not {reprlib.repr(problem['input'])}"
