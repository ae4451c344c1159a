"""POST /predict: the predictor's numbers, and clear refusals."""

from __future__ import annotations

import numpy as np
import pytest
from fastapi.testclient import TestClient

from recsys_nn.serving.app import INLINE, create_app
from tests.serving.conftest import HOST


@pytest.fixture(scope="module")
def ids(predictor):
    """A known user and a known item."""
    return predictor.encoder.users.ids.iloc[3], predictor.encoder.items.ids.iloc[5]


def test_answers_are_the_predictors(client, predictor, ids):
    user, item = ids
    users, items = [user, user, "nobody", "nobody"], [item, "nothing", item, "nothing"]
    answer = client.post("/predict", json={"users": users, "items": items, "interval": 0.8}).json()
    expected = predictor.predict(users=users, items=items, interval=0.8)
    np.testing.assert_array_equal(np.float32(answer["predictions"]), expected["prediction"])
    assert answer["sources"] == ["model", "user", "item", "global"]
    np.testing.assert_array_equal(answer["lower"], expected["lower"])
    np.testing.assert_array_equal(answer["upper"], expected["upper"])
    assert answer["revision"] == client.get("/health").json()["revision"]


def test_a_list_of_pairs_says_the_same_as_two_columns(client, ids):
    columns = client.post("/predict", json={"users": [ids[0], "nobody"], "items": [ids[1], ids[1]]})
    assert client.post("/predict", json={"pairs": [ids, ("nobody", ids[1])]}).json() == columns.json()


def test_no_pairs_have_no_predictions(client):
    assert client.post("/predict", json={"users": [], "items": []}).json()["predictions"] == []


def test_many_pairs_which_go_to_a_thread_have_the_same_answers(client, ids):
    (one,) = client.post("/predict", json={"pairs": [ids]}).json()["predictions"]
    question = {"users": [ids[0]] * 700, "items": [ids[1]] * 700}
    answer = client.post("/predict", json=question)
    assert len(answer.request.content) > INLINE
    np.testing.assert_allclose(answer.json()["predictions"], np.full(700, one), rtol=1e-6)


LISTS = "Input should be a list of integers or a list of strings"


@pytest.mark.parametrize(
    ("body", "place", "message"),
    [
        (b"{", ["body"], "Invalid JSON: EOF"),
        (b"[]", ["body"], "Input should be an object"),
        (b"\xff\xfe", ["body"], "Invalid JSON: expected value"),
        (b"[" * 5000, ["body"], "Invalid JSON: recursion limit"),
        (b"{}", ["body"], "give either pairs, or users and items, not both"),
        (b'{"users": ["a"]}', ["body"], "users and items must be given together"),
        (
            b'{"users": ["a"], "items": ["b"], "pairs": []}',
            ["body"],
            "give either pairs, or users and items, not both",
        ),
        (b'{"users": ["a", 1], "items": ["b", "c"]}', ["body", "users"], LISTS),
        (b'{"users": [1.5], "items": ["b"]}', ["body", "users"], LISTS),
        (b'{"pairs": [["a", null]]}', ["body", "pairs", 0, 1], "Input should be a valid integer or a valid string"),
        (b'{"pairs": [["a", true]]}', ["body", "pairs", 0, 1], "Input should be a valid integer or a valid string"),
        (b'{"pairs": [["a"]]}', ["body", "pairs", 0, 1], "Field required"),
        (b'{"users": ["a"], "items": ["b", "c"]}', ["body"], "users and items must have the same length, not 1 and 2"),
        (b'{"users": ["a"], "items": ["b"], "interval": 1}', ["body", "interval"], "Input should be less than 1"),
        (b'{"users": ["a"], "items": ["b"], "n": 1}', ["body", "n"], "Extra inputs are not permitted"),
        (
            b'{"pairs": [[7, "b"]]}',
            ["body"],
            "users[0]: the user ids must be of type string, as in training, not integer as 7 is: cast them",
        ),
        (b'{"pairs": [["a", "b"], ["a", " b"]]}', ["body"], "items[1]: the item id ' b' begins or ends with white"),
        (
            b'{"pairs": [["a", 123456789012345678901234567890]]}',
            ["body"],
            "items[0]: the item id 123456789012345678901234567890 does not fit into a signed 64-bit integer",
        ),
        (b'{"users": ["\\ud800"], "items": ["b"]}', ["body"], "Invalid JSON"),
        (
            b'{"pairs": [["a", "b"]], "context": {"hour": [1]}}',
            ["body"],
            "context: there is no column 'hour' that the model reads",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(client, body, place, message):
    answer = client.post("/predict", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    (problem,) = answer.json()["detail"]
    assert problem["loc"] == place
    assert problem["msg"].startswith(message)


def test_ids_that_would_match_after_a_cast_are_refused(runs):
    service = TestClient(create_app(runs / "numbers"), HOST)
    encoder = service.app.state.live.current.predictor.encoder
    user, item = int(encoder.users.ids.iloc[0]), int(encoder.items.ids.iloc[0])
    assert service.post("/predict", json={"pairs": [[user, item]]}).json()["sources"] == ["model"]
    refused = service.post("/predict", json={"pairs": [[str(user), item]]})
    assert refused.status_code == 422
    assert (
        f"the user ids must be of type integer, as in training, not string as '{user}' is: cast them"
        in refused.json()["detail"][0]["msg"]
    )
    assert service.get(f"/recommend?user={user}&n=1").json()["lists"][0]["user"] == user


def test_columns_beside_the_ids_are_read(runs, tmp_path):
    import recsys_nn as rn

    frame = rn.load_ratings("synthetic", n_users=40, n_items=30, n_ratings=600).frame
    frame["hour"] = (np.arange(len(frame)) % 4).astype(str)
    ratings = rn.Ratings(frame, scale=(1, 5), rating_features=["hour"])
    config = {
        "output": str(tmp_path / "run"),
        "data": {"features": {"rating": ["hour"]}},
        "model": {"kind": "fm"},
        "training": {"epochs": 2},
    }
    predictor = rn.run_experiment(config, ratings, progress=False).predictor
    service = TestClient(create_app(tmp_path / "run"), HOST)
    asked = frame[["user", "item", "hour"]].head(3)
    question = {"users": asked["user"].tolist(), "items": asked["item"].tolist()}
    answer = service.post("/predict", json={**question, "context": {"hour": asked["hour"].tolist()}}).json()
    expected = predictor.predict(asked)["prediction"].to_numpy()
    assert not np.allclose(expected, predictor.predict(asked.drop(columns="hour"))["prediction"], atol=1e-4)
    np.testing.assert_allclose(answer["predictions"], expected, atol=1e-6)
    short = service.post("/predict", json={**question, "context": {"hour": ["1"]}})
    assert short.json()["detail"][0]["msg"] == "context: 'hour' must have a value for each of 3 pairs, not 1 values"
