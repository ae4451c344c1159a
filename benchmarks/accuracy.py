"""RMSE and MAE of the shipped kinds on official test files, each run a fresh process, start-up included.

    python benchmarks/accuracy.py [--data FOLDER] [--log FILE]

Validation parts come from the training file; the test file is scored once, at the end of each run. The folder
(by default RECSYS_NN_DATA) holds ml-100k/ and netflix-course/ (train.csv, test.csv).
"""

from __future__ import annotations

import argparse
import json
import math
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
L2_CANDIDATES = (1.0e-4, 1.6e-4, 2.2e-4, 2.8e-4, 4.0e-4)


def shipped(name: str) -> dict:
    return yaml.safe_load((ROOT / "configs" / f"{name}.yaml").read_text(encoding="utf-8"))


def on_netflix(config: dict, folder: Path) -> dict:
    """The same run on the Netflix sample; the model's penalty is left to its default rule."""
    files = {**config["data"]["split"], "train": str(folder / "train.csv"), "test": str(folder / "test.csv")}
    model = {name: value for name, value in config["model"].items() if name != "l2"}
    return {**config, "model": model, "data": {"scale": [1, 5], "split": files}}


def with_l2_from_validation(config: dict, data: Path) -> dict:
    """The λ of least validation error; the test file is not read."""
    unscored = {**config, "data": {**config["data"], "split": {**config["data"]["split"], "test": None}}}
    errors = {}
    for l2 in L2_CANDIDATES:
        metrics, _ = run({**unscored, "model": {**config["model"], "l2": l2}}, data)
        errors[l2] = metrics["validation_rmse"]
    print("λ: validation RMSE   " + "   ".join(f"{l2:g}: {error:.4f}" for l2, error in errors.items()), flush=True)
    return {**config, "model": {**config["model"], "l2": min(errors, key=errors.__getitem__)}}


def run(config: dict, data: Path) -> tuple[dict[str, float], float]:
    """The metrics of one run in a process of its own, and its wall time, start-up included."""
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


def report(table: str, kind: str, config: dict, data: Path, log: Path | None) -> None:
    metrics, seconds = run(config, data)
    figures = (metrics["rmse"], metrics["mae"], metrics.get("validation_rmse", math.nan))
    print(
        f"{table:<20} {kind:<6} "
        + " ".join(f"{figure:6.4f}" for figure in figures)
        + f" {metrics['best_epoch']:5.0f} {seconds:5.1f}  {SURPRISE[table].get(kind, '')}",
        flush=True,
    )
    if log:
        with log.open("a") as file:
            file.write(json.dumps({"data": table, "config": config, "seconds": seconds, **metrics}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("RECSYS_NN_DATA", "data")))
    parser.add_argument("--log", type=Path, help="append every result to this file, a JSON object a line")
    arguments = parser.parse_args()
    data, log = arguments.data.resolve(), arguments.log
    kinds = {kind: shipped(f"{kind}-movielens-100k") for kind in ("bias", "svd", "neumf")}
    print(f"{'data':<20} {'kind':<6} {'RMSE':>6} {'MAE':>6} {'val.':>6} {'epoch':>5} {'s':>5}  Surprise RMSE (MAE)")
    for kind, config in kinds.items():
        report("MovieLens 100K, u1", kind, config, data, log)
    for kind, config in kinds.items():
        there = on_netflix(config, data / "netflix-course")
        if kind == "svd":
            there = with_l2_from_validation(there, data)
        report("Netflix sample", kind, there, data, log)


if __name__ == "__main__":
    main()
