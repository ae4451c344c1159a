"""How soon the package answers, as whole processes: its help, and the prediction of one pair from a run folder.

    python benchmarks/startup.py [--runs 5]

Kinds are untrained: starting does not depend on the weights. Seconds are medians. The last column is the median of the
CPU time over that of an ``import tensorflow`` right before, which other work on the machine changes little.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas as pd

import recsys_nn as rn
from recsys_nn.models.layers.averaged import AveragedModel
from recsys_nn.prediction.predictor import BlendedPredictor

TENSORFLOW = "import tensorflow"
KINDS = {
    "bias": rn.BiasConfig(),
    "svd": rn.SVDConfig(),
    "svdpp": rn.SVDPPConfig(),
    "neumf": rn.NeuMFConfig(),
    "kernel": rn.KernelConfig(),
    "autorec": rn.AutoRecConfig(),
    "fm with features": rn.FMConfig(),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    with tempfile.TemporaryDirectory() as folder:
        measure(commands(Path(folder)), parser.parse_args().runs)


def commands(folder: Path) -> dict[str, list[str]]:
    """What is run, by its name."""
    pairs, output = folder / "pairs.csv", folder / "predicted.csv"
    pd.DataFrame({"user": ["u0"], "item": ["i0"]}).to_csv(pairs, index=False)
    command = [sys.executable, "-c", "from recsys_nn.cli import main; main()"]
    scripts = {name: [sys.executable, "-c", name] for name in ("pass", "import recsys_nn", TENSORFLOW)}
    answers = {
        f"predict one pair, {name}": [*command, "predict", str(run), str(pairs), "--output", str(output), "--overwrite"]
        for name, run in run_folders(folder).items()
    }
    return {**scripts, "recsys-nn --help": [*command, "--help"], **answers}


def run_folders(folder: Path) -> dict[str, Path]:
    """A run folder of each kind, of an average over four samples, and of a blend."""
    ratings = rn.load_ratings("synthetic")
    plain, featured = (rn.Encoder.fit(ratings, features=features) for features in (None, {"item": ["genres", "year"]}))
    predictors = {
        name: rn.Predictor(rn.build_model(config, encoder, seed=1), encoder)
        for name, config in KINDS.items()
        for encoder in [featured if "features" in name else plain]
    }
    network = predictors["svd"].model
    samples = AveragedModel.of(network, [[weight.numpy() for weight in network.trainable_variables]] * 4)
    predictors["average over 4 svd"] = rn.Predictor(samples, plain)
    members = {name: predictors[name] for name in ("svd", "neumf")}
    predictors["blend of svd and neumf"] = BlendedPredictor(members, dict.fromkeys(members, 0.5))
    return {name: predictor.save(folder / name.replace(" ", "-")) for name, predictor in predictors.items()}


def measure(commands: dict[str, list[str]], runs: int) -> None:
    """Prints a table with a row a command."""
    print("# How soon it answers\n\n`python benchmarks/startup.py`, on", os.cpu_count(), "processors.\n")
    print(f"| command | CPU seconds | seconds | times `{TENSORFLOW}` |\n|---|---|---|---|")
    base = [sys.executable, "-c", TENSORFLOW]
    seconds(base)
    for name, command in commands.items():
        seconds(command)
        turns = [(seconds(base), seconds(command)) for _ in range(runs)]
        cpu, wall = (statistics.median(own[place] for _, own in turns) for place in (0, 1))
        ratio = statistics.median(own[0] / tensorflow[0] for tensorflow, own in turns)
        print(f"| {name} | {cpu:.2f} | {wall:.2f} | {ratio:.2f} |", flush=True)


def seconds(command: list[str]) -> tuple[float, float]:
    """Of the processors and of the clock."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{command} failed")
    return usage.ru_utime + usage.ru_stime, time.perf_counter() - began


if __name__ == "__main__":
    main()
