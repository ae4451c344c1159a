"""How many files of the package a reader opens to follow one call: those in which the call runs any code.

    python benchmarks/files_walked.py

Each call is made twice; the second is watched, so that imports and registrations do not count. TensorFlow runs
functions line by line, where it would else run what it has traced, and no code of ours.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import recsys_nn as rn

PACKAGE = Path(rn.__file__).parent
TRAINING = rn.TrainConfig(optimizer="lazy_adam", epochs=1, patience=None, validation=0.0, engine="keras")


def watched() -> tuple[dict[str, None], Callable[[FrameType, str, object], None]]:
    """Files of the package in the order in which code enters them, and the profile function that fills them in."""
    found: dict[str, None] = {}

    def entered(frame: FrameType, event: str, argument: object) -> None:
        file = Path(frame.f_code.co_filename)
        if event == "call" and PACKAGE in file.parents:
            found[file.relative_to(PACKAGE).as_posix()] = None

    return found, entered


def walked(call: Callable[[], object]) -> list[str]:
    """The files of the package in which a call runs code."""
    found, entered = watched()
    call()
    sys.setprofile(entered)
    try:
        call()
    finally:
        sys.setprofile(None)
    return list(found)


def step_walked(model: Any, batch: rn.Tensors) -> list[str]:
    """The files in which the last of two steps of a training runs code, from its beginning to its end."""
    import keras

    found: list[list[str]] = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, number: int, logs: object = None) -> None:
            self.files, self.watch = watched()
            sys.setprofile(self.watch)

        def on_train_batch_end(self, number: int, logs: object = None) -> None:
            sys.setprofile(None)
            found.append(list(self.files))

    halves = TRAINING.model_copy(update={"batch_size": len(batch) // 2})
    rn.Trainer(halves, callbacks=[Watch()], progress=False).fit(model, batch)
    return found[-1]


def main() -> None:
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "ratings.csv"
        rn.load_ratings("synthetic", n_users=50, n_items=40, n_ratings=900).frame.to_csv(table, index=False)
        ratings = rn.load_ratings(table)
        encoder = rn.Encoder.fit(ratings)
        model = rn.build_model(rn.SVDConfig(embedding_dim=4), encoder)
        tensors = encoder.encode(ratings)
        rn.Trainer(TRAINING, progress=False).fit(model, tensors)
        predictor = rn.Predictor(model, encoder)
        pair = [(ratings.frame["user"][0], ratings.frame["item"][0])]
        batch = tensors.take(range(64))

        def saved_and_loaded() -> None:
            rn.Predictor.load(predictor.save(Path(folder) / "run", overwrite=True))

        calls: dict[str, Callable[[], object]] = {
            "load_ratings of a CSV": lambda: rn.load_ratings(table),
            "a training of svd of one step, set up and all": lambda: rn.Trainer(TRAINING, progress=False).fit(
                model, batch
            ),
            "one prediction from raw ids": lambda: predictor.predict(pair),
            "save and load": saved_and_loaded,
        }
        found = {name: walked(call) for name, call in calls.items()}
        found["one training step of svd"] = step_walked(model, batch)
        for name, files in found.items():
            print(f"{name}: {len(files)} files\n    " + "\n    ".join(files))


if __name__ == "__main__":
    main()
