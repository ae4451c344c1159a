"""RMSE and MAE of the shipped kinds on official test files, each run a fresh process, start-up included.

    python benchmarks/accuracy.py [--data FOLDER] [--log FILE]

Validation parts come from the training file; the test file is scored once, at the end of each run. The folder
(by default RECSYS_NN_DATA) holds ml-100k/ and netflix-course/ (train.csv, test.csv).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
SURPRISE = {  # version 1.1.5 with its defaults on the same files, RMSE (MAE)
    "MovieLens 100K, u1": {"bias": ".9600 (.7616)", "svd": ".9514 (.7502)"},
    "Netflix sample": {"bias": ".9521", "svd": ".9576"},
}


def shipped(name: str) -> dict:
    return yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8"))


def netflix(config: dict, folder: Path) -> dict:
    files = {"kind": "files", "train": str(folder / "train.csv"), "test": str(folder / "test.csv"), "validation": 0.1}
    return {**config, "data": {"scale": [1, 5], "split": files}}


def run(config: dict, data: Path) -> tuple[dict[str, float], float]:
    """The metrics of one run in a process of its own, and its wall time."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "run.yaml")
        file.write_text(yaml.safe_dump({**config, "output": str(Path(folder, "run"))}))
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-c", "from recsys_nn.cli import main; main()", "train", str(file)],
            check=True,
            stdout=subprocess.DEVNULL,
            env={**os.environ, "RECSYS_NN_DATA": str(data)},
        )
        seconds = time.perf_counter() - began
        return json.loads(Path(folder, "run", "metrics.json").read_text()), seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("RECSYS_NN_DATA", "data")))
    parser.add_argument("--log", type=Path, help="append every result to this file, a JSON object a line")
    arguments = parser.parse_args()
    data = arguments.data.resolve()
    kinds = {kind: shipped(f"{kind}-movielens-100k") for kind in ("bias", "svd", "neumf")}
    tables = {
        "MovieLens 100K, u1": kinds,
        "Netflix sample": {kind: netflix(config, data / "netflix-course") for kind, config in kinds.items()},
    }
    print(f"{'data':<20} {'kind':<6} {'RMSE':>6} {'MAE':>6} {'val.':>6} {'epoch':>5} {'s':>5}  Surprise RMSE (MAE)")
    for table, configs in tables.items():
        for kind, config in configs.items():
            metrics, seconds = run(config, data)
            figures = (metrics["rmse"], metrics["mae"], metrics["validation_rmse"])
            peer = SURPRISE[table].get(kind, "")
            print(
                f"{table:<20} {kind:<6} "
                + " ".join(f"{figure:6.4f}" for figure in figures)
                + f" {metrics['best_epoch']:5.0f} {seconds:5.1f}  {peer}",
                flush=True,
            )
            if arguments.log:
                with arguments.log.open("a") as log:
                    log.write(json.dumps({"data": table, "config": config, "seconds": seconds, **metrics}) + "\n")


if __name__ == "__main__":
    main()
