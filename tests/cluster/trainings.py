"""Trainings that one process carries out, or two together: as a program, those of one of two workers.

TF_CONFIG=... python -m tests.cluster.trainings FOLDER
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np

from recsys_nn import (
    Encoder,
    NeuMFConfig,
    SVDConfig,
    Tensors,
    TrainConfig,
    Trainer,
    TrainingRun,
    build_model,
    load_ratings,
    random_split,
)
from recsys_nn.tensors.row_file import RowFile
from recsys_nn.tensors.streamed import StreamedTensors

# Of the 601 examples a batch of 100 leaves a rest of one, fewer than there are workers.
SETTINGS: dict[str, dict[str, Any]] = {
    "svd, row-wise": {"optimizer": "rowwise_sgd", "learning_rate": 0.5, "batch_size": 100},
    "svd, lazy Adam": {"optimizer": "lazy_adam", "batch_size": 64},
    "neumf": {"optimizer": "adam", "batch_size": 100},
    "neumf, in one batch": {"optimizer": "adam", "batch_size": 1000},
    "early stopping": {"optimizer": "lazy_adam", "learning_rate": 0.02, "batch_size": 100, "epochs": 30, "patience": 2},
}


def trained(name: str, workers: Any = None) -> TrainingRun:
    """The training of this name, alone or by one of the ``workers``."""
    ratings = load_ratings("synthetic", n_users=60, n_items=40, n_ratings=751)
    split = random_split(ratings, validation=0.2, test=0, seed=1)
    encoder = Encoder.fit(split.train)
    train, validation = encoder.encode(split.train), encoder.encode(split.validation)
    assert len(train) == 601
    config = NeuMFConfig(embedding_dim=4, dropout=0) if name.startswith("neumf") else SVDConfig(embedding_dim=4)
    settings = {"epochs": 3, "patience": None, "seed": 5, "validation": 0.0} | SETTINGS[name]
    model = build_model(config, encoder, seed=3)
    return Trainer(TrainConfig(**settings), workers=workers, progress=False).fit(model, train, validation)


def trained_from_a_file(workers: Any = None) -> TrainingRun:
    """By workers each on its half of a file, whose last row is nobody's; by one process on the batches of both."""
    ratings = load_ratings("synthetic", n_users=60, n_items=40, n_ratings=501)
    encoder = Encoder.fit(ratings)
    tensors = encoder.encode(ratings)
    part: Any = StreamedTensors(RowFile.temporary([(*tensors.named_inputs.values(), tensors.targets)]))
    if workers is None:
        part = tensors.take(np.arange(500).reshape(2, 5, 50).swapaxes(0, 1).ravel())
    config = TrainConfig(epochs=3, batch_size=100, optimizer="lazy_adam", shuffle=False, patience=None, validation=0)
    model = build_model(SVDConfig(embedding_dim=4), encoder, seed=3)
    return Trainer(config, workers=workers, progress=False).fit(model, part, tensors.take(np.arange(76)))


class Constant(keras.layers.Layer):
    """Adds a third, which is a weight that nothing trains."""

    def build(self, input_shape: Any) -> None:
        self.third = self.add_weight(shape=(), initializer=keras.initializers.Constant(1 / 3), trainable=False)

    def call(self, x: Any) -> Any:
        return x + self.third


def normally_trained(workers: Any = None) -> TrainingRun:
    """With batch normalisation, dropout and a constant, on two numbers."""
    inputs = np.random.default_rng(4).normal(2, 1, size=(40, 2))
    keras.utils.set_random_seed(1)
    layers = [keras.layers.BatchNormalization(), keras.layers.Dropout(0.5), keras.layers.Dense(1), Constant()]
    model = keras.Sequential([keras.Input((2,)), *layers])
    config = TrainConfig(epochs=2, batch_size=10, patience=None, validation=0, optimizer="sgd", seed=6)
    return Trainer(config, workers=workers, progress=False).fit(model, Tensors(inputs, inputs.sum(axis=1)))


def told(run: TrainingRun) -> dict[str, Any]:
    """What of a training is compared."""
    weights = run.model.get_weights()
    return {
        "history": run.history.drop(columns="seconds").to_dict("list"),
        "best_epoch": run.best_epoch,
        "engine": run.engine,
        "weights": [weight.tolist() for weight in weights],
        "draws": [each.numpy().tolist() for each in run.model.variables if each.name == "seed_generator_state"],
        "digest": hashlib.sha256(b"".join(weight.tobytes() for weight in weights)).hexdigest(),
    }


def main(folder: Path) -> None:
    from recsys_nn.training.engines.collectives import Workers

    class FewAtATime(Workers):
        def mean(self, gradients: Any, share: Any, *, rows: int) -> list[Any]:
            return super().mean(gradients, share, rows=20)  # a share of 50 examples takes three rounds

    workers = Workers()
    found = {name: told(trained(name, workers)) for name in SETTINGS}
    found["in rounds"] = told(trained("svd, row-wise", FewAtATime()))
    found["from a file"] = told(trained_from_a_file(workers))
    found["batch normalisation"] = told(normally_trained(workers))
    (folder / f"worker-{workers.rank}.json").write_text(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
