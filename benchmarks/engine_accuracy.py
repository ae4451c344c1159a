"""Test RMSE of the shipped configs by engine, paired over seeds: a faster engine must not be a worse one.

    RECSYS_NN_DATA=FOLDER python benchmarks/engine_accuracy.py [--seeds 5]

A seed decides the validation part, the initial weights and the order. The difference is the engine's RMSE minus that of
Keras's loop; its interval is that of a paired t-test at 95%.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy import stats

import recsys_nn as rn

CONFIGS = ("quickstart", "svd-movielens-100k", "neumf-movielens-100k")
ENGINES = ("keras", "auto", "compiled")


def test_rmse(name: str, engine: str, seed: int) -> float:
    file = Path(__file__).parents[1] / "configs" / f"{name}.yaml"
    overrides = [f"seed={seed}", f"training.engine={engine}", "output=null"]
    return rn.run_experiment(file, overrides=overrides, progress=False).metrics["rmse"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(parser.parse_args().seeds)
    print(f"{'config':<22} {'engine':<9} {'RMSE':>7} {'difference':>11}  interval")
    for name in CONFIGS:
        errors = {engine: np.array([test_rmse(name, engine, seed) for seed in seeds]) for engine in ENGINES}
        for engine, rmse in errors.items():
            difference = rmse - errors["keras"]
            half = stats.t.ppf(0.975, len(rmse) - 1) * difference.std(ddof=1) / np.sqrt(len(rmse))
            interval = f"{difference.mean() - half:+.5f} to {difference.mean() + half:+.5f}"
            print(f"{name:<22} {engine:<9} {rmse.mean():7.4f} {difference.mean():+11.5f}  {interval}", flush=True)


if __name__ == "__main__":
    main()
