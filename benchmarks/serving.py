"""The service under load: latency, throughput, and a soak with malformed requests and new runs.

    apt install wrk; pip install -e ".[serve]"
    RECSYS_NN_DATA=FOLDER python benchmarks/serving.py [--minutes 30] [--seconds 10] [--swap-every 60] [--port 8321]

`recsys-nn serve` runs in a process of its own on a run of MovieLens 100K (generated ratings, where the data are not
there); wrk asks it over loopback, with one thread on the same machine. The soak asks all sorts of things over eight
connections without a pause, a sixth of them malformed, while broken HTTP comes from a second client, and every
--swap-every seconds another run is renamed into the place of the one that is served, every fifth a broken one.
Writes benchmarks/results/serving.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any

import recsys_nn as rn

HERE = Path(__file__).parent
COMMAND = (sys.executable, "-c", "from recsys_nn.cli import main; main()")
KINDS = {"svd": {"kind": "svd", "embedding_dim": 32}, "neumf": {"kind": "neumf"}}
BATCH = 10_000
RELOADS, TIMES = "recsys_nn_reloads_total", "recsys_nn_request_seconds_bucket"
POST = b"POST /predict HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
BROKEN_HTTP = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"GET / HTTP/9.9\r\n\r\n",
    POST + b"Content-Length: 99999999999\r\n\r\n{",
    POST + b"Content-Length: 500\r\n\r\n{",
    POST + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
    b"GET /health HTTP/1.1\r\nHost: " + b"a" * 100_000 + b"\r\n\r\n",
)


@dataclass
class Load:
    """What wrk has measured.

    Attributes:
        requests: that were answered.
        seconds: of the measurement.
        errors: connections that failed, and answers that did not come within ten seconds.
        milliseconds: latency by percentile.
        statuses: how many answers had each.
    """

    requests: int = 0
    seconds: float = 0.0
    errors: int = 0
    milliseconds: dict[str, float] = field(default_factory=dict)
    statuses: Counter[int] = field(default_factory=Counter)

    @classmethod
    def of(cls, output: str) -> Load:
        load = cls()
        for name, *values in (line.split("\t") for line in output.splitlines() if "\t" in line):
            if name == "status":
                load.statuses[int(values[0])] += int(values[1])
            elif name == "latency":
                load.milliseconds[values[0]] = float(values[1]) / 1000
            elif name == "summary":
                load.requests, load.seconds = int(values[0]), int(values[1]) / 1e6
                load.errors = int(values[2])
        return load


@dataclass(frozen=True)
class Service:
    """One that runs in a process of its own."""

    process: subprocess.Popen[bytes]
    port: int
    ids: Path

    @property
    def megabytes(self) -> float:
        """That its process has in memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8")
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def asked(self, kind: str, *, seconds: float, connections: int, pairs: int = 1) -> Load:
        """By wrk."""
        script, address = HERE / "serving_load.lua", f"http://127.0.0.1:{self.port}"
        options = ["-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "10s", "-s", str(script), address]
        command = ["wrk", *options, "--", kind, str(self.ids), str(pairs)]
        return Load.of(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def told(self, address: str) -> str:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{address}", timeout=30) as answer:
            return answer.read().decode()

    def counted(self, metric: str) -> Counter[tuple[str, ...]]:
        """What the service counts, by the values of the labels."""
        lines = [line for line in self.told("metrics").splitlines() if line.startswith(f"{metric}{{")]
        return Counter({tuple(line.split('"')[1::2]): int(float(line.split()[-1])) for line in lines})


@contextmanager
def serving(live: Path, port: int, ids: Path) -> Iterator[Service]:
    with (live.parent / "log").open("wb") as log:
        process = subprocess.Popen([*COMMAND, "serve", str(live), "--port", str(port)], stderr=log, stdout=log)
        try:
            service = Service(process, port, ids)
            end = time.monotonic() + 60
            while "ok" not in _health(service):
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.1)
            yield service
        finally:
            process.terminate()
            assert process.wait(30) == 0, "it did not end by itself"


def _health(service: Service) -> str:
    try:
        return service.told("health")
    except OSError:
        return ""


def trained(folder: Path) -> tuple[dict[str, Path], Path, str]:
    """Runs by name, one of them broken; the file of their ids; and what they were trained on."""
    source = "movielens-100k" if os.environ.get("RECSYS_NN_DATA") else "synthetic"
    for name, model in KINDS.items():
        config = {"output": str(folder / name), "data": {"source": source}, "model": model, "training": {"epochs": 5}}
        encoder = rn.run_experiment(config, progress=False).predictor.encoder
    ids = folder / "ids"
    sides = (" ".join(json.dumps(one) for one in side.ids.tolist()) for side in (encoder.users, encoder.items))
    ids.write_text("\n".join(sides) + "\n", encoding="utf-8")
    shutil.copytree(folder / "svd", folder / "broken")
    (folder / "broken" / "weights.safetensors").write_bytes(b"cut off")
    return {name: folder / name for name in (*KINDS, "broken")}, ids, source


def replace(live: Path, by: Path) -> None:
    """As run folders are written: by renaming."""
    draft, former = live.with_name("draft"), live.with_name("former")
    shutil.copytree(by, draft)
    live.rename(former)
    draft.rename(live)
    shutil.rmtree(former)


@contextmanager
def meanwhile(*jobs: tuple[float, Any]) -> Iterator[None]:
    """Carries out functions, each every so many seconds, in threads."""
    over = threading.Event()

    def repeat(seconds: float, function: Any) -> None:
        while not over.wait(seconds):
            function()

    threads = [threading.Thread(target=repeat, args=job) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join()


def send(port: int, content: bytes) -> None:
    """Broken HTTP: half of it is given up at once, the other half waits for what comes."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=0.2) as client:
            client.sendall(content)
            client.recv(1000)
    except OSError:
        pass


def row(name: str, load: Load, pairs: int = 1) -> str:
    times = " | ".join(f"{load.milliseconds[at]:.2f}" for at in ("50", "90", "99", "99.9", "100"))
    rate, failed = load.requests / load.seconds, load.errors + load.requests - load.statuses[200]
    return f"| {name} | {rate:,.0f} | {rate * pairs:,.0f} | {times} | {failed} |"


def short_loads(service: Service, live: Path, runs: dict[str, Path], seconds: float) -> Iterator[str]:
    service.asked("pairs", seconds=3, connections=4)  # warm-up
    for connections in (1, 8):
        of = f"one pair, {connections} connection{'s' * (connections > 1)}"
        yield row(of, service.asked("pairs", seconds=seconds, connections=connections))
        others = cycle([runs["neumf"], runs["svd"]])
        with meanwhile((3, lambda: replace(live, next(others)))):  # noqa: B023
            yield row(f"{of}, a new run every 3 s", service.asked("pairs", seconds=seconds, connections=connections))
        replace(live, runs["svd"])
        time.sleep(3)
    for pairs in (1000, BATCH):
        load = service.asked("pairs", seconds=seconds, connections=2, pairs=pairs)
        yield row(f"{pairs:,} pairs, 2 connections", load, pairs)


def soak(
    service: Service, live: Path, runs: dict[str, Path], minutes: float, swap_every: float
) -> tuple[Load, list[tuple[float, float]]]:
    """What wrk has measured, and the memory by time."""
    began, memory = time.monotonic(), list[tuple[float, float]]()
    others = cycle([runs[name] for name in ("neumf", "svd", "neumf", "svd", "broken")])
    broken = cycle(BROKEN_HTTP)
    jobs = (
        (swap_every, lambda: replace(live, next(others))),
        (0.5, lambda: send(service.port, next(broken))),
        (minutes * 60 / 60, lambda: memory.append((time.monotonic() - began, service.megabytes))),
    )
    with meanwhile(*jobs):
        load = service.asked("mixed", seconds=minutes * 60, connections=8)
    return load, memory


def by_endpoint(counted: Counter[tuple[str, ...]]) -> Iterator[str]:
    """The bounds below which half, 99% and 99.9% of an endpoint's times lie, by the buckets of its histogram."""
    for endpoint in sorted({endpoint for endpoint, _ in counted}):
        buckets = sorted((float(bound), n) for (of, bound), n in counted.items() if of == endpoint)
        total = buckets[-1][1]
        bounds = (next(bound for bound, n in buckets if n >= share * total) for share in (0.5, 0.99, 0.999))
        yield f"| {endpoint} | {total:,} | " + " | ".join(f"{1000 * bound:g}" for bound in bounds) + " |"


def report(
    source: str, rows: list[str], load: Load, memory: list[tuple[float, float]], counted: dict[str, Counter[Any]]
) -> str:
    late = [megabytes for seconds, megabytes in memory if seconds >= load.seconds / 5]
    half = len(late) // 2
    first, second = sum(late[:half]) / half, sum(late[half:]) / (len(late) - half)
    every = memory[:: max(1, len(memory) // 10)]
    cores = len(os.sched_getaffinity(0))
    return "\n".join(
        [
            "# The service under load",
            "",
            f"Made by `python benchmarks/serving.py`: wrk over loopback, on the same {cores} cores as the service; "
            f"a run of {source}; {platform.processor() or platform.machine()}. Times are milliseconds.",
            "",
            "| asked for | requests/s | pairs/s | p50 | p90 | p99 | p99.9 | max | not answered with 200 |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
            *rows,
            "",
            f"## {load.seconds / 60:.0f} minutes at saturation, a sixth of the requests malformed",
            "",
            f"8 connections without a pause: {load.requests:,} answers, {load.requests / load.seconds:,.0f}/s; latency "
            + ", ".join(f"p{at} {value:.1f} ms" for at, value in load.milliseconds.items() if at != "100")
            + f", at most {load.milliseconds['100']:.0f} ms; {load.errors} connections failed or timed out.",
            "",
            f"New runs: {counted[RELOADS]['loaded',]} loaded, {counted[RELOADS]['refused',]} broken ones refused.",
            "",
            "| status | answers |",
            "| --- | --- |",
            *(f"| {status} | {count:,} |" for status, count in sorted(load.statuses.items())),
            "",
            "Within the service, from the head of a request to the end of its answer, in milliseconds (bounds of the "
            "histogram's buckets; lists and batches wait for one another in two threads):",
            "",
            "| endpoint | requests | half below | 99% below | 99.9% below |",
            "| --- | --- | --- | --- | --- |",
            *by_endpoint(counted[TIMES]),
            "",
            f"Memory of the service after the first fifth (warm-up): on average {first:.0f} MiB in the first half, "
            f"{second:.0f} MiB in the second.",
            "",
            "| second | MiB |",
            "| --- | --- |",
            *(f"| {seconds:.0f} | {megabytes:.0f} |" for seconds, megabytes in every),
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30, help="of the soak")
    parser.add_argument("--seconds", type=float, default=10, help="of each of the other measurements")
    parser.add_argument("--swap-every", type=float, default=60, help="seconds between new runs in the soak")
    parser.add_argument("--port", type=int, default=8321)
    parser.add_argument("--output", type=Path, default=HERE / "results" / "serving.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        runs, ids, source = trained(folder)
        live = Path(shutil.copytree(runs["svd"], folder / "live"))
        with serving(live, given.port, ids) as service:
            rows = []
            for line in short_loads(service, live, runs, given.seconds):
                print(line, flush=True)
                rows.append(line)
            before = {metric: service.counted(metric) for metric in (RELOADS, TIMES)}
            load, memory = soak(service, live, runs, given.minutes, given.swap_every)
            counted = {metric: service.counted(metric) - former for metric, former in before.items()}
        text = report(source, rows, load, memory, counted)
    print(text)
    given.output.write_text(text, encoding="utf-8")
    assert not any(status >= 500 for status in load.statuses), load.statuses


if __name__ == "__main__":
    main()
