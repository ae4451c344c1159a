from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ALL = os.environ.get("RECSYS_NN_FAULTS") == "all"
"""Whether as many faults are tried as `make faults` does, or a sample of them."""


@pytest.fixture(scope="session")
def carried_out() -> Callable[..., dict[str, Any]]:
    """Runs one of this folder's programs in a process of its own: what it prints, as JSON."""

    def run(module: str, *arguments: object) -> dict[str, Any]:
        command = [sys.executable, "-m", f"tests.faults.{module}", *map(str, arguments)]
        ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
        assert ended.returncode == 0, ended.stderr
        found: dict[str, Any] = json.loads(ended.stdout)
        return found

    return run
