"""Predictors of a few ratings: drawn ones, since to train takes a second, and trained ones where rows that nobody has
rated have to stay as they were."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from recsys_nn import Encoder, ModelConfig, Predictor, Ratings, TrainConfig, Trainer, build_model
from recsys_nn.encoding.features import SIDES
from recsys_nn.training.optimizers import is_table
from tests.models.contract import twenty_ratings

Features = Mapping[str, Any]


def drawn(config: ModelConfig, ratings: Ratings | None = None, features: Features | None = None) -> Predictor:
    """With random weights, and the sets of who rated what; by default of the twenty ratings."""
    ratings = twenty_ratings() if ratings is None else ratings
    encoder = Encoder.fit(ratings, features=features)
    model = build_model(config, encoder, seed=1)
    tensors = encoder.encode(ratings)
    for layer in model.layers:
        if hasattr(layer, "before_training"):
            layer.before_training(tensors.inputs, tensors.targets)
    rng = np.random.default_rng(2)
    for variable in model.trainable_variables:
        noise = rng.normal(0, 0.3, variable.shape)
        if is_table(variable):
            side, _, of = variable.path.partition("_")
            has_ids = side in SIDES and len(noise) == len(encoder.counts[side]) and not of.startswith("features")
            noise[np.flatnonzero(encoder.counts[side] == 0) if has_ids else 0] = 0  # as in training, which sees none
        variable.assign(variable + noise)
    return Predictor(model, encoder)


def trained(config: ModelConfig, ratings: Ratings, features: Features | None = None) -> Predictor:
    """After 20 epochs."""
    encoder = Encoder.fit(ratings, features=features)
    model = build_model(config, encoder, seed=1)
    settings = TrainConfig(epochs=20, patience=None, validation=0, learning_rate=0.05)
    run = Trainer(settings, progress=False).fit(model, encoder.encode(ratings))
    return Predictor(run.model, encoder)
