"""What ratings and ids cost one machine, and what that and the cost model say of larger ones (docs/scale.md).

    python -m benchmarks.scale > benchmarks/results/scale.json

Measured on generated ratings in Parquet: seconds and bytes a rating or an id of each stage from files to a trained
model, all cores. Simulated: epochs of 10^10 ratings of 10^9 users on so many machines, by ``cluster/scaling_hint.py``
with the measured costs of a step, for networks of several bandwidths.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

import recsys_nn as rn
from benchmarks.cluster import MODELS, OPTIMIZERS
from recsys_nn.cluster.scaling_hint import Network, step_seconds, told_by

RATINGS, USERS, ITEMS = 10**10, 10**9, 10**7
BATCH, MACHINES = 2**16, (1, 2, 4, 8, 16, 64)
NETWORKS = {"as measured": Network(), "1 GB/s": Network(2e-4, 1e9), "3 GB/s": Network(1e-4, 3e9)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ratings", type=int, default=4_000_000)
    n = parser.parse_args().ratings
    with TemporaryDirectory() as folder:
        found = measured(Path(folder), n)
    found["epoch of 10^10 ratings, hours"] = simulated(found["trained"])
    print(json.dumps(found, indent=1))


def measured(folder: Path, n: int) -> dict[str, Any]:
    """Seconds and bytes, a rating where nothing else is said."""
    rng = np.random.default_rng(0)
    users, items = n // 10, max(n // 1000, 10)
    pairs = {"user": rng.integers(0, users, n), "item": (items * rng.random(n) ** 2).astype(int)}
    pd.DataFrame(pairs | {"rating": rng.integers(1, 11, n) / 2}).to_parquet(folder / "ratings.parquet", index=False)
    stream = rn.stream_ratings(folder / "ratings.parquet", scale=(0.5, 5))
    before, began = resident(), time.perf_counter()
    encoder = rn.Encoder.fit(stream)
    fitted, grown = time.perf_counter() - began, resident() - before
    began = time.perf_counter()
    encoded = encoder.encode_stream(stream, cache=folder / "encoded")
    stored = time.perf_counter() - began
    file = sum(entry.stat().st_size for entry in (folder / "encoded").iterdir())
    figures: dict[str, Any] = {
        "cores": len(os.sched_getaffinity(0)),
        "ratings": n,
        "ids": users + items,
        "fitting the encoder, s a million": 1e6 * fitted / n,
        "encoding to disk, s a million": 1e6 * stored / n,
        "encoded, bytes": file / n,
        "encoder, bytes an id": grown / (users + items),
    }
    return figures | {"trained": {name: trained(name, encoder, encoded) for name in MODELS}}


def trained(name: str, encoder: rn.Encoder, encoded: Any) -> dict[str, float]:
    """An epoch from disk, and what a step tells other workers."""
    part = encoded if name == "svd" else encoded.take(np.arange(min(len(encoded), 20 * BATCH)))
    model = rn.build_model(rn.load_config({"model": MODELS[name]}).model, encoder, seed=1)
    config = rn.TrainConfig(
        epochs=3, batch_size=BATCH, optimizer=OPTIMIZERS[name], learning_rate=1e-3, patience=None, validation=0
    )
    run = rn.Trainer(config, progress=False).fit(model, part)
    seconds = statistics.median(run.history["seconds"][1:])
    tables = [4 * weight.shape[1] for weight in model.trainable_weights if weight.shape[0] >= encoder.n_users]
    return {
        "us a rating": 1e6 * seconds / len(part),
        "bytes a user": sum(tables),
        "bytes told in a step": told_by(model, BATCH),
    }


def simulated(models: dict[str, dict[str, float]]) -> dict[str, Any]:
    """Hours of an epoch, by model, network and number of machines."""
    steps = RATINGS / BATCH

    def hours(found: dict[str, float], n: int, network: Network) -> float:
        alone = found["us a rating"] * BATCH / 1e6
        return steps * step_seconds(alone, int(found["bytes told in a step"]), n, network) / 3600

    return {
        name: {of: {n: hours(found, n, network) for n in MACHINES} for of, network in NETWORKS.items()}
        for name, found in models.items()
    }


def resident() -> int:
    """Bytes of memory that this process has."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return 1024 * int(line.split()[1])
    raise OSError("/proc/self/status says nothing of memory")


if __name__ == "__main__":
    main()
