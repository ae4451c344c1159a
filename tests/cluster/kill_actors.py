"""Kills a worker at a random moment of the prediction of a folder by two of them, which goes on by itself.

    python -m tests.cluster.kill_actors --kills 10

What is printed, as JSON: how many rows were predicted in all, how many of them were lost, doubled or predicted
otherwise than by one process, and the files that were done when a worker was killed.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from pathlib import Path
from typing import Any

from tests.cluster.kill_workers import workers
from tests.faults.program import as_program

FILES, ROWS = 16, 50_000


def killed(folder: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    from recsys_nn import predict_folder
    from recsys_nn.cluster.ray_session import connected
    from recsys_nn.config.cluster import ClusterConfig

    predictor = prepared(folder, files=FILES, rows=ROWS)
    predict_folder(predictor, folder / "pairs", folder / "alone")
    wrong, done, counted = 0, [], 0
    with connected(ClusterConfig(workers=2)):
        for number in range(kills):
            output = folder / f"out-{number}"
            killer = Killer(output, after=rng.randrange(FILES // 2), delay=rng.uniform(0, 0.5))
            killer.start()
            counted += predict_folder(predictor, folder / "pairs", output, cluster={"workers": 2}).rows
            killer.join()
            done.append(killer.done)
            wrong += differing_rows(folder / "alone", output)
    hit = sum(0 <= files < FILES for files in done)
    return {
        "kills": kills,
        "kills before the end": hit,
        "files done before": done,
        "rows": kills * FILES * ROWS,
        "rows counted": counted,
        "rows that are wrong": wrong,
    }


def prepared(folder: Path, *, files: int, rows: int) -> Any:
    """A predictor, and a folder of pairs, each with a number of its own."""
    import numpy as np
    import pandas as pd

    from recsys_nn import Encoder, Predictor, SVDConfig, build_model, load_ratings

    ratings = load_ratings("synthetic", n_users=300, n_items=100, n_ratings=5000)
    encoder = Encoder.fit(ratings)
    (folder / "pairs").mkdir()
    draws = np.random.default_rng(1)
    for number in range(files):
        columns = {
            "user": draws.choice(encoder.users.ids, rows),
            "item": draws.choice(encoder.items.ids, rows),
            "number": number * rows + np.arange(rows),
        }
        pd.DataFrame(columns).to_parquet(folder / "pairs" / f"{number:03d}.parquet", index=False)
    return Predictor(build_model(SVDConfig(embedding_dim=4), encoder), encoder)


def differing_rows(alone: Path, other: Path) -> int:
    """How many rows there are too few or too many, or that are otherwise."""
    import pandas as pd

    one, two = pd.read_parquet(alone), pd.read_parquet(other)
    both = one.merge(two, how="inner", on=["number", "user", "item", "source"])
    same = (both["prediction_x"] - both["prediction_y"]).abs() < 1e-5
    return max(len(one), len(two)) - int(same.sum()) + len(two) - two["number"].nunique()


class Killer(threading.Thread):
    """Kills a worker ``delay`` seconds after so many files were done.

    Attributes:
        done: the files by then.
    """

    def __init__(self, output: Path, *, after: int, delay: float) -> None:
        super().__init__(daemon=True)
        self._output, self._after, self._delay, self.done = output, after, delay, -1

    def run(self) -> None:
        while not (found := workers("ray::_Worker")) or self._files() < self._after:
            time.sleep(0.01)
        time.sleep(self._delay)
        self.done = self._files()
        os.kill((workers("ray::_Worker") or found)[0], signal.SIGKILL)

    def _files(self) -> int:
        return len(list(self._output.glob("[0-9]*.parquet")))


if __name__ == "__main__":
    as_program(__doc__, killed, "kills", 10)
