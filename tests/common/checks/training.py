"""What trainings promise; each of these checks makes some of its own."""

import random
from concurrent.futures import ThreadPoolExecutor
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest
import tensorflow as tf

import recsys_nn as rn
from tests.common.subject import NEW, PAIRS, TRAINING, Subject, assert_equal, numbers, unless_refused, weights

WORDS = ["-7", "007", "7", "ünï", "用户"]
"""Texts in the order of their code points, as rows of ids are."""
NUMBERS = [-(2**63), -1, 0, 2**53 + 1, 2**62, 2**63 - 1]


def rescaled(ratings: rn.Ratings, factor: float, offset: float) -> rn.Ratings:
    """The same ratings in other units."""
    frame, (lowest, highest) = ratings.frame, ratings.scale
    scale = (lowest * factor + offset, highest * factor + offset)
    return rn.Ratings(frame.assign(rating=np.clip(frame["rating"] * factor + offset, *scale)), scale=scale)


def assert_predicted_alike(subject: Subject, *, factor: float, offset: float) -> None:
    """In other units the predictions are the same in those units, up to rounding."""
    found = numbers(subject.trained(rescaled(subject.ratings, factor, offset)), PAIRS)
    np.testing.assert_allclose((found - offset) / factor, subject.predicted, atol=0.01)


@pytest.mark.slow
def check_names_and_circumstances_change_no_weight(subject: Subject) -> None:
    """Other ids in the same order, times, another thread, an earlier training, global generators: equal weights."""
    larger = rn.load_ratings("synthetic", n_users=20, n_items=15, n_ratings=90)
    subject.trained(larger, batch_size=45, optimizer=rn.TrainConfig(optimizer="sgd").optimizer)
    frame = subject.ratings.frame
    named = {"user": frame["user"].map(dict(enumerate(WORDS))), "item": frame["item"].map(lambda i: NUMBERS[i - 100])}
    again = Subject(subject.config, rn.Ratings(frame.assign(**named, timestamp=range(20)), scale=(1, 5)))
    random.seed(9)
    np.random.seed(9)  # noqa: NPY002
    states = random.getstate(), np.random.get_state()[1].tolist()  # noqa: NPY002
    tf.random.set_seed(9)
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: again.run).result()
    assert (random.getstate(), np.random.get_state()[1].tolist()) == states  # noqa: NPY002
    assert_equal(again.run.model.get_weights(), subject.run.model.get_weights())
    asked = PAIRS.assign(user=[WORDS[u] for u in PAIRS["user"]], item=[NUMBERS[i - 100] for i in PAIRS["item"]])
    for each in (again.predictor, again.loaded):
        np.testing.assert_array_equal(numbers(each, asked), subject.predicted)
        assert each.predict([("07", 7)])["source"].tolist() == ["global"]


@pytest.mark.slow
def check_a_run_goes_all_the_way(subject: Subject) -> None:
    """Split, trained with patience, calibrated, judged and saved: what is loaded predicts what the run's does."""
    with TemporaryDirectory() as folder:
        config = {
            "output": f"{folder}/run",
            "model": subject.config.model_dump(mode="json"),
            "data": {"split": {"validation": 0.2, "test": 0.2}},
            "training": {"epochs": 2, "patience": 1, "batch_size": 16},
        }
        result = rn.run_experiment(config, subject.ratings, progress=False)
        loaded = rn.Predictor.load(result.path)
    assert result.evaluation.n == 4
    assert np.isfinite([result.metrics["rmse"], result.metrics["validation_rmse"]]).all()
    assert 1 <= result.run.best_epoch <= 2
    found, expected = (each.predict(PAIRS, interval=0.8) for each in (loaded, result.predictor))
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


@pytest.mark.slow
def check_two_ratings_suffice(subject: Subject) -> None:
    """Two users, two items and a rating of each are enough to train on and to predict within the scale."""
    frame = pd.DataFrame({"user": [0, 1], "item": [100, 101], "rating": [2.0, 4.0]})
    predictor = subject.trained(rn.Ratings(frame))
    asked = pd.concat([frame[["user", "item"]], NEW])
    assert ((numbers(predictor, asked) >= 2) & (numbers(predictor, asked) <= 4)).all()


@pytest.mark.slow
def check_another_seed_changes_what_is_drawn(subject: Subject) -> None:
    """Another seed gives other predictions to kinds that are trained by steps, and the same to closed forms."""
    found = numbers(subject.trained(subject.ratings, seed=2), PAIRS)
    assert np.array_equal(found, subject.predicted) == (subject.run.stop_reason == "closed form")


@pytest.mark.slow
def check_a_batch_may_be_larger_than_the_table(subject: Subject) -> None:
    """A batch of more rows than there are is the batch of all."""
    one, other = (subject.trained(subject.ratings, batch_size=size, shuffle=False) for size in (20, 10**6))
    assert_equal(weights(one), weights(other))


@pytest.mark.slow
def check_one_epoch_is_the_first_of_two(subject: Subject) -> None:
    """The loss of a training of one epoch is that of the first epoch of a longer one."""
    model = rn.build_model(subject.config, subject.encoder, seed=1)
    run = subject.fit(model, subject.tensors, TRAINING.model_copy(update={"epochs": 2}))
    assert len(run.history) == (1 if run.stop_reason == "closed form" else 2)
    assert subject.run.history["loss"][0] == pytest.approx(run.history["loss"][0], rel=1e-6)


@pytest.mark.slow
def check_all_but_one_may_be_liked(subject: Subject) -> None:
    """Where nineteen of twenty ratings are 1 and one is 0, predictions stay between and high."""
    ratings = rn.Ratings(subject.ratings.frame.assign(rating=[1.0] + [5.0] * 19), scale=(1, 5)).liked(3)
    found = numbers(subject.trained(ratings), PAIRS)
    assert ((found >= 0) & (found <= 1)).all()
    assert found.mean() > 0.75


@pytest.mark.slow
def check_negative_fractions_are_predicted_alike(subject: Subject) -> None:
    """On a scale from -2.3 to -0.82 ratings are predicted as on that from 1 to 5."""
    assert_predicted_alike(subject, factor=0.37, offset=-2.67)


@pytest.mark.slow
def check_tiny_ratings_are_predicted_alike(subject: Subject) -> None:
    """On a scale from 0 to 0.001 ratings are predicted as on that from 1 to 5."""
    assert_predicted_alike(subject, factor=0.00025, offset=-0.00025)


@pytest.mark.slow
def check_huge_ratings_are_predicted_alike(subject: Subject) -> None:
    """On a scale up to a million ratings are predicted as on that from 1 to 5."""
    assert_predicted_alike(subject, factor=249999.75, offset=-249998.75)


@pytest.mark.slow
def check_features_are_taken_and_may_be_missing(subject: Subject) -> None:
    """With features of users, items and ratings and the drift of users, pairs are predicted with and without them."""
    ratings = rn.Ratings(
        subject.ratings.frame.assign(timestamp=pd.date_range("2020-01-01", periods=20, freq="11D")),
        scale=(1, 5),
        user_features=pd.DataFrame({"user": range(6), "age": [20, 30, 25, 60, 41, 33]}),
        item_features=pd.DataFrame({"item": range(100, 107), "genre": list("xyxzyxz")}),
    )
    features = {"user": ["age"], "item": ["genre"], "rating": ["timestamp"], "drift": "timestamp"}
    encoder = rn.Encoder.fit(ratings, features=features)
    model = rn.build_model(subject.config, encoder, seed=1)
    subject.fit(model, encoder.encode(ratings))
    predictor = rn.Predictor(model, encoder)
    for asked in (ratings, PAIRS, [(5, 106), (9, 109)]):
        assert predictor.predict(asked)["prediction"].between(1, 5).all()


@pytest.mark.slow
def check_a_stream_is_taken_or_refused(subject: Subject) -> None:
    """Ratings on disk train the kind, or are refused before the first step by the layer that needs them in memory."""
    with TemporaryDirectory() as folder:
        subject.ratings.frame.to_parquet(f"{folder}/ratings.parquet")
        stream = rn.stream_ratings(f"{folder}/ratings.parquet", scale=(1, 5))
        encoder = rn.Encoder.fit(stream)
        model = rn.build_model(subject.config, encoder, seed=1)
        tensors = encoder.encode_stream(stream)
        run = unless_refused(lambda: subject.fit(model, tensors), rn.DataError, "needs Tensors in memory")
        assert subject.config.needs_table == (run is None)
        if run is not None:
            np.testing.assert_array_equal(numbers(rn.Predictor(model, encoder), PAIRS), subject.predicted)


@pytest.mark.slow
def check_steps_that_are_too_long_leave_no_nan(subject: Subject) -> None:
    """A rate of 10^30 is a TrainingError, or all weights are finite."""
    predictor = unless_refused(
        lambda: subject.trained(subject.ratings, learning_rate=1e30), rn.TrainingError, "at learning rate 1e+30"
    )
    if predictor is not None:
        assert all(np.isfinite(values).all() for values in weights(predictor))


@pytest.mark.slow
def check_the_regressor_takes_it(subject: Subject) -> None:
    """The scikit-learn estimator of the kind predicts what its predictor does."""
    frame = subject.ratings.frame
    settings = rn.TrainConfig(epochs=1, batch_size=16)
    model = rn.RatingRegressor(subject.config, settings, random_state=0)
    model.fit(frame[["user", "item"]], frame["rating"])
    found = model.predict(PAIRS)
    np.testing.assert_array_equal(found, numbers(model.predictor_, PAIRS))
    assert np.isfinite(found).all()
