import numpy as np
import pandas as pd
import pytest

from recsys_nn import (
    BiasConfig,
    Encoder,
    GlobalMeanConfig,
    ItemMeanConfig,
    Ratings,
    Tensors,
    Trainer,
    UserMeanConfig,
    build_model,
)
from tests.models.contract import ExportContract, ModelContract


class TestBias(ExportContract):
    config = BiasConfig(user_shrinkage=2.0)


class TestGlobalMean(ModelContract):
    config = GlobalMeanConfig()


# u rates x 5 and y 3, v rates x 4: the mean is 4.
RATINGS = Ratings(pd.DataFrame({"user": list("uuv"), "item": list("xyx"), "rating": [5, 3, 4]}), scale=(1, 5))


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (GlobalMeanConfig(), [4, 4, 4]),
        (UserMeanConfig(user_shrinkage=0), [4, 4, 4]),
        (ItemMeanConfig(item_shrinkage=0), [4.5, 3, 4.5]),
        (ItemMeanConfig(item_shrinkage=1), [4 + 1 / 3, 3.5, 4 + 1 / 3]),
        # x: (5-4 + 4-4)/2 = .5, y: -1; then u: (.5 + 0)/2 = .25, v: -.5; x: (.75 + .5)/2 = .625, ... until they rest
        (BiasConfig(user_shrinkage=0, item_shrinkage=0), [5, 3, 4]),
    ],
)
def test_training_solves_it_in_closed_form(config, expected):
    encoder = Encoder.fit(RATINGS)
    run = Trainer(progress=False).fit(build_model(config, encoder), encoder.encode(RATINGS), encoder.encode(RATINGS))
    predicted = run.model(encoder.encode(RATINGS).inputs)
    np.testing.assert_allclose(predicted, expected, atol=2e-3)
    assert (run.stop_reason, run.best_epoch, len(run.history)) == ("closed form", 1, 1)


def test_it_is_fitted_on_the_tensors_it_is_trained_on_not_on_the_encoder():
    encoder = Encoder.fit(RATINGS)
    part = Tensors({"user": [1, 1], "item": [1, 2]}, [2.0, 1.0])
    run = Trainer(progress=False).fit(build_model(GlobalMeanConfig(), encoder), part, encoder.encode(RATINGS))
    np.testing.assert_allclose(run.model(part.inputs), [1.5, 1.5])


@pytest.mark.parametrize("config", [GlobalMeanConfig(), UserMeanConfig(), ItemMeanConfig(), BiasConfig()])
def test_as_a_plain_keras_model_it_predicts_the_baseline_of_its_encoder(config):
    """Without a Trainer, and after Keras's own fit, which has nothing to do."""
    encoder = Encoder.fit(RATINGS)
    tensors = encoder.encode(RATINGS)
    model = build_model(config, encoder)
    expected = encoder.baselines[config.baseline].predict(tensors.inputs["user"], tensors.inputs["item"])
    np.testing.assert_allclose(model.predict(tensors.inputs, verbose=0), expected, rtol=1e-6)
    model.compile("sgd", "mse")
    model.fit(tensors.inputs, tensors.targets, verbose=0)
    np.testing.assert_allclose(model.predict(tensors.inputs, verbose=0), expected, rtol=1e-6)
