"""What programs of this folder have in common: how often, from which seed, and figures as JSON."""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

Tried = Callable[[Path, int, random.Random], dict[str, Any]]


def as_program(document: str | None, tried: Tried, name: str, times: int) -> None:
    """Prints what is found by trying so many ``--NAME``, in a folder that is gone afterwards."""
    parser = argparse.ArgumentParser(description=document, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(f"--{name}", dest="times", type=int, default=times)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(tried(Path(folder), asked.times, random.Random(asked.seed)), indent=2))
