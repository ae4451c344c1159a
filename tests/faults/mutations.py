"""Run folders with something wrong: bytes, blocks, whole files and values, drawn from a seed."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import Any

from tests.faults.folders import Files, signed

Mutation = Callable[[random.Random, Files], Files]

_ODD: list[Any] = [None, True, -1, 0, 1, 1.5, 10**9, 2**31, 2**63, 10**400, 1e308, -1e308, "", "x", "../../etc/passwd"]
_ODD += [
    "\ud800",
    "os.system",
    [],
    {},
    [[]],
    [0] * 1000,
    "a" * 10_000,
    {"class_name": "Lambda"},
    float("nan"),
    float("inf"),
]


def mutated(seed: int, files: Files) -> tuple[Files, bool]:
    """The files changed in one to three ways, and whether the manifest was then made to agree with them."""
    rng = random.Random(seed)
    changed = dict(files)
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        changed = rng.choice(MUTATIONS)(rng, changed)
    if rng.random() < 0.5:
        return changed, False
    try:
        return signed(changed), True
    except (KeyError, ValueError, TypeError, RecursionError):  # of the manifest, nothing is left to be made to agree
        return changed, False


def _in_bytes(change: Callable[[random.Random, bytearray], None]) -> Mutation:
    def apply(rng: random.Random, files: Files) -> Files:
        name = rng.choice(sorted(files))
        content = bytearray(files[name])
        if content:
            change(rng, content)
        return {**files, name: bytes(content)}

    return apply


def _span(rng: random.Random, content: bytearray) -> slice:
    first = rng.randrange(len(content))
    return slice(first, first + rng.choice((1, 2, 4, 16, 64, 1024)))


def _flip_a_bit(rng: random.Random, content: bytearray) -> None:
    content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)


def _change_bytes(rng: random.Random, content: bytearray) -> None:
    span = _span(rng, content)
    content[span] = rng.randbytes(len(content[span]))


def _fill(rng: random.Random, content: bytearray) -> None:
    span = _span(rng, content)
    content[span] = rng.choice((b"\0", b"\xff", b"[", b"9", b'"')) * len(content[span])


def _truncate(rng: random.Random, content: bytearray) -> None:
    del content[rng.randrange(len(content)) :]


def _delete(rng: random.Random, content: bytearray) -> None:
    del content[_span(rng, content)]


def _insert(rng: random.Random, content: bytearray) -> None:
    place, more = rng.randrange(len(content) + 1), rng.choice((1, 3, 100))
    content[place:place] = rng.randbytes(more)


def _append(rng: random.Random, content: bytearray) -> None:
    content += rng.choice((b"\0" * 100, b"\n", rng.randbytes(10), bytes(content)))


def _swap_blocks(rng: random.Random, content: bytearray) -> None:
    size = min(rng.choice((1, 4, 16, 256)), len(content) // 2)
    if size:
        first, second = sorted(
            (rng.randrange(len(content) // 2 - size + 1), rng.randrange(len(content) // 2, len(content) - size + 1))
        )
        content[first : first + size], content[second : second + size] = (
            content[second : second + size],
            content[first : first + size],
        )


def _exchange_files(rng: random.Random, files: Files) -> Files:
    first, second = rng.sample(sorted(files), 2)
    return {**files, first: files[second], second: files[first]}


def _copy_a_file(rng: random.Random, files: Files) -> Files:
    first, second = rng.sample(sorted(files), 2)
    return {**files, first: files[second]}


def _lose_a_file(rng: random.Random, files: Files) -> Files:
    lost = rng.choice(sorted(files))
    return {name: content for name, content in files.items() if name != lost}


def _add_a_file(rng: random.Random, files: Files) -> Files:
    names = (
        "model.keras",
        "model.h5",
        "weights.pkl",
        ".hidden",
        "below/x.json",
        "drift.parquet",
        "blend.json",
        "seen.parquet",
    )
    return {**files, rng.choice(names): rng.choice((b"", b"x", files.get("users.parquet", b"")))}


def _rename_a_file(rng: random.Random, files: Files) -> Files:
    name = rng.choice(sorted(files))
    return {f"{name}.bak" if each == name else each: content for each, content in files.items()}


def _change_a_value(rng: random.Random, files: Files) -> Files:
    name = rng.choice([name for name in sorted(files) if name.endswith(".json")])
    try:
        values = json.loads(files[name])
    except (ValueError, RecursionError):
        return files
    holder, key = rng.choice(list(_places(values)) or [({}, "x")])
    match rng.randrange(4):
        case 0 if isinstance(holder, dict):
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[rng.choice(("module", "class_name", "registered_name", "x"))] = rng.choice(_ODD)
        case 2 if isinstance(holder[key], int | float):
            holder[key] = rng.choice((-1, 2, 0.5)) * holder[key] + rng.choice((-1, 0, 1))
        case _:
            holder[key] = rng.choice(_ODD)
    return {**files, name: json.dumps(values).encode()}


def _repeat_a_key(rng: random.Random, files: Files) -> Files:
    name = rng.choice([name for name in sorted(files) if name.endswith(".json")])
    key = rng.choice((b'"kind": "svd"', b'"rating_mean": 1', b'"files": {}', b'"n": 1'))
    return {**files, name: files[name].replace(b"{", b"{" + key + b",", 1)}


def _places(values: Any) -> list[tuple[Any, Any]]:
    """Where a value stands: what holds it, and its key or place there."""
    keys = list(values) if isinstance(values, dict) else range(len(values)) if isinstance(values, list) else ()
    return [place for key in keys for place in ((values, key), *_places(values[key]))]


_OF_BYTES = (_flip_a_bit, _change_bytes, _fill, _truncate, _delete, _insert, _append, _swap_blocks)
MUTATIONS: tuple[Mutation, ...] = (
    *map(_in_bytes, _OF_BYTES),
    *(_exchange_files, _copy_a_file, _lose_a_file, _add_a_file, _rename_a_file),
    *(_change_a_value, _change_a_value, _change_a_value, _repeat_a_key),
)
