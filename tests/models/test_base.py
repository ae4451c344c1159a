import random
import subprocess
import sys
from typing import Literal

import keras
import numpy as np
import pytest

from recsys_nn import (
    ConfigError,
    Encoder,
    ModelConfig,
    Predictor,
    SVDConfig,
    TrainConfig,
    Trainer,
    build_model,
    load_ratings,
    models,
    register_model,
)
from recsys_nn.data import datasets
from recsys_nn.models import base, model_kind
from recsys_nn.models.factors import FactorConfig, Parts
from recsys_nn.models.layers.averaged import AveragedModel
from tests.models.contract import LayersContract, twenty_ratings


class OwnConfig(FactorConfig):
    kind: Literal["test_own"] = "test_own"
    embedding_dim: int = 4
    init_std: float = 0.2


def build_own(config: OwnConfig, encoder: Encoder) -> keras.Model:
    parts = Parts(config, encoder)
    p, q = parts.factors()
    both = keras.layers.Concatenate(name="both")([p, q])
    hidden = keras.layers.Dense(16, "tanh", name="hidden")(both)
    return parts.model(keras.layers.Dense(1, name="out")(hidden))


@pytest.fixture(autouse=True, scope="module")
def registered():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(base, "_kinds", dict(base._kinds))
        register_model(OwnConfig)(build_own)
        yield


class TestAKindOfTheUsersOwn(LayersContract):
    config = OwnConfig()


def test_an_unknown_kind_is_refused_with_the_nearest():
    with pytest.raises(ConfigError, match="there is no model kind 'svdd'; did you mean 'svd'"):
        model_kind("svdd")


def test_a_taken_name_is_refused():
    class Impostor(ModelConfig):
        kind: Literal["svd"] = "svd"

    with pytest.raises(ConfigError, match="the model kind 'svd' is taken by SVDConfig: choose another name$"):
        register_model(Impostor)


def test_what_is_no_config_or_encoder_is_refused():
    with pytest.raises(
        ConfigError, match="^build_model takes a model config and an Encoder, not Encoder and SVDConfig"
    ):
        build_model(Encoder.fit(twenty_ratings()), SVDConfig())


def test_a_config_without_a_kind_is_refused():
    class Nameless(ModelConfig):
        pass

    with pytest.raises(
        ConfigError, match=r'Nameless must name its kind, such as with kind: Literal\["mine"\] = "mine"$'
    ):
        register_model(Nameless)


def test_building_leaves_pythons_random_numbers_alone():
    encoder = Encoder.fit(twenty_ratings())
    random.seed(1)
    expected = random.random()
    random.seed(1)
    build_model(SVDConfig(), encoder)
    assert random.random() == expected


@pytest.mark.slow
def test_the_first_model_of_a_process_has_the_same_weights_as_the_second():
    """The first one also imports Keras, which must not cost random numbers."""
    script = (
        "import pandas as pd, recsys_nn as rn;"
        "frame = pd.DataFrame({'user': list('aabbcc'), 'item': list('xyxyxy'), 'rating': [1, 2, 3, 4, 5, 1]});"
        "encoder = rn.Encoder.fit(rn.Ratings(frame));"
        "first, second = (rn.build_model(rn.SVDConfig(), encoder, seed=3).get_weights() for _ in range(2));"
        "print(all((one == other).all() for one, other in zip(first, second, strict=True)))"
    )
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert printed.strip() == "True"


@pytest.fixture(
    params=["mixed_float16", *(pytest.param(name, marks=pytest.mark.slow) for name in ("mixed_bfloat16", "float64"))]
)
def policy(request):
    """A policy that a program has set for all its layers."""
    keras.config.set_dtype_policy(request.param)
    yield request.param
    keras.config.set_dtype_policy("float32")


def in_float32(function):
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    try:
        return function()
    finally:
        keras.config.set_dtype_policy(policy)


@pytest.mark.parametrize(
    "config", [SVDConfig(embedding_dim=2), pytest.param(SVDConfig(head="ordinal"), marks=pytest.mark.slow)]
)
def test_a_run_computes_in_float32_under_any_policy(policy, config, tmp_path):
    """It is built, trained, averaged, saved, loaded and folded into to the same numbers."""
    ratings = twenty_ratings()
    encoder = Encoder.fit(ratings)
    new = ratings.frame.head(6).assign(user=77).drop_duplicates(["user", "item"])

    def figures():
        settings = TrainConfig(epochs=2, validation=0.0, patience=None, learning_rate=0.05)
        run = Trainer(settings, progress=False).fit(build_model(config, encoder), encoder.encode(ratings))
        weights = [variable.numpy() for variable in run.model.trainable_variables]
        predictor = Predictor(AveragedModel.of(run.model, [weights, [2 * each for each in weights]]), encoder)
        loaded = Predictor.load(predictor.save(tmp_path / "run", overwrite=True))
        folded = Predictor(run.model, encoder).fold_in(new)
        return [each.predict(ratings)["prediction"].to_numpy() for each in (predictor, loaded, folded)]

    for found, expected in zip(figures(), in_float32(figures), strict=True):
        np.testing.assert_array_equal(found, expected)
    assert keras.config.dtype_policy().name == policy


def test_a_predictor_knows_the_config_of_a_built_model():
    encoder = Encoder.fit(twenty_ratings())
    assert Predictor(build_model(SVDConfig(l2=0.5), encoder), encoder).config == SVDConfig(l2=0.5)


def printed_by_another_process(model, folder, *expressions) -> list[str]:
    """What expressions of a model print once Keras has loaded it where the package is registered."""
    model.save(folder / "model.keras")
    script = (
        "import sys, numpy as np, keras, recsys_nn.models.registered;"
        "model = keras.models.load_model(sys.argv[1]);"
        f"print({', '.join(expressions)})"
    )
    words = [sys.executable, "-c", script, str(folder / "model.keras")]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()


PAIR = {"user": np.array([1]), "item": np.array([2])}
PREDICTED = "float(model({'user': np.array([1]), 'item': np.array([2])})[0])"
OPTIMIZED = "sum(float(np.abs(variable.numpy()).sum()) for variable in model.optimizer.variables)"


@pytest.mark.slow
def test_keras_loads_a_model_in_another_process_once_the_layers_are_registered(tmp_path):
    encoder = Encoder.fit(twenty_ratings())
    model = build_model(SVDConfig(head="ordinal"), encoder, seed=1)
    (predicted,) = printed_by_another_process(model, tmp_path, PREDICTED)
    assert float(predicted) == pytest.approx(float(model(PAIR)[0]), rel=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", ["auto", "rowwise_adagrad", "rowwise_sgd"])
def test_keras_loads_a_trained_model_in_another_process_with_its_optimizer_and_what_that_knows(tmp_path, optimizer):
    """``auto`` takes lazy Adam for tables of so many rows a batch."""
    ratings = load_ratings("synthetic", n_users=60, n_items=40, n_ratings=300)
    encoder = Encoder.fit(ratings)
    model = build_model(SVDConfig(), encoder, seed=1)
    config = TrainConfig(optimizer=optimizer, epochs=1, batch_size=4)
    Trainer(config, progress=False).fit(model, encoder.encode(ratings))
    name, state, predicted = printed_by_another_process(
        model, tmp_path, "type(model.optimizer).__name__", OPTIMIZED, PREDICTED
    )
    assert name == type(model.optimizer).__name__
    known = sum(float(np.abs(variable.numpy()).sum()) for variable in model.optimizer.variables)
    assert float(state) == pytest.approx(known, rel=1e-6)
    assert float(predicted) == pytest.approx(float(model(PAIR)[0]), rel=1e-6)


@pytest.mark.parametrize("package", [models, datasets])
def test_a_package_has_all_that_it_says(package):
    assert [name for name in package.__all__ if not hasattr(package, name)] == []
