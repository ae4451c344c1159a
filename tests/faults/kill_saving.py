"""Kills a process at random moments while it saves one of two models over the other.

    python -m tests.faults.kill_saving --kills 1000

What is printed, as JSON: the kills, after how many of them there was no whole run of either model, how many drafts they
left, and how many were still there when the next process had begun to save.
"""

from __future__ import annotations

import random
import time
from pathlib import Path
from typing import Any

import recsys_nn as rn
from recsys_nn.prediction.saving.manifest import verified
from tests.faults.processes import forked
from tests.faults.program import as_program


def killed(folder: Path, kills: int, rng: random.Random) -> dict[str, Any]:
    ratings = rn.load_ratings("synthetic", n_users=300, n_items=200, n_ratings=5000)
    encoder = rn.Encoder.fit(ratings)
    models = [
        rn.Predictor(rn.build_model(rn.SVDConfig(embedding_dim=8), encoder, seed=seed), encoder) for seed in (1, 2)
    ]
    place = folder / "run"
    whole = set()
    for model in models:
        began = time.monotonic()
        model.save(place, overwrite=True)
        seconds = time.monotonic() - began
        whole.add(content(place))

    def saving() -> None:
        while True:
            for model in models:
                model.save(place, overwrite=True)

    broken, drafts, stray = 0, 0, 0
    for _ in range(kills):
        forked(saving, killed_after=rng.uniform(0, 3 * seconds))
        broken += content(place) not in whole
        left = list(folder.glob(".*"))
        drafts += len(left)
        models[0].save(place, overwrite=True)
        stray += len(list(folder.glob(".*")))
    return {"kills": kills, "broken runs": broken, "drafts left by kills": drafts, "left after the next save": stray}


def content(place: Path) -> tuple[tuple[str, str], ...] | None:
    """The hashes of a run's files, where it is whole."""
    try:
        files = verified(place).manifest.files
    except rn.ArtifactError:
        return None
    return tuple((name, entry.sha256) for name, entry in sorted(files.items()))


if __name__ == "__main__":
    as_program(__doc__, killed, "kills", 1000)
