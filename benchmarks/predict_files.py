"""How fast the command ``recsys-nn predict`` is on large files, and how much memory it takes beside TensorFlow's.

    python benchmarks/predict_files.py [--pairs 100000000] [--few 10000000]

An svd with 16 factors for 100,000 users and 20,000 items, its weights drawn at random, is asked about pairs drawn at
random, of which 1% have an id that it does not know: ``--pairs`` of them in Parquet with integer ids, ``--few`` in each
other format. Each command is a process of its own on two cores. Seconds are of the whole command, TensorFlow's start
included; memory is its peak above that of the same command on one pair. Every thousandth prediction is compared with
that of ``predictor.predict``.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

import recsys_nn as rn

N_USERS, N_ITEMS = 100_000, 20_000
PART = 1_000_000
SCRIPT = """
from recsys_nn.cli import main
try:
    main()
finally:
    print(open("/proc/self/status").read())
"""
COMMAND = (sys.executable, "-c", SCRIPT, "predict")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=100_000_000)
    parser.add_argument("--few", type=int, default=10_000_000)
    arguments = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    print("| pairs | ids | from | to | seconds | pairs/s | GiB above TensorFlow |\n|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for ids, n, asked, answered in (
            ("integers", arguments.pairs, "Parquet", "Parquet"),
            ("integers", arguments.few, "folder of Parquet", "Parquet"),
            ("integers", arguments.few, "Parquet", "CSV"),
            ("integers", arguments.few, "CSV", "Parquet"),
            ("integers", arguments.few, "gzip CSV", "gzip CSV"),
            ("strings", arguments.few, "Parquet", "Parquet"),
            ("strings", arguments.few, "CSV", "CSV"),
        ):
            case = Case(folder / "case", ids, n, asked, answered)
            print(f"| {n:,} | {ids} | {asked} | {answered} | {case.measured()}", flush=True)


SUFFIXES = {"Parquet": ".parquet", "folder of Parquet": "", "CSV": ".csv", "gzip CSV": ".csv.gz"}


class Case:
    """A model, a file of pairs in a folder, and the file to write."""

    def __init__(self, folder: Path, ids: str, n: int, asked: str, answered: str) -> None:
        folder.mkdir(exist_ok=True)
        self.run, self.n, self.strings = folder / "run", n, ids == "strings"
        self.one, self.pairs = folder / "one.parquet", folder / f"pairs{SUFFIXES[asked]}"
        self.output = folder / f"out{SUFFIXES[answered]}"
        _model(self.strings).save(self.run, overwrite=True)
        pq.write_table(next(self.drawn()).slice(0, 1), self.one)
        self._write(asked)

    def measured(self) -> str:
        _, least = _called(*COMMAND, self.run, self.one, "--output", self.output)
        self.output.unlink()
        seconds, peak = _called(*COMMAND, self.run, self.pairs, "--output", self.output)
        self._check()
        self.output.unlink()
        return f"{seconds:.1f} | {self.n / seconds:,.0f} | {peak - least:.2f} |"

    def drawn(self) -> Iterator[pa.Table]:
        rng = np.random.default_rng(1)
        for first in range(0, self.n, PART):
            n = min(PART, self.n - first)
            users, items = rng.integers(N_USERS * 1.005, size=n), rng.integers(N_ITEMS * 1.005, size=n)
            table = pa.table({"user": users, "item": items})
            yield table.cast(pa.schema([(name, pa.string()) for name in table.column_names])) if self.strings else table

    def _write(self, asked: str) -> None:
        if asked == "folder of Parquet":
            self.pairs.mkdir(exist_ok=True)
            for number, table in enumerate(self.drawn()):
                pq.write_table(table, self.pairs / f"{number:04}.parquet")
            return
        schema = next(self.drawn()).schema
        with pa.output_stream(self.pairs, compression="gzip" if asked.startswith("gzip") else None) as stream:
            writer = (pq.ParquetWriter if asked == "Parquet" else pa.csv.CSVWriter)(stream, schema)
            with writer:
                for table in self.drawn():
                    writer.write_table(table)

    def _check(self) -> None:
        """The order and the numbers are those of predict."""
        asked = _sampled(part.to_pandas() for part in self.drawn())
        found, expected = _sampled(_read(self.output)), rn.Predictor.load(self.run).predict(asked)
        assert found[["user", "item"]].astype(str).equals(asked.astype(str))
        np.testing.assert_allclose(found["prediction"], expected["prediction"], rtol=1e-6)
        assert found["source"].tolist() == expected["source"].tolist()


def _sampled(parts: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Every thousandth row of a table."""
    first, rows = 0, []
    for part in parts:
        rows.append(part.iloc[-first % 1000 :: 1000])
        first += len(part)
    return pd.concat(rows, ignore_index=True)


def _model(strings: bool) -> rn.Predictor:
    rng = np.random.default_rng(0)
    users = np.repeat(np.arange(N_USERS), 3)
    frame = pd.DataFrame({"user": users, "item": (users + np.tile([0, 1, 2], N_USERS)) % N_ITEMS})
    frame = frame.astype(str) if strings else frame
    encoder = rn.Encoder.fit(rn.Ratings(frame.assign(rating=rng.integers(1, 6, len(frame))), scale=(1, 5)))
    return rn.Predictor(rn.build_model(rn.SVDConfig(embedding_dim=16, init_std=0.3), encoder), encoder)


def _read(output: Path) -> Iterator[pd.DataFrame]:
    if output.suffix == ".parquet":
        yield from (batch.to_pandas() for batch in pq.ParquetFile(output).iter_batches(PART))
    else:
        yield from pd.read_csv(output, chunksize=PART)


def _called(*words: str | Path) -> tuple[float, float]:
    """The seconds that a command takes, and the GiB of its peak memory."""
    began = time.perf_counter()
    told = subprocess.run(list(map(str, words)), check=True, capture_output=True, text=True).stdout
    return time.perf_counter() - began, int(re.search(r"VmHWM:\s+(\d+) kB", told).group(1)) / 2**20


if __name__ == "__main__":
    main()
