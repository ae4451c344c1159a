import math
from collections.abc import Callable, Mapping

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from recsys_nn import BiasConfig, DataError, Encoder, Predictor, Ratings, SVDConfig, build_model, load_ratings
from recsys_nn.models.layers.averaged import AveragedModel
from recsys_nn.prediction.intervals import Calibration, Scores
from tests.models.contract import twenty_ratings

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=50)
USERS, ITEMS = range(1, 21), range(1, 11)
SIDES = ("user", "item")


def held_out(rating: Callable[[pd.DataFrame], np.ndarray], n: int | None = None) -> Ratings:
    """Ratings of pairs of the 20 users and 10 items, user by user for each item."""
    pairs = pd.DataFrame([(user, item) for item in ITEMS for user in USERS], columns=["user", "item"]).head(n)
    return Ratings(pairs.assign(rating=rating(pairs)), scale=(-100, 100))


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    """Every user has rated every item."""
    return Encoder.fit(held_out(lambda pairs: (pairs["user"] + pairs["item"]) % 7))


def predictor_of(rating: Callable[[Mapping[str, keras.KerasTensor]], keras.KerasTensor], encoder: Encoder) -> Predictor:
    """The row of a user or item is its id here, and 0 where it is unknown."""
    inputs = {name: keras.Input((), dtype="int32", name=name) for name in SIDES}
    floats = {name: keras.ops.cast(rows, "float32") for name, rows in inputs.items()}
    return Predictor(keras.Model(inputs, rating(floats)), encoder)


@pytest.fixture(scope="module")
def always_3(encoder) -> Predictor:
    return predictor_of(lambda rows: 3 + 0 * rows["user"], encoder)


def noisy(pairs: pd.DataFrame) -> np.ndarray:
    return 3 + np.random.default_rng(0).normal(size=len(pairs))


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])
@pytest.mark.parametrize("n", [19, 50, 200])
def test_an_interval_reaches_to_the_error_of_the_finite_sample_rule(always_3, n, level):
    """σ is the same for all here, so that q σ is the ⌈(n + 1) level⌉-th smallest error."""
    validation = held_out(noisy, n)
    errors = np.abs(validation.frame["rating"] - 3)
    expected = np.quantile(errors, math.ceil((n + 1) * level) / n, method="inverted_cdf")
    found = always_3.calibrated(validation).predict([(1, 1), (20, 10)], interval=level)
    np.testing.assert_allclose(found["lower"], 3 - expected, rtol=1e-6)
    np.testing.assert_allclose(found["upper"], 3 + expected, rtol=1e-6)


def test_too_few_ratings_give_the_whole_scale(always_3):
    """⌈(n + 1) 0.9⌉ is at most n from n = 9 on."""
    eight, nine = (always_3.calibrated(held_out(noisy, n)).predict([(1, 1)], interval=0.9) for n in (8, 9))
    assert eight[["lower", "upper"]].to_numpy().tolist() == [[-100, 100]]
    assert -100 < nine["lower"][0] < nine["upper"][0] < 100


def test_the_ends_are_cut_off_at_the_scale_which_they_may_reach(encoder):
    predictor = predictor_of(lambda rows: 10 * rows["user"] - 100, encoder)
    beside = held_out(lambda pairs: np.clip(10 * pairs["user"] - 100 + 25, -100, 100))
    found = predictor.calibrated(beside).predict([(1, 1), (20, 1)], interval=0.5)
    assert found["lower"][0] == -100
    assert found["upper"][1] == 100


def test_of_an_unknown_id_the_error_is_that_without_its_knowledge(encoder):
    """r_ui = u / 10 exactly; without the user the model says 0, and the errors are .1, .2, ..., 2."""
    predictor = predictor_of(lambda rows: 0.1 * rows["user"], encoder)
    validation = held_out(lambda pairs: 0.1 * pairs["user"], n=20)
    found = predictor.calibrated(validation).predict([(7, 1), (7, 99), (99, 1), (99, 99)], interval=0.9)
    assert found["source"].tolist() == ["model", "user", "item", "global"]
    np.testing.assert_allclose(found["upper"] - found["prediction"], [0, 0, 1.9, 1.9], atol=1e-6)  # ⌈21 · 0.9⌉ = 19


def test_an_id_that_is_unknown_anyway_is_in_the_group_of_its_own(encoder):
    """The 20 users of item 1, each rated 10 times in training, and 10 times user 99, who never was."""
    predictor = predictor_of(lambda rows: 0 * rows["user"], encoder)
    known = held_out(noisy, 20).frame
    stranger = pd.DataFrame({"user": 99, "item": ITEMS, "rating": 50})
    both = Ratings(pd.concat([known, stranger], ignore_index=True), scale=(-100, 100))
    scores = predictor.calibrated(both).calibration.scores
    assert [scores[name].n for name in ("model", "user")] == pytest.approx([20, 20])
    assert scores["item"].n == pytest.approx((20 / 10 + 10) ** 2 / (20 / 10**2 + 10))
    assert scores["item"].quantile(0.9) > 10 * scores["model"].quantile(0.9)


def test_every_unknown_id_counts_alike():
    """User 1 was rated once, user 2 four times: an error of 2 counts a quarter of one of 1."""
    train = pd.DataFrame({"user": [1, 2, 2, 2, 2], "item": [1, 1, 2, 3, 4], "rating": [1, 5, 4, 3, 2]})
    predictor = predictor_of(lambda rows: 3 + 0 * rows["user"], Encoder.fit(Ratings(train, scale=(1, 5))))
    validation = pd.DataFrame({"user": [1, 2], "item": [2, 2], "rating": [5, 2]})
    scores = predictor.calibrated(Ratings(validation, scale=(1, 5))).calibration.scores
    assert scores["item"].n == pytest.approx((1 + 1 / 4) ** 2 / (1 + 1 / 16))


def test_the_features_of_a_rating_stay_known_where_its_ids_do_not():
    """r is the hour, exactly: no group has an error."""
    frame = pd.DataFrame([(u, i, u + i) for u in USERS for i in ITEMS], columns=["user", "item", "hour"])
    table = Ratings(frame.assign(rating=frame["hour"]), scale=(-100, 100), rating_features=["hour"])
    encoder = Encoder.fit(table, features={"rating": ["hour"]})
    inputs = {"context_weights": keras.Input((1,), name="context_weights")}
    mean, std = float(frame["hour"].mean()), float(frame["hour"].std(ddof=0))
    predictor = Predictor(keras.Model(inputs, mean + std * inputs["context_weights"]), encoder).calibrated(table)
    found = predictor.predict(pd.DataFrame({"user": [1, 99], "item": [1, 99], "hour": [2, 5]}), interval=0.9)
    np.testing.assert_allclose(found[["lower", "upper"]], [[2, 2], [5, 5]], atol=1e-4)


def test_what_is_rarely_rated_has_wider_intervals():
    """User 0 has 5 ratings in training, user 1 has 80; their errors are 2 and 1."""
    frame = pd.DataFrame([(int(k >= 5), k, k % 2) for k in range(85)], columns=["user", "item", "rating"])
    predictor = predictor_of(lambda rows: 0 * rows["user"], Encoder.fit(Ratings(frame, scale=(-9, 9))))
    validation = pd.DataFrame([(u, k, 2 - u) for u in (0, 1) for k in range(100, 140)], columns=list(frame))
    found = predictor.calibrated(Ratings(validation, scale=(-9, 9))).predict([(0, 100), (1, 100)], interval=0.5)
    assert found["upper"][0] > 1.3 * found["upper"][1]


# The model's own standard deviation


def test_of_probabilities_it_is_that_of_the_rating():
    encoder = Encoder.fit(twenty_ratings())
    predictor = Predictor(build_model(SVDConfig(head="ordinal", init_std=0.5), encoder, seed=1), encoder)
    p = predictor.predict_probabilities(twenty_ratings()).drop(columns=["user", "item"])
    mean = p.to_numpy() @ p.columns.to_numpy(float)
    expected = np.sqrt(p.to_numpy() @ p.columns.to_numpy(float) ** 2 - mean**2)
    found = predictor.predict_row_std(encoder.encode(twenty_ratings()).inputs)
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_of_an_averaged_model_it_is_that_among_the_members():
    encoder = Encoder.fit(twenty_ratings())
    members = [build_model(SVDConfig(init_std=0.5), encoder, seed=seed) for seed in (1, 2, 3)]
    weights = [[variable.numpy() for variable in member.trainable_variables] for member in members]
    average = AveragedModel.of(build_model(SVDConfig(), encoder), weights)
    inputs = encoder.encode(twenty_ratings()).inputs
    expected = np.std([member.predict(inputs, verbose=0).ravel() for member in members], axis=0)
    np.testing.assert_allclose(Predictor(average, encoder).predict_row_std(inputs), expected, rtol=1e-4)


def test_where_a_model_is_unsure_its_intervals_are_wider(encoder):
    """Its std is u and so are the errors (and it knows how unsure it is without the user): all scores are equal."""
    of_unknown = np.sqrt(np.mean(np.square(USERS)))

    def each(rows):
        std = tf.where(rows["user"] > 0, tf.cast(rows["user"], "float32"), of_unknown)
        return tf.stack([-std, std])

    predictor = predictor_of(lambda rows: 0 * rows["user"], encoder)
    predictor.model.each = each
    calibrated = predictor.calibrated(held_out(lambda pairs: pairs["user"] * (-1) ** pairs["item"]))
    assert calibrated.calibration.variance == pytest.approx((1, 0, 0, 0), abs=1e-4)
    found = calibrated.predict([(5, 1), (10, 1), (20, 1)], interval=0.8)
    np.testing.assert_allclose(found["upper"], [5, 10, 20], rtol=1e-4)


# Coverage


@REPEATABLE
@given(st.lists(st.floats(0, 100), min_size=2, max_size=60), st.floats(0.05, 0.95))
def test_exchangeable_scores_are_covered_as_often_as_asked(values, level):
    """Each score in turn is the new one: at least the share ``level`` of them is within the quantile of the others."""
    scores = np.array(values)
    quantiles = [Scores.of(np.delete(scores, k), np.ones(len(scores) - 1)).quantile(level) for k in range(len(scores))]
    assert np.mean(scores <= quantiles) >= level - 1e-9


def test_known_and_cold_ids_are_covered_on_a_table_with_many_of_both():
    ratings = load_ratings("synthetic", n_users=600, n_items=300, n_ratings=30_000, seed=3)
    frame, rng = ratings.frame, np.random.default_rng(3)
    names = frame["user"].unique()
    cold = frame["user"].isin(names[:150]).to_numpy()
    few = frame["user"].isin(names[:100]).to_numpy() & (frame.groupby("user").cumcount() < 3).to_numpy()
    part = np.where(cold & ~few, 2, rng.choice(3, size=len(frame), p=[0.8, 0.1, 0.1]))
    train, validation, test = (ratings.take(part == k) for k in range(3))
    encoder = Encoder.fit(train)
    model = build_model(BiasConfig(), encoder)
    tensors = encoder.encode(train)
    for layer in model.layers:
        if hasattr(layer, "before_training"):
            layer.before_training(tensors.inputs, tensors.targets)
    found = Predictor(model, encoder).calibrated(validation).predict(test, interval=0.9)
    rating = test.frame["rating"]
    covered = (found["lower"] <= rating) & (rating <= found["upper"])
    times = encoder.user_counts[encoder.users.lookup(test.frame["user"])]
    for segment in (times == 0, (times > 0) & (times < 5), times >= 5):
        assert segment.sum() > 1000
        assert covered[segment].mean() == pytest.approx(0.9, abs=0.025)


# The quantiles that are kept


def test_weighted_quantiles_by_hand():
    """The shares up to the scores 1, 2, 3, 4 are 1/6, 2/6, 3/6, 1; n = 6² / (1 + 1 + 1 + 9) = 3."""
    scores = Scores.of(np.array([4.0, 1, 3, 2]), np.array([3.0, 1, 1, 1]))
    assert scores == Scores(n=3, quantiles=(2, 3, 4, 4))
    assert scores.quantile(0.3) == 3  # at the share 0.3 (1 + 1/3) = 0.4
    assert scores.quantile(0.75) == 4
    assert scores.quantile(0.8) == math.inf
    assert scores.quantile(1e-12) == 2  # no level is below the smallest score


def test_many_scores_are_kept_as_a_thousand_quantiles():
    values = np.random.default_rng(0).permutation(np.arange(1.0, 100_001))
    scores = Scores.of(values, np.ones(len(values)))
    assert (scores.n, len(scores.quantiles)) == (100_000, 1000)
    assert scores.quantile(0.9) == 90_100  # the next quantile above the 90,001st


def test_no_scores_bound_nothing():
    assert Scores.of(np.array([]), np.array([])).quantile(0.1) == math.inf


def test_it_is_plain_json_and_does_not_change(always_3):
    calibration = always_3.calibrated(held_out(noisy)).calibration
    assert Calibration.model_validate_json(calibration.model_dump_json()) == calibration
    with pytest.raises(ValidationError, match="frozen"):
        calibration.variance = (0, 0, 0, 0)


def test_it_has_scores_of_every_group():
    with pytest.raises(
        ValidationError,
        match="1 validation error for Calibration\nscores\n  Value error, the groups must be global, "
        r"item, user, model, not model \[type=value_error, input_value=\{'model': "
        "Scores\\(n=1.0, quantiles=\\(1.0,\\)\\)\\}, input_type=dict\\]\n    For further "
        "information visit https://errors.pydantic.dev/2.14/v/value_error$",
    ):
        Calibration(variance=(0, 1, 0, 0), scores={"model": Scores(n=1, quantiles=(1.0,))})


# What is refused


NO_INTERVALS = (
    "^this predictor has no intervals, as there was no validation part to calibrate them on: "
    r"calibrate it with predictor\.calibrated\(ratings\), on ratings that the model was not trained on$"
)


def test_without_a_calibration_there_are_no_intervals(always_3):
    with pytest.raises(DataError, match=NO_INTERVALS):
        always_3.predict([(1, 1)], interval=0.9)


@pytest.mark.parametrize("interval", [0, 1, 90, float("nan")])
def test_an_interval_is_a_share(always_3, interval):
    calibrated = always_3.calibrated(held_out(noisy))
    with pytest.raises(DataError, match=f"interval must be a share between 0 and 1, such as 0.9, not {interval:g}$"):
        calibrated.predict([(1, 1)], interval=interval)


def test_nothing_is_calibrated_on_nothing(always_3):
    with pytest.raises(DataError, match="there are no ratings to calibrate intervals on"):
        always_3.calibrated(held_out(noisy).take([]))


def test_a_frame_is_no_table_of_ratings_to_calibrate_on(always_3):
    with pytest.raises(DataError, match=r"ratings must be Ratings \(rn.load_ratings makes them\), not DataFrame$"):
        always_3.calibrated(held_out(noisy).frame)
