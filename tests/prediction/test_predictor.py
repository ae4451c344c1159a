import keras
import numpy as np
import pandas as pd
import pytest

from recsys_nn import DataError, Encoder, Predictor, Ratings, SVDConfig, build_model
from recsys_nn.prediction import network


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    frame = pd.DataFrame({"user": list("aabbc"), "item": [1, 2, 1, 3, 2], "rating": [1, 5, 2, 4, 3]})
    return Encoder.fit(Ratings(frame, scale=(1, 5)))


@pytest.fixture(scope="module")
def predictor(encoder) -> Predictor:
    """r = 3 + 10 a_u, clipped: users a, b, c have the biases .1, .2, .3 and items none."""
    model = build_model(SVDConfig(embedding_dim=1, init_std=1e-9), encoder)
    model.get_layer("user_bias").embeddings.assign(np.array([[0], [0.1], [0.2], [0.3]]) * 10 / encoder.rating_std)
    return Predictor(model, encoder)


def test_a_table_of_pairs_becomes_a_table_of_predictions_in_its_order(predictor):
    predicted = predictor.predict([("c", 3), ("a", 1), ("new", 1), ("b", 99), ("new", 99)])
    assert list(predicted) == ["user", "item", "prediction", "source"]
    assert predicted["user"].tolist() == ["c", "a", "new", "b", "new"]
    assert predicted["item"].tolist() == [3, 1, 1, 99, 99]
    assert predicted["source"].tolist() == ["model", "model", "item", "user", "global"]
    np.testing.assert_allclose(predicted["prediction"], [5, 4, 3, 5, 3], rtol=1e-6)


@pytest.mark.parametrize(
    "pairs",
    [
        [("a", 1), ("b", 2)],
        (pair for pair in [("a", 1), ("b", 2)]),
        pd.DataFrame({"item": [1, 2], "user": ["a", "b"], "note": ["x", "y"]}, index=[7, 8]),
        Ratings(pd.DataFrame({"user": ["a", "b"], "item": [1, 2], "rating": [1, 2]})),
    ],
)
def test_pairs_may_be_tuples_a_frame_or_ratings(predictor, pairs):
    predicted = predictor.predict(pairs)
    assert predicted[["user", "item"]].to_numpy().tolist() == [["a", 1], ["b", 2]]
    np.testing.assert_allclose(predicted["prediction"], [4, 5], rtol=1e-6)


def test_users_and_items_may_be_arrays(predictor):
    predicted = predictor.predict(users=np.array(["a", "b"]), items=np.array([1, 2], dtype=np.int16))
    np.testing.assert_allclose(predicted["prediction"], [4, 5], rtol=1e-6)


def test_one_pair_works_and_none_gives_an_empty_table(predictor):
    assert len(predictor.predict([("a", 1)])) == 1
    empty = predictor.predict([])
    assert list(empty) == ["user", "item", "prediction", "source"]
    assert len(empty) == 0


def test_large_inputs_go_through_in_batches(encoder, monkeypatch):
    monkeypatch.setattr(network, "BATCH", 7)
    predictor = Predictor(build_model(SVDConfig(), encoder), encoder)
    users, items = np.array(list("abc") * 10), np.array([1, 2, 3] * 10)
    together = predictor.predict(users=users, items=items)["prediction"]
    monkeypatch.undo()
    whole = Predictor(predictor.model, encoder).predict(users=users, items=items)["prediction"]
    assert together.tolist() == whole.tolist()
    assert together.dtype == whole.dtype == "float32"


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"pairs": [("a", "1")]},
            "row 0: the item ids must be of type integer, as in training, not string as '1' is: "
            r"cast them \(1 of 1 would match then\)$",
        ),
        ({"pairs": [("a", 1), ("b",)]}, r"row 1: a pair must be \(user, item\), not \('b',\)$"),
        ({"pairs": ["ab"]}, r"row 0: a pair must be \(user, item\), not 'ab'$"),
        ({"pairs": [("a", 1), (2, 1)]}, "the user ids are of mixed types"),
        ({"pairs": pd.DataFrame({"user": ["a"]})}, "there is no column 'item' among 'user'"),
        ({"users": ["a"], "items": [1, 2]}, "users and items must have the same length, not 1 and 2$"),
        ({"users": ["a"]}, "^pass pairs, or both users and items$"),
        ({"users": "ab", "items": [1, 2]}, "^users and items must be lists or arrays of ids$"),
        ({"users": ["a"], "items": 1}, "^users and items must be lists or arrays of ids$"),
        ({"pairs": [("a", 1)], "users": ["a"]}, "^pass either pairs, or users and items, not all of them$"),
        ({"pairs": [(None, 1)]}, "row 0: the user id is missing"),
    ],
)
def test_what_is_no_pair_is_refused(predictor, asked, message):
    with pytest.raises(DataError, match=message):
        predictor.predict(**asked)


def test_any_keras_model_with_the_two_inputs_predicts_within_the_scale(encoder):
    inputs = {name: keras.Input((), dtype="int32", name=name) for name in ("user", "item")}
    total = keras.ops.expand_dims(keras.ops.cast(inputs["user"] + inputs["item"], "float32"), -1)
    predicted = Predictor(keras.Model(inputs, total), encoder).predict([("a", 1), ("c", 3)])
    assert predicted["prediction"].tolist() == [2.0, 5.0]


# Features

DESCRIBED = Ratings(
    pd.DataFrame({"user": list("aabbc"), "item": [1, 2, 1, 3, 2], "rating": [1, 5, 2, 4, 3], "hour": [1, 2, 3, 4, 5]}),
    scale=(0, 99),
    user_features=pd.DataFrame({"user": list("abcd"), "age": [10, 20, 30, 40]}),
    rating_features=["hour"],
)


@pytest.fixture(scope="module")
def by_hour() -> Predictor:
    """r = 10 + 10 w, with w the weight of the hour: (hour - 3) / √2."""
    encoder = Encoder.fit(DESCRIBED, features={"user": ["age"], "rating": ["hour"]})
    inputs = {"context_weights": keras.Input((1,), name="context_weights")}
    return Predictor(keras.Model(inputs, 10 + 10 * inputs["context_weights"]), encoder)


def test_an_id_that_is_known_by_its_features_alone_is_no_source(by_hour):
    predicted = by_hour.predict([("a", 1), ("d", 1), ("e", 1), ("d", 99)])
    assert by_hour.encoder.users.lookup(["d", "e"]).tolist() == [4, 0]
    assert predicted["source"].tolist() == ["model", "item", "item", "global"]


def test_the_context_of_pairs_is_that_of_the_frame_or_missing(by_hour):
    frame = pd.DataFrame({"user": ["a", "e"], "item": [1, 1], "hour": [4, None], "note": ["x", "y"]}, index=[7, 7])
    predicted = by_hour.predict(frame)
    assert list(predicted) == ["user", "item", "prediction", "source"]
    np.testing.assert_allclose(predicted["prediction"], [10 + 10 / np.sqrt(2), 10], rtol=1e-6)
    assert by_hour.predict([("a", 1)])["prediction"].tolist() == [10]
    np.testing.assert_allclose(by_hour.predict(DESCRIBED)["prediction"][4], 10 + 20 / np.sqrt(2), rtol=1e-6)


def test_a_value_that_is_not_of_its_kind_is_refused_with_its_place(by_hour):
    frame = pd.DataFrame({"user": ["a"], "item": [1], "hour": ["late"]})
    with pytest.raises(DataError, match="^p.csv, line 2: the feature 'hour' must be a finite number, not 'late'$"):
        by_hour.predict(frame, where=lambda row: f"p.csv, line {row + 2}")


def test_an_input_that_the_encoder_does_not_give_is_refused(by_hour, encoder):
    with pytest.raises(
        DataError,
        match="the model has an input 'context_weights', which the encoder does not know; it encodes user, item$",
    ):
        Predictor(by_hour.model, encoder).predict([("a", 1)])
