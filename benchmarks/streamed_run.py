"""The memory of a whole run from its config: of ratings that are streamed from Parquet, and of the same in memory.

python -m benchmarks.streamed_run [--ratings 20000000]

Each run is a process of its own: svd with 16 factors, one epoch, 100,000 ratings each for validation and test.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

GROUP, HELD_OUT = 2_500_000, 100_000
N_ITEMS, RATINGS_A_USER = 20_000, 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratings", type=int, default=20_000_000, help="for training")
    parser.add_argument("--run", nargs=2, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.run:
        folder, how = arguments.run
        print(json.dumps(carried_out(Path(folder), stream=how == "streamed")))
        return
    print(f"# A run on {arguments.ratings:,} training ratings\n\n`python -m benchmarks.streamed_run`\n")
    print("| ratings | peak memory, MiB | seconds in all | of the epoch | RMSE |\n| --- | --- | --- | --- | --- |")
    with TemporaryDirectory() as folder:
        write(Path(folder), arguments.ratings)
        for how in ("streamed", "in memory"):
            command = [sys.executable, "-m", "benchmarks.streamed_run", "--run", folder, how]
            told = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
            row = json.loads(told.splitlines()[-1])
            figures = f"{row['peak']:,.0f} | {row['seconds']:.1f} | {row['epoch']:.1f} | {row['rmse']:.4f}"
            print(f"| {how} | {figures} |", flush=True)


def write(folder: Path, n: int) -> None:
    """Ratings that are sums of what users and items are and of noise; each row group has users of its own."""
    rng = np.random.default_rng(7)
    n_users = n // RATINGS_A_USER
    means = 3.5 + rng.normal(0, 0.5, n_users), rng.normal(0, 0.5, N_ITEMS)

    def table(first: int, end: int, rows: int) -> pa.Table:
        keys = np.unique(rng.integers(first * N_ITEMS, end * N_ITEMS, rows + rows // 4))
        users, items = np.divmod(rng.permutation(keys)[:rows], N_ITEMS)
        ratings = np.clip(np.round(means[0][users] + means[1][items] + rng.normal(0, 0.8, rows)), 1, 5)
        return pa.table({"user": users, "item": items, "rating": ratings})

    bounds = np.linspace(0, n, -(-n // GROUP) + 1).astype(int)
    parts = [(first // RATINGS_A_USER, end // RATINGS_A_USER, end - first) for first, end in pairwise(bounds)]
    with pq.ParquetWriter(folder / "train.parquet", table(0, 1, 1).schema) as writer:
        for part in parts:
            writer.write_table(table(*part))
    for name in ("validation", "test"):
        pq.write_table(table(0, n_users, HELD_OUT), folder / f"{name}.parquet")


def carried_out(folder: Path, *, stream: bool) -> dict[str, float]:
    import recsys_nn as rn

    files = {name: str(folder / f"{name}.parquet") for name in ("train", "validation", "test")}
    began = time.perf_counter()
    result = rn.run_experiment(
        {
            "output": str(folder / f"run-{stream}"),
            "data": {"stream": stream, "scale": [1, 5], "split": {"kind": "files", **files}},
            "model": {"kind": "svd", "embedding_dim": 16},
            "training": {"epochs": 1, "batch_size": 4096},
            "keep_ratings": False,
        },
        progress=False,
    )
    return {
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "seconds": time.perf_counter() - began,
        "epoch": float(result.run.history["seconds"].iloc[0]),
        "rmse": result.metrics["rmse"],
    }


if __name__ == "__main__":
    main()
