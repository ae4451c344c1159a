"""Kills a training at random moments until it has been killed often enough, and lets it go on each time.

    python -m tests.faults.kill_training --kills 100

The run has all stages (training, samples of the posterior, and both again on all ratings) and is carried out anew once
it is finished. What is printed, as JSON: the kills, how many runs ended with other weights than one in one piece,
the most epochs that a kill made it repeat, and what was left behind.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.processes import KILLED, forked
from tests.faults.program import as_program

RUN = {
    "seed": 7,
    "data": {"source": "synthetic", "options": {"n_users": 60, "n_items": 40, "n_ratings": 1500}},
    "model": {"kind": "svd", "embedding_dim": 4},
    "training": {"epochs": 12, "batch_size": 64, "patience": 3, "metrics": ()},
    "refit": True,
    "ensemble": {"samples": 3, "burn_in": 8, "thin": 3},
}


def killed(folder: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    began = time.monotonic()
    forked(training(folder / "whole"))
    seconds = time.monotonic() - began
    ((*order,),) = lives(folder / "whole")
    done, runs, different, most, left = 0, 0, 0, 0, set()
    while done < kills:
        place = folder / f"run-{runs}"
        while done < kills and forked(training(place), killed_after=rng.uniform(0, 0.7 * seconds)) == KILLED:
            done += 1
        forked(training(place))
        runs += 1
        different += weights(place) != weights(folder / "whole")
        most = max(most, most_repeated(lives(place), order))
        left |= {entry.name.replace(place.name, "run") for entry in folder.glob(f"*{place.name}*")} - {"run", "run.log"}
    return {
        "kills": done,
        "runs": runs,
        "epochs of a run": len(order),
        "runs with other weights": different,
        "most epochs repeated after a kill": most,
        "left behind": sorted(left),
    }


def training(place: Path) -> Callable[[], None]:
    """Goes on with the run at ``place``, and writes down which epochs are begun."""

    def work() -> None:
        from recsys_nn import run_experiment
        from recsys_nn.training.checkpointing import Checkpointing

        with place.with_name(f"{place.name}.log").open("a", buffering=1) as log:
            log.write("life\n")
            Checkpointing.on_epoch_begin = lambda self, epoch, logs=None: log.write(  # type: ignore[method-assign]
                f"{self._checkpoints.folder.name} {epoch}\n"
            )
            run_experiment({**RUN, "output": str(place)}, resume=True, progress=False)

    return work


def lives(place: Path) -> list[list[str]]:
    """The epochs that each process has begun."""
    text = place.with_name(f"{place.name}.log").read_text()
    return [life.splitlines()[1:] for life in text.split("life")[1:]]


def most_repeated(epochs: list[list[str]], order: list[str]) -> int:
    """How many epochs at most a process has begun that one before it had begun too."""
    most, begun = 0, 0
    for life in epochs:
        places = [order.index(epoch) for epoch in life]
        if places:
            most = max(most, begun - places[0])
            begun = max(begun, places[-1] + 1)
    return most


def weights(place: Path) -> bytes:
    return (place / "weights.safetensors").read_bytes()


if __name__ == "__main__":
    as_program(__doc__, killed, "kills", 100)
