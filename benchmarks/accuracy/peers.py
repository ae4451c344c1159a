"""Surprise and myFM as contestants: ``peer_models.py`` in a fresh process on a table's files."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.accuracy.contestants import Contestant, timed_process
from benchmarks.accuracy.peer_models import MODELS
from benchmarks.accuracy.tables import Table

MAX_LEVELS = 10  # different ratings up to which an ordered probit is fitted


def peers() -> list[Contestant]:
    """All peers: an ordered probit where ratings have few levels, all that is known on the split of its authors."""
    return [
        Contestant(
            name,
            (model["library"], "numpy", "scipy"),
            partial(_suits, model["options"]),
            partial(_score, name, model["options"]),
        )
        for name, model in MODELS.items()
    ]


def _suits(options: dict[str, Any], table: Table) -> bool:
    if "probit" in options and table.train.frame["rating"].nunique() > MAX_LEVELS:
        return False
    return "everything" not in options or table.name == "u1"


def _score(name: str, options: dict[str, Any], table: Table, folder: Path) -> dict[str, Any]:
    printed, seconds = timed_process(
        "-m", "benchmarks.accuracy.peer_models", name, str(folder), json.dumps(table.train.scale)
    )
    return json.loads(printed.splitlines()[-1]) | {"seconds": seconds, "config": options}
