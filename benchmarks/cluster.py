"""What several workers on one machine gain, by the length of a step, each worker on a core of its own.

    python -m benchmarks.cluster > benchmarks/results/cluster.json

Trainings of the same model on the same examples with batches of many sizes: by one process on one core, by two workers
on two cores and, where there are no more cores, by three and four that share them, which shows the costs of talking
alone. Times are medians over several runs of the medians over their epochs after the first, without validation. No Ray
is needed: workers find each other by ``TF_CONFIG``.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

USERS, ITEMS, EPOCHS, SECONDS_AN_EPOCH = 100_000, 20_000, 4, 3.0
MODELS: dict[str, dict[str, Any]] = {
    "svd": {"kind": "svd", "embedding_dim": 32},
    "neumf": {"kind": "neumf", "embedding_dim": 32, "widths": [256, 128, 64], "dropout": 0.0},
    "wide neumf": {"kind": "neumf", "embedding_dim": 32, "widths": [1024, 512, 256], "dropout": 0.0},
}
OPTIMIZERS = {"svd": "rowwise_sgd", "neumf": "lazy_adam", "wide neumf": "lazy_adam"}
BATCHES = [256, 1024, 4096, 16384, 65536]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS)
    parser.add_argument("--batches", nargs="+", type=int, default=BATCHES)
    parser.add_argument("--workers", nargs="+", type=int, default=[2])
    parser.add_argument("--repeats", type=int, default=3, help="of each, one after the other; medians are shown")
    parser.add_argument("--worker", nargs=4, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        name, batch, steps, file = arguments.worker
        Path(file).write_text(json.dumps(trained(name, int(batch), int(steps))))
        return
    rows = []
    for name in arguments.models:
        for batch in arguments.batches:
            probe = measured(name, batch, 8, n=1)["step"]
            steps = int(np.clip(SECONDS_AN_EPOCH / probe, 8, 2000))
            found: dict[int, list[dict[str, Any]]] = {n: [] for n in (1, *arguments.workers)}
            for _ in range(arguments.repeats):
                for n, each in found.items():
                    each.append(measured(name, batch, steps, n=n))
            median = {n: statistics.median(one["step"] for one in each) for n, each in found.items()}
            told = found[1][0]
            row = {"model": name, "batch": batch, "engine": told["engine"], "bytes told": told["bytes told"]}
            for n, step in median.items():
                row |= {f"step of {n}, ms": 1000 * step, f"efficiency of {n}": median[1] / step / n}
            rows.append(row)
            print(json.dumps(row), file=sys.stderr)
    print(json.dumps(rows, indent=1))


def measured(name: str, batch: int, steps: int, *, n: int) -> dict[str, Any]:
    """Seconds of a step, as the first of ``n`` processes finds them."""
    cores = sorted(os.sched_getaffinity(0))
    with TemporaryDirectory() as folder, ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(n)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
        stack.close()
        processes = []
        for rank in range(n):
            told = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": rank}}
            environment = os.environ | {"TF_CONFIG": json.dumps(told)} if n > 1 else dict(os.environ)
            file = Path(folder) / f"{rank}.json"
            command = [sys.executable, "-m", "benchmarks.cluster", "--worker", name, str(batch), str(steps), str(file)]
            command = ["taskset", "--cpu-list", str(cores[rank % len(cores)]), *command]
            log = stack.enter_context((Path(folder) / f"{rank}.log").open("w"))
            processes.append(subprocess.Popen(command, env=environment, stdout=log, stderr=log))
        codes = [process.wait(timeout=600) for process in processes]
        if any(codes):
            raise SystemExit((Path(folder) / f"{codes.index(max(codes))}.log").read_text()[-3000:])
        found: dict[str, Any] = json.loads((Path(folder) / "0.json").read_text())
    return found


def trained(name: str, batch: int, steps: int) -> dict[str, Any]:
    import recsys_nn as rn
    from recsys_nn.cluster.scaling_hint import told_by
    from recsys_nn.training.engines.collectives import Workers

    workers = Workers() if "TF_CONFIG" in os.environ else None
    rng = np.random.default_rng(0)
    every = np.arange(max(USERS, ITEMS))
    ids = {"user": every % USERS, "item": every % ITEMS, "rating": every % 5 + 1.0}
    encoder = rn.Encoder.fit(rn.load_ratings(pd.DataFrame(ids)))
    n = batch * steps
    pairs = {"user": rng.integers(0, USERS, n), "item": rng.integers(0, ITEMS, n)}
    tensors = rn.Tensors(pairs, rng.normal(3, 1, n))
    model = rn.build_model(rn.load_config({"model": MODELS[name]}).model, encoder, seed=1)
    config = rn.TrainConfig(
        epochs=EPOCHS, batch_size=batch, optimizer=OPTIMIZERS[name], learning_rate=1e-3, patience=None, validation=0
    )
    run = rn.Trainer(config, workers=workers, progress=False).fit(model, tensors)
    step = statistics.median(run.history["seconds"][1:]) / steps
    return {"step": step, "engine": run.engine, "bytes told": told_by(model, batch)}


if __name__ == "__main__":
    main()
