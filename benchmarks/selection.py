"""Choosing a model on MovieLens 100K: a search that is killed and goes on, and what a refit on all rows is worth.

    python benchmarks/selection.py            # all of benchmarks/results/selection.md
    python benchmarks/selection.py search     # the search alone
    python benchmarks/selection.py refit      # the refits alone

The search is configs/search-movielens-100k.yaml: 20 trials on a validation part of u1.base. It is carried out whole,
and again in another folder with SIGKILL to the process after its eighth trial. Of refits, each of five seeds draws
the validation part and the weights anew; u1.test is predicted by the network that was stopped early, by the refit after
it, and by the refit after five folds. Nothing is chosen by these figures.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import t

ROOT = Path(__file__).parents[1]
CONFIG = ROOT / "configs" / "search-movielens-100k.yaml"
KILLED_AFTER = 8
SEEDS = range(5)
KINDS = ("svd", "neumf")


def main(parts: list[str]) -> None:
    """Prints what was asked for."""
    if "search" in parts or not parts:
        print(searched())
    if "refit" in parts or not parts:
        for kind in KINDS:
            print(refits(kind))


def searched() -> str:
    """The search whole, and the search killed."""
    with tempfile.TemporaryDirectory() as place:
        whole, killed = Path(place) / "whole", Path(place) / "killed"
        began = time.perf_counter()
        _command(whole).communicate()
        seconds = time.perf_counter() - began
        process = _command(killed)
        assert process.stdout is not None
        ended = 0
        while ended < KILLED_AFTER:
            ended += process.stdout.readline().startswith("trial ")
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
        before = {folder.name for folder in (killed / "trials").iterdir() if (folder / "manifest.json").is_file()}
        times = {name: (killed / "trials" / name / "manifest.json").stat().st_mtime_ns for name in before}
        _command(killed).communicate()
        kept = sum((killed / "trials" / name / "manifest.json").stat().st_mtime_ns == at for name, at in times.items())
        tables = {name: pd.read_csv(folder / "trials.csv") for name, folder in (("whole", whole), ("killed", killed))}
    lines = ["| search | trials | pruned | lost | best validation RMSE |", "|---|---|---|---|---|"]
    for name, table in tables.items():
        states = table["state"].value_counts()
        best = table.loc[table["state"] == "complete", "rmse"].min()
        judged = states.get("complete", 0) + states.get("pruned", 0)
        lines.append(f"| {name} | {judged} | {states.get('pruned', 0)} | {states.get('lost', 0)} | {best:.4f} |")
    told = f"Whole: {seconds:.0f} s. Killed after {KILLED_AFTER} trials, {kept} of {len(before)} run folders were kept."
    return "\n".join([told, "", *lines, ""])


def _command(output: Path) -> subprocess.Popen[str]:
    command = [shutil.which("recsys-nn", path=Path(sys.executable).parent) or "recsys-nn", "tune", str(CONFIG)]
    return subprocess.Popen([*command, "--output", str(output)], stdout=subprocess.PIPE, text=True, cwd=ROOT)


def refits(kind: str) -> str:
    """RMSE on u1.test by seed: stopped early, refitted after it, refitted after five folds."""
    import recsys_nn as rn

    rows = []
    for seed in SEEDS:
        settings = [f"seed={seed}", "data.split.validation=0.1", "output=null"]
        config = rn.load_config(ROOT / "configs" / f"{kind}-movielens-100k.yaml", overrides=settings)
        early = rn.run_experiment(config, progress=False)
        refitted = rn.run_experiment(config.model_copy(update={"refit": True}), progress=False)
        folds = rn.refit(rn.cross_validate(config, folds=5, progress=False), progress=False)
        rows.append([early.metrics["rmse"], refitted.metrics["rmse"], folds.metrics["rmse"]])
    errors = np.array(rows)
    lines = [f"| {kind}, seed | stopped early | refitted | refitted after 5 folds |", "|---|---|---|---|"]
    lines += [
        f"| {seed} | {' | '.join(f'{error:.4f}' for error in row)} |" for seed, row in zip(SEEDS, rows, strict=True)
    ]
    lines.append(f"| mean | {' | '.join(f'{error:.4f}' for error in errors.mean(axis=0))} |")
    differences = errors[:, 1:] - errors[:, :1]
    half = t.ppf(0.975, len(SEEDS) - 1) * differences.std(axis=0, ddof=1) / np.sqrt(len(SEEDS))
    told = [f"{mean:+.4f} ± {width:.4f}" for mean, width in zip(differences.mean(axis=0), half, strict=True)]
    lines.append(f"| difference to stopped early, 95% | | {' | '.join(told)} |")
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    main(sys.argv[1:])
