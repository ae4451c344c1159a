"""The average over members, against the members one by one."""

import keras
import numpy as np
import pandas as pd
import pytest

from recsys_nn import Encoder, Predictor, SVDConfig, SVDPPConfig, TrainConfig, Trainer, build_model
from recsys_nn.models.layers.averaged import AveragedModel
from tests.models.contract import twenty_ratings

RATINGS = twenty_ratings()
ENCODER = Encoder.fit(RATINGS)
INPUTS = ENCODER.encode(RATINGS).inputs


def networks(config, *, n=3):
    """The same network after each of the ``n`` epochs of one training."""
    models = [build_model(config, ENCODER) for _ in range(n)]
    model = build_model(config, ENCODER, seed=1)
    keep = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, _: models[epoch].set_weights(model.get_weights()))
    settings = TrainConfig(epochs=n, patience=None, validation=0, learning_rate=0.1)
    Trainer(settings, callbacks=[keep], progress=False).fit(model, ENCODER.encode(RATINGS))
    return models


def average_of(models):
    return AveragedModel.of(models[0], [[v.numpy() for v in model.trainable_variables] for model in models])


@pytest.fixture(scope="module", params=["regression", "ordinal"])
def trained(request):
    models = networks(SVDPPConfig(embedding_dim=3, init_std=0.5, head=request.param))
    return models, average_of(models)


def test_a_prediction_is_the_mean_of_the_members(trained):
    models, average = trained
    each = np.array([model(INPUTS).numpy() for model in models])
    np.testing.assert_allclose(average.each(INPUTS), each, rtol=1e-6)
    np.testing.assert_allclose(average(INPUTS), each.mean(axis=0), rtol=1e-6)
    assert each.std(axis=0).min() > 0


def test_probabilities_are_the_means_of_the_members_and_expect_the_same_rating():
    models = networks(SVDConfig(embedding_dim=3, head="ordinal"))
    average = average_of(models)
    predictor = Predictor(average, ENCODER)
    found = predictor.predict_row_probabilities(INPUTS)
    each = [Predictor(model, ENCODER).predict_row_probabilities(INPUTS).to_numpy() for model in models]
    np.testing.assert_allclose(found.to_numpy(), np.mean(each, axis=0), rtol=1e-5)
    np.testing.assert_allclose(found.to_numpy() @ found.columns, predictor.predict_rows(INPUTS), rtol=1e-5)


def test_without_probabilities_there_are_none():
    average = average_of(networks(SVDConfig(embedding_dim=2), n=2))
    assert not Predictor(average, ENCODER).has_probabilities


def test_the_average_takes_what_its_network_takes_and_has_nothing_to_train(trained):
    models, average = trained
    assert list(average.input) == list(models[0].input)
    assert average.trainable_variables == []


def test_the_weights_of_the_network_itself_do_not_matter(trained):
    _, average = trained
    before = average(INPUTS).numpy()
    kept = average.member.get_weights()
    for variable in average.member.trainable_variables:
        variable.assign(variable * 0 + 7)
    np.testing.assert_array_equal(average(INPUTS), before)
    average.member.set_weights(kept)


def test_keras_saves_and_loads_it(trained, tmp_path):
    _, average = trained
    average.save(tmp_path / "average.keras")
    np.testing.assert_allclose(keras.models.load_model(tmp_path / "average.keras")(INPUTS), average(INPUTS), rtol=1e-6)


def test_a_run_folder_keeps_every_member(trained, tmp_path):
    _, average = trained
    loaded = Predictor.load(Predictor(average, ENCODER).save(tmp_path / "run"))
    assert loaded.model.n_members == 3
    np.testing.assert_array_equal(loaded.model.each(INPUTS), average.each(INPUTS))


def test_a_history_reaches_every_member(trained):
    """A new user is known to each member as to the member alone."""
    models, average = trained
    history = pd.DataFrame({"user": [7, 7], "item": [100, 102]})
    asked = pd.DataFrame({"user": [7, 7, 0], "item": [103, 105, 101]})
    alone = [Predictor(model, ENCODER).with_history(history).predict(asked)["prediction"] for model in models]
    found = Predictor(average, ENCODER).with_history(history).predict(asked)
    np.testing.assert_allclose(found["prediction"], np.mean(alone, axis=0), rtol=1e-6)
    assert found["source"].tolist() == ["model"] * 3
