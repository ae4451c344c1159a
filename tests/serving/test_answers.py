"""What a loaded run answers, of drawn weights."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest

import recsys_nn as rn
from recsys_nn.serving.answers import ServedRun
from recsys_nn.serving.limits import Limits
from recsys_nn.serving.schemas import PredictQuestion, RecommendQuestion
from tests.models.contract import twenty_ratings
from tests.prediction.predictors import drawn

RATINGS = twenty_ratings()


def served(predictor: rn.Predictor) -> ServedRun:
    return ServedRun(predictor, name="svd", revision="abc", limits=Limits(pairs=6))


@pytest.fixture(scope="module")
def predictor() -> rn.Predictor:
    return drawn(rn.SVDConfig(embedding_dim=2)).with_seen(RATINGS).calibrated(RATINGS)


@pytest.fixture(scope="module")
def run(predictor) -> ServedRun:
    return served(predictor)


@pytest.fixture(scope="module")
def bare() -> ServedRun:
    """Without intervals and ratings."""
    return served(drawn(rn.SVDConfig(embedding_dim=2)))


def test_its_health(run, bare, predictor):
    health = run.health("it is damaged").model_dump()
    assert abs((datetime.fromisoformat(health.pop("since")) - datetime.now(UTC)).total_seconds()) < 600
    expected = {
        "status": "ok",
        "run": "svd",
        "revision": "abc",
        "kind": "svd",
        "users": 5,
        "items": 6,
        "id_types": {"user": "integer", "item": "integer"},
        "scale": (1.0, 5.0),
        "context": [],
        "has_intervals": True,
        "keeps_ratings": True,
        "refused": "it is damaged",
    }
    assert health == expected
    of_bare = bare.health(None)
    assert (of_bare.has_intervals, of_bare.keeps_ratings, of_bare.refused) == (False, False, None)


def test_it_is_loaded_with_the_beginning_of_its_manifests_hash(predictor, tmp_path):
    predictor.save(tmp_path / "films")
    (tmp_path / "link").symlink_to("films")
    found = ServedRun.load(tmp_path / "link", Limits(pairs=3))
    manifest = (tmp_path / "films" / "manifest.json").read_bytes()
    assert (found.name, found.revision) == ("films", hashlib.sha256(manifest).hexdigest()[:12])
    assert found.limits.pairs == 3


@pytest.mark.parametrize(
    ("levels", "choices"),
    [
        (np.arange(1.0, 6), [1, 2, 3, 4, 5]),
        (np.arange(11) / 2, [k / 2 for k in range(11)]),
        (np.arange(12) / 11 * 5, [k / 2 for k in range(11)]),
    ],
)
def test_what_a_person_may_choose_from(levels, choices):
    frame = pd.DataFrame({"user": np.arange(len(levels)) % 3, "item": np.arange(len(levels)), "rating": levels})
    predictor = drawn(rn.BiasConfig(), rn.Ratings(frame, scale=(levels.min(), levels.max())))
    assert served(predictor).choices == pytest.approx(choices)


def test_pairs(run, predictor):
    users, items = [3, 3, 77, 77], [101, 999, 101, 999]
    expected = predictor.predict(users=users, items=items, interval=0.5)
    answer = run.predict(PredictQuestion(users=users, items=items, interval=0.5))
    assert answer.pop("sources") == expected["source"].tolist() == ["model", "user", "item", "global"]
    assert answer.pop("revision") == "abc"
    for name, column in (("predictions", "prediction"), ("lower", "lower"), ("upper", "upper")):
        np.testing.assert_allclose(answer.pop(name), expected[column], rtol=1e-6)
    assert answer == {}
    assert set(run.predict(PredictQuestion(users=[3], items=[101]))) == {"predictions", "sources", "revision"}


def test_as_many_as_allowed(run):
    assert len(run.predict(PredictQuestion(users=[3] * 6, items=[101] * 6))["predictions"]) == 6
    with pytest.raises(rn.DataError, match="^a request may have at most 6 pairs, not 7$"):
        run.predict(PredictQuestion(users=[3] * 7, items=[101] * 7))
    for question in ({"users": [3, 4], "n": 3}, {"ratings": [(101, 5)], "n": 6}):
        run.recommend(RecommendQuestion(**question))
    for question, asked in (({"users": [3, 4], "n": 4}, 8), ({"ratings": [(101, 5)], "n": 7}, 7)):
        with pytest.raises(rn.DataError, match=f"^a request may ask for at most 6 items, not {asked}$"):
            run.recommend(RecommendQuestion(**question))


def test_lists(run, predictor):
    answer = run.recommend(RecommendQuestion(users=[4, 3, 4], n=2, reasons=1, candidates=[100, 101, 102, 103]))
    expected = predictor.recommend([4, 3], 2, candidates=[100, 101, 102, 103])
    assert answer["revision"] == "abc"
    assert [one["user"] for one in answer["lists"]] == [4, 3]
    items = [item for one in answer["lists"] for item in one["items"]]
    assert [item["item"] for item in items] == expected["item"].tolist()
    assert [item["name"] for item in items] == expected["item"].astype(str).tolist()
    assert [item["source"] for item in items] == ["model"] * len(items)
    assert [item["prediction"] for item in items] == pytest.approx(expected["prediction"].tolist())
    assert {len(item["reasons"]) for item in items} <= {0, 1}
    everything = run.recommend(RecommendQuestion(users=[4], n=6, exclude_seen=False))
    assert len(everything["lists"][0]["items"]) == 6
    assert run.recommend(RecommendQuestion(users=[4], n=1, candidates=[]))["lists"] == [{"user": 4, "items": []}]


def test_a_new_person(run, bare, predictor):
    ratings = [(101, 5.0), (103, 1.0)]
    frame = pd.DataFrame({"user": "new", "item": [101, 103], "rating": [5.0, 1.0]}).assign(user=77)
    expected = predictor.fold_in(frame).recommend(77, 6)
    for one in (run, bare):
        (found,) = one.recommend(RecommendQuestion(ratings=ratings, n=6))["lists"]
        assert found["user"] is None
        assert sorted(item["item"] for item in found["items"]) == [100, 102, 104, 105]
    assert [item["item"] for item in run.recommend(RecommendQuestion(ratings=ratings, n=6))["lists"][0]["items"]] == (
        expected["item"].tolist()
    )
    with pytest.raises(rn.DataError, match=r"^ratings\[1\]: the item 999 is unknown in training: leave it out$"):
        run.recommend(RecommendQuestion(ratings=[(101, 5.0), (999, 1.0)], n=1))


def test_ids_in_an_address_are_of_the_type_of_training(run):
    assert run.user_of("3") == 3
    with pytest.raises(rn.DataError, match="three"):
        run.user_of("three")
    assert run.find("item", "10", 2) != run.find("user", "1", 2)
    assert [one["id"] for one in run.find("user", "1", 2)] == [1]
