"""JSON read strictly: of bounded size and depth, no key twice, every number finite, of the form that is expected."""

from __future__ import annotations

import json
import math
import reprlib
from itertools import accumulate
from typing import Any, TypeVar

import numpy as np
from pydantic import BaseModel, TypeAdapter, ValidationError

from recsys_nn.errors import ArtifactError

MAX_BYTES, MAX_DEPTH, MAX_PARTS = 2**20, 20, 20_000
"""So many lists, mappings and keys there may be together, and so many values that commas divide: pydantic tells of each
that is wrong, which takes a thousand bytes."""
_ALL_BUT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")

Expected = TypeVar("Expected")


def read_json(
    content: bytes,
    expected: type[BaseModel] | TypeAdapter[Expected],
    name: str,
    *,
    most_bytes: int = MAX_BYTES,
    most_values: int = MAX_PARTS,
) -> Any:
    """Reads a JSON text and checks that it has the expected form.

    Args:
        content: the JSON text as UTF-8.
        expected: pydantic model or type adapter of its form.
        name: name of the file, for error messages.
        most_bytes: greatest number of bytes that it may have.
        most_values: greatest number of values behind a comma; above the default only where the first wrong one ends the
            validation.

    Raises:
        ArtifactError: naming the file, the place in it and the value that is wrong.
    """
    if len(content) > most_bytes:
        raise ArtifactError(f"{name} is damaged: it must have at most {most_bytes:,} bytes, not {len(content):,}")
    adapter = expected if isinstance(expected, TypeAdapter) else TypeAdapter(expected)
    try:
        _check_structure(content, most_values)
        values = json.loads(content.decode(), object_pairs_hook=_once, parse_float=_finite, parse_constant=_finite)
        return adapter.validate_python(values)
    except ValidationError as error:
        raise ArtifactError(f"{name} is damaged: {_first_of(error)}") from None
    except ValueError as error:
        raise ArtifactError(f"{name} is damaged: {error}") from None


def _check_structure(content: bytes, most_values: int) -> None:
    """Raises a ValueError where values are too many or nested too deep, as each takes many times its bytes."""
    plain = np.frombuffer(content.replace(rb"\\", b"").replace(rb"\"", b""), np.uint8)
    within_texts = np.logical_xor.accumulate(plain == ord('"'))
    if within_texts[-1:].any():
        raise ValueError("a text without an end")
    marks = plain[~within_texts].tobytes()
    if sum(map(marks.count, b"[{:")) > MAX_PARTS or marks.count(b",") > most_values:
        raise ValueError(f"more than {MAX_PARTS:,} lists, mappings and keys, or {most_values:,} values")
    brackets = marks.translate(None, _ALL_BUT_BRACKETS)[: 2 * MAX_PARTS]  # JSON has no more
    if max(accumulate(1 if bracket in b"[{" else -1 for bracket in brackets), default=0) > MAX_DEPTH:
        raise ValueError(f"lists and mappings more than {MAX_DEPTH} deep")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for key, value in pairs:
        if key in values:
            raise ValueError(f"the key {reprlib.repr(key)} occurs twice")
        values[key] = value
    return values


def _finite(text: str) -> float:
    if not math.isfinite(number := float(text)):
        raise ValueError(f"{reprlib.repr(text)} is not a finite number")
    return number


def _first_of(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    place = ".".join(
        reprlib.repr(step) if isinstance(step, str) and len(step) > 60 else str(step) for step in problem["loc"]
    )
    message = "Input should be a mapping" if problem["type"] == "model_type" else problem["msg"]
    return f"{place + ': ' if place else ''}{message}, not {reprlib.repr(problem['input'])}"
