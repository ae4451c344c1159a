"""Trainings into which a NaN is put at a random step, in a random weight.

    python -m tests.faults.nan_injection --runs 200

What is printed, as JSON: the runs, how many of them did not end with an error that says so, and how many have stored a
weight that is no number, as a checkpoint or as a run folder.
"""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file

import recsys_nn as rn
from recsys_nn.training import compile
from recsys_nn.training.checkpoints import Checkpoints
from tests.faults.program import as_program

EPOCHS, STEPS = 5, 8


class Poisoned(keras.optimizers.Adam):
    """Adam, which at one step sets one number of one variable to NaN."""

    step: int
    variable: int
    place: float

    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        super().update_step(gradient, variable, learning_rate)
        if self._get_variable_index(variable) == self.variable % len(self._trainable_variables):
            size = int(np.prod(variable.shape))
            hit = tf.one_hot(int(self.place * size), size, dtype=tf.bool, on_value=True, off_value=False)
            now = tf.equal(tf.cast(self.iterations.value, tf.int32), self.step)
            poison = tf.where(tf.reshape(hit, variable.shape) & now, np.nan, tf.convert_to_tensor(variable))
            variable.assign(poison)


def injected(folder: Path, runs: int, rng: random.Random) -> dict[str, Any]:
    ratings = rn.load_ratings("synthetic", n_users=40, n_items=30, n_ratings=600)
    found = {"runs": runs, "ended with an error": 0, "ended without, though poisoned": 0, "stored no number": 0}
    for run in range(runs):
        Poisoned.step, Poisoned.variable, Poisoned.place = (
            rng.randrange(EPOCHS * STEPS),
            rng.randrange(99),
            rng.random(),
        )
        place = folder / f"run-{run}"
        training = {"epochs": EPOCHS, "batch_size": 64, "patience": rng.choice([None, 2]), "learning_rate": 0.03}
        config = {"seed": run, "model": {"kind": "svd", "embedding_dim": 2}, "output": str(place)}
        config["training"] = training | {"metrics": ()}
        with looked_at() as stored:
            try:
                result = rn.run_experiment(config, ratings, progress=False)
                found["ended without, though poisoned"] += Poisoned.step < STEPS * len(result.run.history)
                stored.append(place / "weights.safetensors")
            except rn.TrainingError:
                found["ended with an error"] += 1
            found["stored no number"] += not all(map(is_finite, stored))
    return found


@contextmanager
def looked_at() -> Iterator[list[Path]]:
    """Within the block, trainings are poisoned, and copies of all checkpoints are kept."""
    copies: list[Path] = []
    keep = Checkpoints.keep
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:

        def kept(checkpoints: Checkpoints, name: str, state: Any) -> None:
            keep(checkpoints, name, state)
            file = checkpoints.folder / f"{name}.safetensors"
            copies.append(Path(shutil.copy(file, Path(folder) / f"{len(copies)}.safetensors")))

        patch.setattr(Checkpoints, "keep", kept)
        patch.setitem(compile._OPTIMIZERS, "adam", Poisoned)
        yield copies


def is_finite(file: Path) -> bool:
    return all(np.isfinite(values).all() for values in load_file(file).values())


if __name__ == "__main__":
    as_program(__doc__, injected, "runs", 200)
