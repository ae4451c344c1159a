"""What holds for the whole service: its limits, its addresses, what it tells of itself."""

from __future__ import annotations

import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from time import monotonic, sleep

import pytest
from fastapi.testclient import TestClient

from recsys_nn.prediction.predictor import Predictor
from recsys_nn.serving.answers import ServedRun
from recsys_nn.serving.app import create_app
from recsys_nn.serving.limits import Limits
from tests.serving.conftest import HOST


def test_health_tells_of_the_run(client, predictor):
    health = client.get("/health").json()
    assert {name: health[name] for name in ("status", "run", "kind", "users", "items", "scale", "refused")} == {
        "status": "ok",
        "run": "svd",
        "kind": "svd",
        "users": predictor.encoder.n_users,
        "items": predictor.encoder.n_items,
        "scale": [1, 5],
        "refused": None,
    }
    assert health["id_types"] == {"user": "string", "item": "string"}
    assert datetime.fromisoformat(health["since"]).tzinfo == UTC
    assert re.fullmatch("[0-9a-f]{12}", health["revision"])


def test_a_body_that_is_too_long_is_refused_declared_or_not(client):
    declared = client.post("/predict", json={"users": ["a" * 30_000], "items": ["b"]})
    streamed = client.post(
        "/predict", content=(b"a" * 1000 for _ in range(30)), headers={"Content-Type": "application/json"}
    )
    for answer in (declared, streamed):
        assert answer.status_code == 413
        assert answer.json() == {"detail": "the body must have at most 20,000 bytes: send less at once"}
        assert answer.headers["Connection"] == "close"


def test_too_many_pairs_are_refused(client):
    answer = client.post("/predict", json={"users": ["a"] * 1001, "items": ["b"] * 1001})
    assert answer.status_code == 422
    problem = {"loc": ["body"], "msg": "a request may have at most 1,000 pairs, not 1,001", "type": "data_error"}
    assert answer.json() == {"detail": [problem]}


def test_as_many_pairs_as_allowed_are_answered(client):
    answer = client.post("/predict", json={"users": ["a"] * 1000, "items": ["b"] * 1000})
    assert (answer.status_code, len(answer.json()["predictions"])) == (200, 1000)
    assert client.post("/recommend", json={"users": ["a", "b"], "n": 500}).status_code == 200


def test_only_json_is_read(client):
    answer = client.post("/predict", content=b"{}", headers={"Content-Type": "text/plain"})
    assert (answer.status_code, answer.json()["detail"]) == (
        415,
        "Content-Type must be application/json, not text/plain",
    )


@pytest.fixture
def slow(runs, monkeypatch):
    """A service whose lists take until the event is set: one may wait, for a tenth of a second."""
    going_on = threading.Event()
    with TestClient(create_app(runs / "svd", Limits(waiting=1, seconds=0.1)), HOST) as client:
        monkeypatch.setattr(ServedRun, "recommend", lambda self, question: going_on.wait(20) and {"lists": []})
        yield client, going_on
        going_on.set()


def test_what_takes_too_long_is_given_up_and_others_are_told_to_come_again(slow):
    client, going_on = slow
    with ThreadPoolExecutor() as pool:
        first = pool.submit(client.post, "/recommend", json={"users": ["a"]})
        answer = first.result()
        assert (answer.status_code, answer.json()) == (
            504,
            {"detail": "there is no answer within 0.1 s: ask for less at once"},
        )
        second = client.post("/recommend", json={"users": ["a"]})  # the first is still being worked on
        assert (second.status_code, second.headers["Retry-After"]) == (503, "1")
        assert second.json() == {"detail": "1 requests are waiting: try again later"}
        assert client.post("/predict", json={"pairs": [["a", "b"]]}).status_code == 200  # small ones do not wait
        going_on.set()
        end = monotonic() + 5
        while client.post("/recommend", json={"users": ["a"]}).status_code != 200:
            assert monotonic() < end
            sleep(0.01)


def test_requests_are_counted_by_endpoint_and_status(runs):
    client = TestClient(create_app(runs / "svd"), HOST)
    client.post("/predict", json={"pairs": [["a", "b"], ["c", "d"]]})
    client.post("/predict", json={})
    client.get("/no/such/address")
    counted = client.get("/metrics")
    assert counted.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    for line in (
        'recsys_nn_requests_total{endpoint="/predict",status="200"} 1.0',
        'recsys_nn_requests_total{endpoint="/predict",status="422"} 1.0',
        'recsys_nn_requests_total{endpoint="other",status="404"} 1.0',
        'recsys_nn_request_seconds_count{endpoint="/predict"} 2.0',
        "recsys_nn_pairs_total 2.0",
        "recsys_nn_waiting 0.0",
    ):
        assert line in counted.text.splitlines()


def test_a_page_elsewhere_whose_name_means_this_machine_is_refused(client):
    assert client.get("/health", headers={"Host": "evil.example"}).status_code == 400
    assert client.get("/health", headers={"Host": "localhost:8000"}).status_code == 200


@pytest.mark.parametrize("address", ["/", "/docs"])
def test_pages_may_load_nothing_from_elsewhere(client, address):
    page = client.get(address)
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self' 'sha256-")
    assert not re.search(r"""(src|href)=["'](https?:)?//""", page.text)
    for loaded in re.findall(r"""(?:src|href)=["'](/docs/[^"']+)""", page.text):
        assert client.get(loaded).status_code == 200


def test_the_documentation_describes_what_is_read(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert set(paths) == {"/health", "/metrics", "/predict", "/recommend", "/users", "/items"}
    asked = paths["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(asked["properties"]) == {"users", "items", "pairs", "interval", "context"}
    assert "$ref" not in str(asked)


def test_health_tells_whether_there_are_intervals_and_ratings(client, predictor, tmp_path):
    Predictor(predictor.model, predictor.encoder, config=predictor.config).save(tmp_path / "bare")
    bare = TestClient(create_app(tmp_path / "bare"), HOST)
    for service, has in ((client, True), (bare, False)):
        health = service.get("/health").json()
        assert (health["has_intervals"], health["keeps_ratings"]) == (has, has)
