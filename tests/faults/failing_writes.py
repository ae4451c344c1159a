"""Fails every single write of what writes files, one after the other, and all writes from each one on.

    python -m tests.faults.failing_writes

Writes are calls that change files (open to create, write, fsync, rename, mkdir, ...), intercepted by a library that is
preloaded (``failing.c``; a C compiler is needed). What is printed, as JSON: for each case, the writes that were failed,
how often an error was not one of the package's, how often what stood there was not whole any more, and what was left
after the next start.
"""

from __future__ import annotations

import argparse
import ctypes
import errno
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

LIBRARY = "RECSYS_NN_FAILING"


@dataclass
class Case:
    """What writes ``place``, in a folder of its own, a description of what stands there, and what is started next (by
    default, the same)."""

    write: Callable[[], object]
    place: Path
    standing: Callable[[Path], object]
    next_start: Callable[[], object] | None = None


def main() -> None:
    if LIBRARY not in os.environ:
        with tempfile.TemporaryDirectory() as folder:
            library = built(Path(folder))
            environment = os.environ | {LIBRARY: str(library), "LD_PRELOAD": str(library)}
            command = [sys.executable, "-m", "tests.faults.failing_writes", *sys.argv[1:]]
            sys.exit(subprocess.run(command, env=environment, check=False).returncode)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stride", type=int, default=1, help="of the writes of a training, which take longest")
    stride = parser.parse_args().stride
    with tempfile.TemporaryDirectory() as folder:
        found = {
            name: failed_everywhere(case, stride if name == "a training" else 1) for name, case in cases(Path(folder))
        }
    print(json.dumps(found, indent=2))


def built(folder: Path) -> Path:
    library = folder / "failing.so"
    source = Path(__file__).with_name("failing.c")
    subprocess.run(["cc", "-w", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return library


@contextmanager
def failing(folder: Path, nth: int, *, all_after: bool) -> Iterator[Callable[[], int]]:
    """Within the block, the ``nth`` write below a folder fails; what is yielded tells how many there were, after it."""
    library = ctypes.CDLL(os.environ[LIBRARY])
    library.failing_arm(os.fsencode(folder), nth, errno.ENOSPC, int(all_after))
    seen: list[int] = []
    try:
        yield lambda: seen[0]
    finally:
        seen.append(library.failing_arm(b"", 0, 0, 0))


def failed_everywhere(case: Case, stride: int) -> dict[str, Any]:
    from recsys_nn import RecsysError

    case.place.parent.mkdir()
    case.write()
    found = {"writes failed": 0, "other errors": set(), "not whole": 0, "left after the next start": set()}
    whole = {case.standing(case.place)}
    for all_after in (False, True):
        for nth in count(1, stride):
            with failing(case.place.parent, nth, all_after=all_after) as writes:
                try:
                    case.write()
                except RecsysError:
                    pass
                except BaseException as error:
                    found["other errors"].add(f"{type(error).__name__}: {error}")
            found["not whole"] += case.standing(case.place) not in whole
            (case.next_start or case.write)()
            names = {entry.name for entry in case.place.parent.iterdir()} - {case.place.name}
            found["left after the next start"] |= names
            if writes() < nth:
                break
            found["writes failed"] += 1
    return {name: sorted(value) if isinstance(value, set) else value for name, value in found.items()}


def cases(folder: Path) -> Iterator[tuple[str, Case]]:
    import numpy as np
    import pandas as pd

    import recsys_nn as rn
    from recsys_nn.files.tables import write_table
    from recsys_nn.runs.unfinished import unfinished_run
    from recsys_nn.training.checkpoints import Checkpoints
    from tests.faults.kill_saving import content

    ratings = rn.load_ratings("synthetic", n_users=30, n_items=20, n_ratings=300)
    encoder = rn.Encoder.fit(ratings)
    predictor = rn.Predictor(rn.build_model(rn.SVDConfig(embedding_dim=2), encoder), encoder).with_seen(ratings)
    table = pd.DataFrame({"user": ["a", "b"], "prediction": [1.5, 2.5]})
    training = {"epochs": 2, "batch_size": 1000, "optimizer": "sgd", "metrics": ()}
    config = {"data": {"source": "synthetic", "options": {"n_users": 30, "n_items": 20, "n_ratings": 300}}}
    config |= {"model": {"kind": "svd", "embedding_dim": 2}, "training": training}

    place = folder / "saving" / "run"
    yield "a run folder", Case(lambda: predictor.save(place, overwrite=True), place, content)
    for suffix in (".csv", ".tsv.gz", ".parquet"):
        file = folder / suffix / f"table{suffix}"
        yield f"a table {suffix}", Case(lambda file=file: write_table(table, file), file, Path.read_bytes)
    states = Checkpoints(folder / "states" / "training")

    def save_state() -> None:
        done = states.latest()
        states.save((0 if done is None else done[0]) + 1, {"weights": [np.arange(3.0)]})

    yield (
        "a checkpoint",
        Case(save_state, states.folder, lambda _: states.latest()[1]["weights"][0].tolist() == [0, 1, 2]),
    )
    trained = folder / "training" / "run"

    def train() -> None:
        rn.run_experiment({**config, "output": str(trained)}, overwrite=True, progress=False)

    def start() -> None:
        with unfinished_run(str(trained), resume=False, overwrite=True):
            pass

    def standing(run: Path) -> tuple[bytes, bool]:
        return (run / "weights.safetensors").read_bytes(), content(run) is not None

    yield "a training", Case(train, trained, standing, start)


if __name__ == "__main__":
    main()
