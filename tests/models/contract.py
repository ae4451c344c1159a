"""What the network of a config promises: a kind's test class inherits one of these and names the config.

What a kind promises to those who only use it, whatever its network, is in ``tests/common``.
"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
import yaml

from recsys_nn import (
    Encoder,
    ModelConfig,
    Predictor,
    Ratings,
    Tensors,
    TrainConfig,
    Trainer,
    TrainingRun,
    build_model,
)
from recsys_nn.models import model_kind
from recsys_nn.prediction.export.rating_graph import rating_graph
from recsys_nn.prediction.export.target import Format
from recsys_nn.training.config import EngineName
from tests.prediction.export import runtimes

KERAS_SETTINGS = ("units", "activation", "use_bias", "input_dim", "output_dim", "axis", "axes", "rate")


def twenty_ratings() -> Ratings:
    """20 of the 30 pairs of 5 users and 6 items, with ratings 1 to 5 that no bias alone explains."""
    rng = np.random.default_rng(5)
    pairs = rng.permutation(30)[:20]
    frame = pd.DataFrame({"user": pairs // 6, "item": pairs % 6 + 100, "rating": rng.integers(1, 6, 20)})
    return Ratings(frame, scale=(1, 5))


def described(layer: keras.Layer) -> str:
    """A layer with its settings, of Keras's own layers those that matter."""
    config = layer.get_config()
    ours = type(layer).__module__.startswith("recsys_nn")
    told = [name for name in config if name not in ("name", "trainable", "dtype")] if ours else KERAS_SETTINGS
    settings = {name: config[name] for name in told if config.get(name) is not None}
    rounded = {name: round(value, 6) if isinstance(value, float) else value for name, value in settings.items()}
    return f"{layer.name}: {type(layer).__name__} {rounded}"


def spread(weight: keras.Variable) -> str:
    """A weight by its path and shape, the mean and the standard deviation of its values, and whether it is trained."""
    values = np.asarray(weight, dtype=float)
    fixed = "" if weight.trainable else ", fixed"
    return f"{weight.path} {weight.shape}: {values.mean():.3f} ± {values.std():.3f}{fixed}"


class ModelContract:
    """For every kind."""

    config: ModelConfig
    batch_size = 10
    """Of all 20 ratings: XLA compiles once. What depends on the size of a batch has another."""

    @pytest.fixture(scope="class")
    @classmethod
    def ratings(cls) -> Ratings:
        return twenty_ratings()

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, ratings: Ratings) -> Encoder:
        return Encoder.fit(ratings)

    @pytest.fixture(scope="class")
    @classmethod
    def tensors(cls, encoder: Encoder, ratings: Ratings) -> Tensors:
        return encoder.encode(ratings)

    @classmethod
    def fitted(cls, encoder: Encoder, tensors: Tensors, engine: EngineName) -> TrainingRun:
        """Two epochs in the order of the seed."""
        steps = {"optimizer": "sgd", "learning_rate": 0.01, "batch_size": cls.batch_size, "seed": 3}
        settings = TrainConfig(epochs=2, patience=None, validation=0, engine=engine, **steps)
        return Trainer(settings, progress=False).fit(build_model(cls.config, encoder, seed=1), tensors)

    @pytest.fixture(scope="class")
    @classmethod
    def run(cls, encoder: Encoder, tensors: Tensors) -> TrainingRun:
        return cls.fitted(encoder, tensors, "auto")

    @pytest.fixture(scope="class")
    @classmethod
    def trained(cls, run: TrainingRun) -> keras.Model:
        return run.model

    @pytest.fixture(scope="class")
    @classmethod
    def untrained(cls, encoder: Encoder) -> keras.Model:
        return build_model(cls.config, encoder, seed=3)

    def test_it_consists_of_these_layers_and_weights(self, untrained, snapshot):
        """By the names, and in the order, that saved weights and checkpoints have."""
        sides = getattr(untrained, "sides", None)
        told = f"a product of sides: {bool(sides and sides.is_product)}, which ranks: {bool(sides and sides.ranks)}"
        assert [*map(described, untrained.layers), told, *map(spread, untrained.weights)] == snapshot

    def test_a_prediction_is_a_float_in_the_rating_scale_for_every_pair(self, trained, tensors, encoder):
        predicted = trained(tensors.inputs)
        assert predicted.shape == (20,)
        assert predicted.dtype == tf.float32
        assert np.all((predicted >= encoder.scale[0]) & (predicted <= encoder.scale[1]))

    def test_a_batch_of_one_is_predicted_as_in_a_larger_batch(self, trained, tensors):
        together = trained(tensors.inputs).numpy()
        alone = trained({name: rows[:1] for name, rows in tensors.inputs.items()}).numpy()
        assert alone.shape == (1,)
        np.testing.assert_allclose(alone[0], together[0], rtol=1e-6)

    def test_the_recommended_are_the_highest_of_all_scores_that_are_not_seen(self, trained, encoder, ratings):
        predictor = Predictor(trained, encoder, config=self.config).with_seen(ratings)
        items, seen = encoder.items.ids, set(ratings.frame[["user", "item"]].itertuples(index=False, name=None))
        recommended = predictor.recommend([2, -1], n=3)
        for user in (2, -1):
            scores = predictor.score_rows(encoder.encode_pairs([user] * len(items), items))
            best = [items[place] for place in np.argsort(-scores, kind="stable") if (user, items[place]) not in seen]
            assert recommended.loc[recommended["user"] == user, "item"].tolist() == best[:3]

    def test_the_config_comes_back_from_json_and_yaml(self):
        assert type(self.config).model_validate_json(self.config.model_dump_json()) == self.config
        from_yaml = yaml.safe_load(yaml.safe_dump(self.config.model_dump(mode="json")))
        assert model_kind(self.config.kind).config.model_validate(from_yaml) == self.config

    def test_a_saved_run_predicts_the_same(self, trained, encoder, ratings, tmp_path: Path):
        predictor = Predictor(trained, encoder, config=self.config)
        predictor.save(tmp_path / "run")
        loaded = Predictor.load(tmp_path / "run")
        assert loaded.config == self.config
        pd.testing.assert_frame_equal(loaded.predict(ratings), predictor.predict(ratings), check_exact=True)

    def test_keras_saves_and_loads_it_in_safe_mode(self, trained, tensors, tmp_path: Path):
        trained.save(tmp_path / "model.keras")
        loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
        np.testing.assert_array_equal(loaded(tensors.inputs), trained(tensors.inputs))

    def test_its_folded_graph_predicts_the_same(self, trained, encoder):
        predictor = Predictor(trained, encoder)
        rows = encoder.encode_pairs([0, 4, 2, -1, -1], [100, 105, -1, 103, -1])
        found = tf.function(rating_graph(predictor).ratings)(rows["user"], rows["item"])
        np.testing.assert_allclose(found, predictor.predict_rows(rows), rtol=1e-5)

    def test_the_seed_alone_decides_the_initial_weights(self, untrained, encoder):
        first, again = untrained.get_weights(), build_model(self.config, encoder, seed=3).get_weights()
        assert all(np.array_equal(one, other) for one, other in zip(first, again, strict=True))


class ExportContract(ModelContract):
    """For kinds with layers that no other of these classes has."""

    @pytest.mark.slow
    @pytest.mark.parametrize("format", get_args(Format))
    def test_an_exported_model_predicts_the_same(self, trained, encoder, format, tmp_path: Path):
        predictor = Predictor(trained, encoder)
        users, items = [0, 4, 2, -1, -1], [100, 105, -1, 103, -1]
        expected = predictor.predict(users=users, items=items)["prediction"]
        found = runtimes.run(predictor.export(tmp_path / "model", format), format, users, items)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)


class NetworkContract(ModelContract):
    """For kinds that learn by gradient."""

    def test_another_seed_gives_other_weights(self, untrained, encoder):
        first, other = untrained.get_weights(), build_model(self.config, encoder, seed=4).get_weights()
        assert any(not np.array_equal(one, another) for one, another in zip(first, other, strict=True))

    def test_the_gradient_reaches_every_trainable_weight(self, encoder, tensors):
        model = build_model(self.config, encoder, seed=1)
        for layer in model.layers:
            if hasattr(layer, "before_training"):
                layer.before_training(tensors.inputs, tensors.targets)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(tf.square(model(tensors.inputs, training=True) - tensors.targets))
        for variable, gradient in zip(
            model.trainable_variables, tape.gradient(loss, [v.value for v in model.trainable_variables]), strict=True
        ):
            assert gradient is not None, variable.path
            assert np.any(tf.convert_to_tensor(gradient)), variable.path

    def test_its_sides_make_up_its_ratings(self, trained, tensors, encoder):
        sides = trained.sides
        z = sides.latent_network(tensors.inputs).numpy()
        (p, a), (q, b) = (sides.networks[side](tensors.inputs) for side in ("user", "item"))
        if sides.is_product:
            np.testing.assert_allclose(a + b + tf.reduce_sum(p * q, axis=1, keepdims=True), z, rtol=1e-4, atol=1e-5)
        if sides.ranks:
            ratings = trained(tensors.inputs).numpy()[np.argsort(z[:, 0])]
            assert np.diff(ratings).min() >= -1e-6

    @pytest.mark.slow
    def test_it_can_learn_twenty_ratings_by_heart(self, encoder, tensors):
        penalties = [name for name in type(self.config).model_fields if name.endswith("l2")]
        config = self.config.model_copy(update=dict.fromkeys(penalties, 0.0))
        settings = TrainConfig(learning_rate=0.05, epochs=100, patience=None, validation=0, batch_size=20)
        model = Trainer(settings, progress=False).fit(build_model(config, encoder, seed=1), tensors).model
        assert np.sqrt(np.mean((model(tensors.inputs) - tensors.targets) ** 2)) < 0.1

    def test_unknown_rows_are_never_trained(self, trained, encoder):
        untrained = build_model(self.config, encoder, seed=1)
        for before, after in zip(untrained.weights, trained.weights, strict=True):
            if before.path.endswith("/embeddings"):
                np.testing.assert_array_equal(after[0], np.zeros(after.shape[1]))
                assert not np.array_equal(before, after)


class LayersContract(NetworkContract, ExportContract):
    """For networks with layers, or an order of them, that no other of these classes has."""

    @pytest.mark.slow
    def test_all_engines_make_the_same_steps(self, run, encoder, tensors):
        """From equal weights, order and seed to equal weights: without XLA bit for bit."""
        runs = [self.fitted(encoder, tensors, "keras"), run, self.fitted(encoder, tensors, "compiled")]
        assert [run.engine for run in runs] == ["keras", "compiled", "compiled with XLA"]
        for by_keras, ours, xla_s in zip(*(run.model.get_weights() for run in runs), strict=True):
            np.testing.assert_array_equal(ours, by_keras)
            np.testing.assert_allclose(xla_s, by_keras, rtol=1e-4, atol=1e-5)
