"""Kills one of two workers at a random moment of a training on Ray, which goes on by itself.

    python -m tests.cluster.kill_workers --kills 10

What is printed, as JSON: how many of the runs ended with other weights than an undisturbed one, and the epochs that
had been saved when a worker was killed.
"""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.faults.program import as_program

RUN = {
    "seed": 7,
    "data": {"source": "synthetic", "options": {"n_users": 60, "n_items": 40, "n_ratings": 1500}},
    "model": {"kind": "neumf", "embedding_dim": 4, "dropout": 0.2},
    "training": {"epochs": 8, "batch_size": 64, "patience": 3},
    "cluster": {"workers": 2},
}


def killed(folder: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    from recsys_nn.cluster.ray_session import connected
    from recsys_nn.config.cluster import ClusterConfig

    with connected(ClusterConfig(workers=2)):
        trained(folder / "whole")
        different, epochs = 0, []
        for number in range(kills):
            place = folder / f"run-{number}"
            killer = Killer(place, after=rng.randrange(8), delay=rng.uniform(0, 0.1), rank=rng.randrange(2))
            killer.start()
            trained(place)
            killer.join()
            epochs.append(killer.saved)
            different += weights(place) != weights(folder / "whole")
    return {"kills": kills, "epochs saved before": epochs, "runs with other weights": different}


def trained(place: Path) -> None:
    from recsys_nn import run_experiment

    run_experiment({**RUN, "output": str(place)}, progress=False)


def weights(place: Path) -> bytes:
    return (place / "weights.safetensors").read_bytes()


class Killer(threading.Thread):
    """Kills a worker of the run at ``place``, ``delay`` seconds after so many epochs were saved (or it was begun).

    Without a rank it is Ctrl-C in this process, while the workers stand still: they would come to their end before Ray
    hears of it.

    Attributes:
        saved: the epochs that were saved by then.
    """

    def __init__(self, place: Path, *, after: int, delay: float, rank: int | None) -> None:
        super().__init__(daemon=True)
        self._states = place.with_name(f"{place.name}.unfinished") / "training"
        self._after, self._delay, self._rank = after, delay, rank
        self.saved = -1

    def run(self) -> None:
        while len(workers()) < 2 or self._epochs() < self._after:
            time.sleep(0.01)
        time.sleep(self._delay)
        self.saved = self._epochs()
        if self._rank is None:
            standing = workers()
            told(standing, signal.SIGSTOP)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(3)
            told(standing, signal.SIGCONT)
        else:
            os.kill(workers()[self._rank], signal.SIGKILL)

    def _epochs(self) -> int:
        return max((int(file.stem.removeprefix("epoch-")) for file in self._states.glob("epoch-*")), default=0)


def told(processes: list[int], number: signal.Signals) -> None:
    for pid in processes:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def workers(title: str = "RayTrainWorker") -> list[int]:
    """The workers among the descendants of this process, by what Ray calls their processes."""
    parents, found = {}, []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command, state = (folder / "cmdline").read_text(), (folder / "stat").read_text()
        except OSError:  # it has ended
            continue
        parents[int(folder.name)] = int(state.rpartition(")")[2].split()[1])
        if title in command:
            found.append(int(folder.name))
    return sorted(pid for pid in found if os.getpid() in _ancestors(pid, parents))


def _ancestors(pid: int, parents: dict[int, int]) -> list[int]:
    line = [pid]
    while line[-1] in parents:
        line.append(parents[line[-1]])
    return line


if __name__ == "__main__":
    as_program(__doc__, killed, "kills", 10)
