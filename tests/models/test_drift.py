"""Users whose ratings drift in time, and the models that follow them."""

import numpy as np
import pandas as pd
import pytest

from recsys_nn import (
    BiasConfig,
    DataError,
    Encoder,
    FMConfig,
    Predictor,
    Ratings,
    SVDConfig,
    SVDPPConfig,
    TrainConfig,
    Trainer,
    build_model,
    evaluate,
    random_split,
)
from tests.models.contract import LayersContract, twenty_ratings
from tests.models.layers.test_features import FEATURES, with_features

DRIFT = {"drift": {"column": "timestamp", "every": 2}}


def with_times() -> Ratings:
    times = pd.date_range("2020-01-01", periods=20, freq="11D")[::-1]
    return Ratings(twenty_ratings().frame.assign(timestamp=times), scale=(1, 5))


class TestSVDPPWithDriftAndFeatures(LayersContract):
    """The network of configs/best.yaml."""

    config = SVDPPConfig(embedding_dim=4, bias_l2=None, head="ordinal")

    @pytest.fixture(scope="class")
    @classmethod
    def ratings(cls) -> Ratings:
        return with_features()

    @pytest.fixture(scope="class")
    @classmethod
    def encoder(cls, ratings: Ratings) -> Encoder:
        sides = {side: FEATURES[side] for side in ("user", "item")}
        return Encoder.fit(ratings, features=sides | DRIFT)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.fit(with_times(), features=DRIFT)


@pytest.mark.parametrize("config", [SVDConfig(embedding_dim=3), FMConfig(embedding_dim=3)])
def test_the_drift_is_interpolated_between_the_knots_and_added_to_the_biases(config, encoder):
    model = build_model(config, encoder, seed=1)
    inputs = encoder.encode(with_times()).inputs
    still = model(inputs, training=True).numpy()
    knots = model.get_layer("user_drift").embeddings
    drift = np.linspace(-1, 1, knots.shape[0])
    knots.assign(drift[:, None])
    places = inputs["drift_rows"][:, 0] + inputs["drift_weights"][:, 1]
    added = np.interp(places, np.arange(len(drift)), drift)
    np.testing.assert_allclose(model(inputs, training=True), still + encoder.rating_std * added, rtol=1e-5)


@pytest.mark.parametrize(("l2", "expected"), [(None, 5 / 20), (0.0, 0.0), (0.25, 0.25)])
def test_the_penalty_is_that_of_all_knots_that_training_ratings_lie_between(l2, expected, encoder):
    """λ Σ D², in rating units; the whole training part in one batch has it exactly."""
    config = SVDConfig(embedding_dim=1, l2=0.0, drift_l2=l2)
    model = build_model(config, encoder)
    knots = model.get_layer("user_drift").embeddings
    drift = np.arange(knots.shape[0], dtype=float)
    knots.assign(drift[:, None])
    model(encoder.encode(with_times()).inputs, training=True)
    used = encoder.drift.counts > 0
    in_ratings = encoder.rating_std * drift[used]
    assert sum(float(loss) for loss in model.losses) == pytest.approx(expected * np.sum(in_ratings**2), rel=1e-5)


@pytest.mark.parametrize("config", [BiasConfig(), SVDConfig(features=False)])
def test_a_model_without_drift_trains_and_predicts_beside_an_encoder_with_it(config, encoder):
    tensors = encoder.encode(with_times())
    settings = TrainConfig(epochs=1, patience=None, validation=0)
    model = Trainer(settings, progress=False).fit(build_model(config, encoder), tensors).model
    assert "user_drift" not in [layer.name for layer in model.layers]
    assert np.isfinite(Predictor(model, encoder).predict([(0, 100)])["prediction"]).all()


def drifting(n_users: int = 40, n_each: int = 60, *, seed: int = 0) -> Ratings:
    """Each user's mean goes up or down by two ratings over the time, with noise of .3."""
    rng = np.random.default_rng(seed)
    user = np.repeat(np.arange(n_users), n_each)
    time = rng.uniform(0, 1, len(user))
    slope = np.where(np.arange(n_users) % 2, 2, -2)[user]
    rating = 3 + slope * (time - 0.5) + rng.normal(0, 0.3, len(user))
    item = np.concatenate([rng.permutation(200)[:n_each] for _ in range(n_users)])
    frame = pd.DataFrame({"user": user, "item": item, "rating": rating, "timestamp": np.round(1e9 + 1e8 * time)})
    return Ratings(frame, scale=(-1, 7))


@pytest.fixture(scope="module")
def followed() -> tuple[Predictor, Ratings, float]:
    """A predictor with drift, the test part, and the RMSE of the same model without."""
    split = random_split(drifting(), validation=0, test=0.2, seed=3)
    settings = TrainConfig(learning_rate=0.02, batch_size=2000, epochs=150, patience=None, validation=0)
    found = []
    for features in ({"drift": {"column": "timestamp", "every": 12}}, None):
        encoder = Encoder.fit(split.train, features=features)
        model = build_model(SVDConfig(embedding_dim=1, drift_l2=2e-4), encoder, seed=1)
        Trainer(settings, progress=False).fit(model, encoder.encode(split.train))
        found.append(Predictor(model, encoder))
    return found[0], split.test, evaluate(found[1], split.test).rmse


@pytest.mark.slow
def test_users_that_drift_are_followed_almost_down_to_the_noise(followed):
    predictor, test, still = followed
    assert still > 0.6  # √(.3² + 2² / 12) = .65 where the drift is noise
    assert evaluate(predictor, test).rmse < 0.4


def test_a_prediction_depends_on_its_time(followed):
    predictor, _, _ = followed
    asked = pd.DataFrame({"user": [1, 1, 2, 2], "item": 5, "timestamp": [1.0e9, 1.1e9, 1.0e9, 1.1e9]})
    start, end, other_start, other_end = predictor.predict(asked)["prediction"]
    assert end - start > 1
    assert other_start - other_end > 1
    still = predictor.predict([(1, 5)])["prediction"][0]  # without a time, no drift
    assert start < still < end


def test_ratings_without_times_are_not_judged(followed):
    predictor, test, _ = followed
    with pytest.raises(DataError, match="the ratings have no column 'timestamp', which the model reads: add it$"):
        evaluate(predictor, Ratings(test.frame.drop(columns="timestamp"), scale=test.scale))


def test_a_run_folder_keeps_the_drift(followed, tmp_path):
    predictor, test, _ = followed
    predictor.save(tmp_path / "run")
    loaded = Predictor.load(tmp_path / "run")
    np.testing.assert_array_equal(loaded.predict(test)["prediction"], predictor.predict(test)["prediction"])


def test_new_users_with_a_history_have_no_drift_and_known_ones_keep_theirs():
    ratings = with_times()
    encoder = Encoder.fit(ratings, features=DRIFT)
    settings = TrainConfig(learning_rate=0.05, epochs=5, patience=None, validation=0)
    model = Trainer(settings, progress=False).fit(build_model(SVDPPConfig(), encoder), encoder.encode(ratings)).model
    predictor = Predictor(model, encoder)
    grown = predictor.with_history(pd.DataFrame({"user": [77], "item": [100]}))
    np.testing.assert_allclose(
        grown.predict(ratings)["prediction"], predictor.predict(ratings)["prediction"], rtol=1e-6
    )
    asked = pd.DataFrame({"user": 77, "item": 101, "timestamp": ["2020-01-01", "2020-08-01"]})
    first, last = grown.predict(asked)["prediction"]
    assert first == last
