"""Speed and memory side by side with Surprise, keras-rs and plain Keras, each measurement a process of its own.

    pip install -r benchmarks/requirements.txt
    RECSYS_NN_DATA=FOLDER python benchmarks/speed.py [PART ...] [--repeats 5]

The folder holds ml-100k/. Parts (all by default): movielens, race, users, ratings, memory, stream, predict. What a part
finds replaces what results/speed.json held of it; results/speed.md and results/speed.png are made anew from all of it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

from speed_report import write_report

HERE = Path(__file__).parent
RESULTS = HERE / "results" / "speed.json"


def measured(case: str, **arguments: Any) -> dict[str, float]:
    """A case of speed_cases.py in a fresh process."""
    command = [sys.executable, str(HERE / "speed_cases.py"), case, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"})
    if done.returncode:
        raise SystemExit(f"{case} {arguments} failed:\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    figures = "  ".join(f"{name} {value:,.4g}" for name, value in found.items())
    print(f"{case:<14} {' '.join(map(str, arguments.values())):<48} {figures}", flush=True)
    return found


def movielens(repeats: int) -> list[dict[str, Any]]:
    """u1.base: every system at the usual batch sizes."""
    cases: list[dict[str, Any]] = [{"system": "surprise", "kind": "svd", "batch": 1, "optimizer": "sgd"}]
    for batch in (256, 1024):
        for kind in ("svd", "neumf"):
            cases += [
                {"system": system, "kind": kind, "batch": batch, "optimizer": "adam"}
                for system in ("model.fit", "keras", "auto", "compiled")
            ]
    for batch in (1024, 4096):
        for optimizer in ("rowwise_sgd", "rowwise_adagrad", "lazy_adam"):
            cases += [{"system": "compiled", "kind": "svd", "batch": batch, "optimizer": optimizer}]
    cases += [
        {"system": system, "kind": "svd", "batch": 1024, "optimizer": "adam"} for system in ("tutorial", "keras-rs")
    ]
    return [case | measured("epochs", **case, repeats=repeats) for case in cases]


def race(repeats: int) -> list[dict[str, Any]]:
    """To a validation RMSE of .940 on nine tenths of u1.base; Surprise to its own best."""
    ours = {"optimizer": "rowwise_adagrad", "rate": 0.12, "batch": 4096, "l2": 1.9e-4}
    found = [{"system": "compiled"} | ours | measured("race", **ours) for _ in range(repeats)]
    found += [{"system": "surprise"} | measured("race_surprise") for _ in range(repeats)]
    return found


def users(repeats: int) -> list[dict[str, Any]]:
    """From a thousand to ten million users; ratings drawn uniformly, at most 2 million of them."""
    found = []
    for n_users, n_items in ((10**3, 1_700), (10**4, 10_000), (10**5, 30_000), (10**6, 100_000), (10**7, 1_000_000)):
        size = {"users": n_users, "items": n_items, "batch": 1024}
        cases = [
            {"system": "compiled", "optimizer": optimizer, "ratings": 2_000_000}
            for optimizer in ("rowwise_sgd", "rowwise_adagrad", "lazy_adam")
        ]
        if n_users <= 10**6:
            cases += [{"system": "model.fit", "optimizer": "adam", "ratings": max(4_096, 200_000_000 // n_users)}]
            cases += [{"system": "surprise", "ratings": 2_000_000}]
        for case in cases:
            found.append(size | case | measured("epochs", **size, **case, repeats=repeats))
    return found


def ratings(repeats: int) -> list[dict[str, Any]]:
    """From 10^5 to 10^8 ratings of a million users and 100,000 items."""
    size = {"users": 10**6, "items": 10**5, "batch": 1024, "system": "compiled", "optimizer": "rowwise_sgd"}
    return [
        size | {"ratings": n} | measured("epochs", **size, ratings=n, repeats=repeats)
        for n in (10**5, 10**6, 10**7, 10**8)
    ]


def memory(repeats: int) -> list[dict[str, Any]]:
    """Peak memory of 10 million resident ratings over that of 100,000, with the same tables."""
    size = {"users": 10**5, "items": 10**4, "batch": 4096, "system": "compiled", "optimizer": "rowwise_sgd"}
    peaks = {n: measured("epochs", **size, ratings=n, repeats=repeats)["peak_mib"] for n in (10**5, 10**7)}
    per_rating = (peaks[10**7] - peaks[10**5]) * 2**20 / (10**7 - 10**5)
    return [size | {"ratings": 10**7, "bytes_per_rating": per_rating}]


def stream(repeats: int) -> list[dict[str, Any]]:
    """100 million ratings in Parquet files."""
    return [measured("stream", ratings=10**8, repeats=repeats)]


def predict(repeats: int) -> list[dict[str, Any]]:
    """A million pairs."""
    return [measured("predict")]


PARTS = (movielens, race, users, ratings, memory, stream, predict)


def machine() -> dict[str, str]:
    with open("/proc/cpuinfo") as info:
        cpu = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), platform.machine())
    with open("/proc/meminfo") as info:
        memory = int(info.readline().split()[1]) // 2**20
    packages = ("tensorflow", "keras", "numpy", "pandas", "pyarrow", "scikit-surprise", "keras-rs")
    return {
        "date": date.today().isoformat(),
        "machine": f"{cpu}, {len(os.sched_getaffinity(0))} cores, {memory} GiB",
        "software": f"Python {platform.python_version()}, " + ", ".join(f"{name} {version(name)}" for name in packages),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [part.__name__ for part in PARTS]
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(names))
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    if unknown := set(arguments.parts) - set(names):
        parser.error(f"there is no part {min(unknown)}")
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    for part in PARTS:
        if part.__name__ in (arguments.parts or names):
            found[part.__name__] = {"rows": part(arguments.repeats), **machine()}
            RESULTS.write_text(json.dumps(found, indent=1) + "\n")
    write_report(found, RESULTS.parent)


if __name__ == "__main__":
    main()
