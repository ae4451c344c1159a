"""What a common check looks at: a model kind, with a predictor of it that all checks share."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import TypeVar

import keras
import numpy as np
import pandas as pd

import recsys_nn as rn
from recsys_nn.models import model_kinds
from tests.models.contract import twenty_ratings

T = TypeVar("T")

TRAINING = rn.TrainConfig(epochs=1, patience=None, validation=0, batch_size=10, learning_rate=0.03, seed=3)
PAIRS = pd.DataFrame(product(range(5), range(100, 106)), columns=["user", "item"])
"""All pairs of known users and items, of which training had twenty."""
NEW = pd.DataFrame({"user": [0, 7, 7], "item": [107, 100, 107]})
"""Pairs of a new item, of a new user, and of both."""


@dataclass(frozen=True, eq=False)
class Subject:
    """A model's config, ratings and, made when first asked for and never changed, what training has made of it."""

    config: rn.ModelConfig
    ratings: rn.Ratings = field(default_factory=twenty_ratings)

    @cached_property
    def encoder(self) -> rn.Encoder:
        return rn.Encoder.fit(self.ratings)

    @cached_property
    def tensors(self) -> rn.Tensors:
        return self.encoder.encode(self.ratings)

    @cached_property
    def run(self) -> rn.TrainingRun:
        return self.fit(rn.build_model(self.config, self.encoder, seed=1), self.tensors)

    @cached_property
    def predictor(self) -> rn.Predictor:
        """It keeps the ratings, and has intervals (calibrated on them too, which only a test may do)."""
        return rn.Predictor(self.run.model, self.encoder).with_seen(self.ratings).calibrated(self.ratings)

    @cached_property
    def initial(self) -> list[np.ndarray]:
        """The weights before the first step."""
        return rn.build_model(self.config, self.encoder, seed=1).get_weights()

    @cached_property
    def folder(self) -> Path:
        """A run folder of the predictor, moved since it was saved: spaces and letters of any script are in its path."""
        place = Path(self._place.name)
        self.predictor.save(place / "läufe 1" / "モデル")
        return (place / "läufe 1" / "モデル").rename(place / "it's moved")

    @cached_property
    def _place(self) -> tempfile.TemporaryDirectory[str]:
        return tempfile.TemporaryDirectory()

    @cached_property
    def loaded(self) -> rn.Predictor:
        return rn.Predictor.load(self.folder)

    @cached_property
    def predicted(self) -> np.ndarray:
        """Of ``PAIRS``."""
        return numbers(self.predictor, PAIRS)

    def trained(self, ratings: rn.Ratings, *, seed: int = 1, **settings: object) -> rn.Predictor:
        """Another predictor, of one's own ratings and settings."""
        encoder = rn.Encoder.fit(ratings)
        model = rn.build_model(self.config, encoder, seed=seed)
        self.fit(model, encoder.encode(ratings), TRAINING.model_copy(update=settings))
        return rn.Predictor(model, encoder)

    @staticmethod
    def fit(model: keras.Model, tensors: rn.Tensors, training: rn.TrainConfig = TRAINING) -> rn.TrainingRun:
        return rn.Trainer(training, progress=False).fit(model, tensors)

    @contextmanager
    def saved(self, name: str = "run") -> Iterator[Path]:
        """A run folder of the predictor, which is gone afterwards."""
        with tempfile.TemporaryDirectory() as folder:
            yield self.predictor.save(Path(folder) / name)


def numbers(predictor: rn.Predictor, pairs: object) -> np.ndarray:
    """The predictions of pairs alone, float32 (n,)."""
    return predictor.predict(pairs)["prediction"].to_numpy()


def unless_refused(asked: Callable[[], T], error: type[rn.RecsysError], reason: str) -> T | None:
    """What is asked for, or None where a kind refuses it for this reason."""
    try:
        return asked()
    except error as refusal:
        if reason not in str(refusal):
            raise
        return None


def weights(predictor: rn.Predictor) -> list[np.ndarray]:
    return predictor.model.get_weights()


def assert_equal(found: Sequence[np.ndarray], expected: Sequence[np.ndarray]) -> None:
    """Weights, bit for bit."""
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


SUBJECTS = {name: Subject(kind.config()) for name, kind in model_kinds().items()}
"""Every registered kind, as it is without any setting."""
