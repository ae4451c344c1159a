"""/recommend: the predictor's lists for users and for new people, and what explains them."""

from __future__ import annotations

import pandas as pd
import pytest

from tests.serving.conftest import HOSTILE


@pytest.fixture(scope="module")
def user(predictor):
    return predictor.encoder.users.ids.iloc[3]


def listed(answer, column="item"):
    (found,) = answer.json()["lists"]
    return [item[column] for item in found["items"]]


def test_lists_are_the_predictors(client, predictor, user):
    expected = predictor.recommend([user, "nobody"], 4)
    lists = client.post("/recommend", json={"users": [user, "nobody"], "n": 4}).json()["lists"]
    assert [one["user"] for one in lists] == [user, "nobody"]
    items = [item for one in lists for item in one["items"]]
    for column in ("item", "name", "source"):
        assert [item[column] for item in items] == expected[column].tolist()
    assert [item["prediction"] for item in items] == pytest.approx(expected["prediction"].tolist())


def test_what_was_seen_is_shown_again_on_demand(client, predictor, user):
    everything = client.post("/recommend", json={"users": [user], "n": 150, "exclude_seen": False})
    unseen = client.post("/recommend", json={"users": [user], "n": 150})
    assert set(listed(everything)) - set(listed(unseen)) == set(predictor.seen_by(user)["item"])


def test_only_candidates_are_recommended(client, predictor, user):
    candidates = sorted(set(predictor.encoder.items.ids) - set(predictor.seen_by(user)["item"]))[:3]
    assert sorted(listed(client.post("/recommend", json={"users": [user], "candidates": candidates}))) == candidates
    unknown = client.post("/recommend", json={"users": [user], "candidates": ["nothing"]})
    assert (unknown.status_code, "'nothing' is an item that is unknown in training" in unknown.text) == (422, True)


def test_an_address_asks_for_one_user(client, user):
    by_address = client.get("/recommend", params={"user": user, "n": 3, "reasons": 2})
    assert by_address.json() == client.post("/recommend", json={"users": [user], "n": 3, "reasons": 2}).json()


def test_a_new_person_is_folded_in(client, predictor):
    first, second, third = predictor.encoder.items.ids.iloc[:3]
    ratings = [[first, 5], [second, 4.5], [third, 1]]
    answer = client.post("/recommend", json={"ratings": ratings, "n": 5, "reasons": 3})
    frame = pd.DataFrame(ratings, columns=["item", "rating"]).assign(user="new")
    expected = predictor.fold_in(frame).recommend("new", 5)
    assert answer.json()["lists"][0]["user"] is None
    assert listed(answer) == expected["item"].tolist()
    assert listed(answer, "prediction") == pytest.approx(expected["prediction"].tolist(), abs=1e-5)
    assert {reason["item"] for why in listed(answer, "reasons") for reason in why} <= {first, second}
    assert predictor.recommend("new", 5)["source"].tolist() == ["item"] * 5  # who stays unknown to the run itself


def test_reasons_are_well_rated_and_the_most_similar_first(client, predictor, user):
    answer = client.post("/recommend", json={"users": [user], "n": 150, "reasons": 2})
    seen = predictor.seen_by(user).set_index("item")["rating"]
    liked = seen[seen >= max(seen.median(), 3)]
    assert any(listed(answer, "reasons"))
    for item, reasons in zip(listed(answer), listed(answer, "reasons"), strict=True):
        similar = predictor.similar_items(item, 150).set_index("item")["similarity"]
        expected = similar[similar.index.isin(liked.index) & (similar > 0)].head(2)
        assert [reason["item"] for reason in reasons] == expected.index.tolist()
        assert [reason["similarity"] for reason in reasons] == pytest.approx(expected.tolist(), abs=1e-5)
        assert [reason["rating"] for reason in reasons] == liked[expected.index].tolist()
        assert all(reason["name"] == HOSTILE + reason["item"] for reason in reasons)


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({}, "give either users or ratings, not both"),
        ({"users": ["a"], "ratings": [["b", 3]]}, "give either users or ratings, not both"),
        ({"ratings": []}, "at least 1 item"),
        ({"ratings": [["nothing", 3]]}, "ratings[0]: the item 'nothing' is unknown in training: leave it out"),
        ({"users": ["a"], "n": 0}, "greater than or equal to 1"),
        ({"users": ["a", "b"], "n": 600}, "a request may ask for at most 1,000 items, not 1,200"),
        ({"users": [1]}, "the user ids must be of type string, as in training, not integer as 1 is"),
    ],
)
def test_what_is_wrong_is_refused(client, question, message):
    answer = client.post("/recommend", json=question)
    assert answer.status_code == 422
    assert message in answer.json()["detail"][0]["msg"]


def test_ratings_are_of_the_scale_and_one_an_item(client, predictor):
    item = predictor.encoder.items.ids.iloc[0]
    for ratings, message in (
        ([[item, 6]], "rating 6 is outside the scale 1 to 5"),
        ([[item, 3]] * 2, "ratings must name each item once"),
    ):
        answer = client.post("/recommend", json={"ratings": ratings})
        assert (answer.status_code, message in answer.text) == (422, True)


def test_searches_find_by_id_and_by_name(client, predictor):
    item = predictor.encoder.items.ids.iloc[7]
    count = int(predictor.encoder.item_counts[8])
    found = client.get("/items", params={"search": f"NO. {item}"}).json()
    assert {"id": item, "name": HOSTILE + item, "ratings": count} in found
    assert client.get("/items", params={"search": item}).json()[0]["id"] == item
    assert len(client.get("/items", params={"n": 3}).json()) == 3
    most = [one["ratings"] for one in client.get("/users", params={"n": 5}).json()]
    assert most == sorted(predictor.encoder.user_counts, reverse=True)[:5]
    assert client.get("/users", params={"search": "no such user"}).json() == []
