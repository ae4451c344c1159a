import numpy as np
import pandas as pd
import pytest

from recsys_nn import (
    AutoRecConfig,
    DataError,
    Predictor,
    SVDConfig,
    SVDPPConfig,
)
from tests.models.contract import twenty_ratings
from tests.models.layers.test_features import with_features
from tests.prediction.predictors import drawn

# User 7 is new and rated items 100 and 102; item 900 is new and was rated by user 3; 901 by nobody who is known.
HISTORY = pd.DataFrame({"user": [7, 7, 3, 8, 0], "item": [100, 102, 900, 901, 101], "rating": [5, 2, 4, 1, 3]})


@pytest.fixture(scope="module")
def svdpp() -> Predictor:
    return drawn(SVDPPConfig(embedding_dim=3, init_std=0.5))


def test_a_new_user_has_the_vectors_of_the_items_they_rated(svdpp):
    """r = μ + s (b_i + (y_100 + y_102)/√2 · q_i), q_i with the set of item i's raters."""
    model, encoder = svdpp.model, svdpp.encoder
    asked = [100, 103, 105]
    rows = encoder.items.lookup(asked)
    y = model.get_layer("user_set").vectors.numpy()[encoder.items.lookup([100, 102])].sum(axis=0) / np.sqrt(2)
    q = model.get_layer("item_factors").embeddings.numpy()[rows] + model.get_layer("item_set")(rows).numpy()
    z = model.get_layer("item_bias").embeddings.numpy()[rows, 0] + q @ y
    expected = np.clip(encoder.rating_mean + encoder.rating_std * z, 1, 5)
    found = svdpp.with_history(HISTORY).predict(users=[7] * 3, items=asked)
    np.testing.assert_allclose(found["prediction"], expected, rtol=1e-5)
    assert found["source"].tolist() == ["model"] * 3


def test_intervals_stay_calibrated(svdpp):
    calibrated = svdpp.calibrated(twenty_ratings())
    extended = calibrated.with_history(HISTORY)
    assert extended.calibration == calibrated.calibration
    known, new = (extended.predict([(user, 103)], interval=0.5) for user in (3, 7))
    assert 0 < known["upper"][0] - known["lower"][0] < 4
    assert 0 < new["upper"][0] - new["lower"][0] < 4


def test_an_id_that_is_known_by_its_features_alone_has_a_history_too():
    """z = v + (v' + y_100 ) · q_i: the user's features and history."""
    predictor = drawn(SVDPPConfig(embedding_dim=3, init_std=0.5), with_features(), {"user": ["age"]})
    encoder, model = predictor.encoder, predictor.model
    row = encoder.items.lookup([103])
    v = model.get_layer("user_features")(encoder.users.lookup([5])).numpy()[0]
    y = model.get_layer("user_set").vectors.numpy()[encoder.items.lookup([100])[0]]
    q = model.get_layer("item_factors").embeddings.numpy()[row[0]] + model.get_layer("item_set")(row).numpy()[0]
    z = v[0] + model.get_layer("item_bias").embeddings.numpy()[row[0], 0] + (v[1:] + y) @ q
    found = predictor.with_history(pd.DataFrame({"user": [5], "item": [100]})).predict([(5, 103)])
    expected = np.clip(encoder.rating_mean + encoder.rating_std * z, 1, 5)
    assert found["prediction"][0] == pytest.approx(expected, rel=1e-5)
    assert found["source"][0] == "model"


@pytest.mark.parametrize(
    ("history", "message"),
    [
        ({"user": [7], "item": [100], "rating": [500]}, "the rating 500 is outside the scale 1 to 5"),
        ({"user": [7], "item": [100], "rating": ["good"]}, r"row 0: the rating must be a number, not 'good' \(str\)$"),
        ({"user": [7, 7], "item": [100, 100]}, "user 7 already rated item 100"),
        (
            {"user": ["7"], "item": [100]},
            "row 0: the user ids must be of type integer, as in training, not string as '7' is: "
            r"cast them \(0 of 1 would match then\)$",
        ),
    ],
)
def test_a_history_is_checked_as_ratings_are(svdpp, history, message):
    with pytest.raises(DataError, match=message):
        svdpp.with_history(pd.DataFrame(history))


def test_a_history_is_a_table(svdpp):
    with pytest.raises(DataError, match="ratings must be a DataFrame or Ratings, not list$"):
        svdpp.with_history([(7, 100)])


@pytest.mark.parametrize("config", [SVDPPConfig(embedding_dim=3, init_std=0.5), AutoRecConfig(embedding_dim=4)])
def test_known_ids_are_predicted_as_before_and_the_old_predictor_is_unchanged(config):
    predictor = drawn(config)
    known = twenty_ratings()
    before = predictor.predict(known)
    pd.testing.assert_frame_equal(predictor.with_history(HISTORY).predict(known), before)
    pd.testing.assert_frame_equal(predictor.predict(known), before)
    assert predictor.predict([(7, 100)])["source"].tolist() == ["item"]


def test_a_new_item_is_known_by_its_raters_and_one_without_known_raters_is_not(svdpp):
    found = svdpp.with_history(HISTORY).predict([(0, 900), (0, 901), (8, 100)])
    assert found["source"].tolist() == ["model", "user", "item"]
    assert found["prediction"][0] != svdpp.predict([(0, 900)])["prediction"][0]


def test_the_predictor_with_histories_is_saved_and_loaded(svdpp, tmp_path):
    extended = svdpp.with_history(HISTORY)
    extended.save(tmp_path / "run")
    pairs = [(7, 103), (0, 900), (0, 100)]
    pd.testing.assert_frame_equal(Predictor.load(tmp_path / "run").predict(pairs), extended.predict(pairs))


def test_the_ratings_of_a_history_count_in_an_autoencoder():
    predictor = drawn(AutoRecConfig(side="user", embedding_dim=4))
    liked, disliked = (
        predictor.with_history(pd.DataFrame({"user": [7], "item": [100], "rating": [rating]})).predict([(7, 103)])
        for rating in (5, 1)
    )
    assert liked["prediction"][0] != disliked["prediction"][0]
    with pytest.raises(
        DataError, match="^this model needs the ratings of a history: pass the columns user, item and rating$"
    ):
        predictor.with_history(HISTORY[["user", "item"]])


def test_a_model_without_sets_is_refused():
    with pytest.raises(DataError, match="^this model takes no histories: use one of the kinds svdpp and autorec$"):
        drawn(SVDConfig()).with_history(HISTORY)


def test_a_history_without_items_is_refused(svdpp):
    with pytest.raises(DataError, match="there is no column 'item' among 'user'"):
        svdpp.with_history(HISTORY[["user"]])
