"""What a contestant of the leader board is, and how each is measured: in a fresh process, timed whole."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.accuracy.tables import Table

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Contestant:
    """A predictor on the board.

    Args:
        name: as the board names it.
        packages: those whose versions are kept with its figures.
        suits: whether it can be run on a table.
        score: trains on the files of a table in a folder and scores the test file once: ``rmse``, ``mae``, ``seconds``
            (of the whole process), ``fit_seconds`` (of training alone), ``config`` (all that it was told).
    """

    name: str
    packages: tuple[str, ...]
    suits: Callable[[Table], bool]
    score: Callable[[Table, Path], dict[str, Any]]


def timed_process(*arguments: str) -> tuple[str, float]:
    """What Python prints with these arguments in the repository's root, and its seconds, start-up included."""
    began = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed:\n{done.stderr[-2000:]}")
    return done.stdout, seconds
