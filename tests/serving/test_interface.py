"""What programs that call the service rely on: its addresses, what is asked and answered there, what is counted."""

from __future__ import annotations

import json
import re
from time import time

import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from recsys_nn import __version__
from recsys_nn.serving.app import create_app
from tests.serving.conftest import HOST

NAMES = re.compile(r"/(title|operationId|responses/\d+/description): ")


def leaves(tree: object, place: str = "") -> list[str]:
    """The leaves of nested values at their paths, without what FastAPI makes of the names by itself."""
    steps = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    if not any(isinstance(below, dict | list) for _, below in steps) and not isinstance(tree, dict):
        return [f"{place}: {json.dumps(tree)}"]
    return sorted(leaf for step, below in steps for leaf in leaves(below, f"{place}/{step}") if not NAMES.search(leaf))


@pytest.fixture(scope="module")
def interface(client) -> dict:
    return client.get("/openapi.json").json()


def test_the_documentation_names_the_service_and_its_run(interface):
    info = {"title": "recsys-nn", "description": "Ratings and lists of the run svd.", "version": __version__}
    assert interface["info"] == info


@pytest.mark.parametrize("path", ["/health", "/metrics", "/predict", "/recommend", "/users", "/items"])
def test_what_is_asked_and_answered_at_an_address(interface, snapshot, path):
    assert leaves(interface["paths"][path]) == snapshot


@pytest.mark.parametrize(
    "name", ["Found", "Health", "Predictions", "Problem", "Recommendations", "Recommended", "RecommendedList", "Reason"]
)
def test_the_parts_of_an_answer(interface, snapshot, name):
    assert leaves(interface["components"]["schemas"][name]) == snapshot


def test_what_is_counted(runs, snapshot):
    client = TestClient(create_app(runs / "svd"), HOST)
    client.get("/health")
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    counted = [family for family in families if family.name.startswith("recsys_nn_")]
    samples = [sorted({f"{one.name} {sorted(one.labels.items())}" for one in family.samples}) for family in counted]
    assert [(of.name, of.type, of.documentation, has) for of, has in zip(counted, samples, strict=True)] == snapshot
    loaded = next(family for family in counted if family.name == "recsys_nn_loaded_timestamp_seconds")
    assert loaded.samples[0].value == pytest.approx(time(), abs=60)
    assert {"process_cpu_seconds", "process_open_fds"} <= {family.name for family in families}


@pytest.mark.parametrize("address", ["/", "/docs", "/health", "/metrics", "/docs/swagger-ui.css"])
def test_how_an_answer_is_to_be_taken(client, snapshot, address):
    answer = client.get(address)
    told = {name: value for name, value in answer.headers.items() if name not in ("content-length", "date")}
    assert (
        answer.status_code,
        re.sub(r"'sha256-[^']*'", "'sha256-...'", json.dumps(told, indent=2)).splitlines(),
    ) == snapshot


@pytest.mark.parametrize(("address", "title"), [("/", "svd"), ("/docs", "recsys-nn: its interface")])
def test_a_page_has_a_title(client, address, title):
    assert re.findall("<title>(.*?)</title>", client.get(address).text) == [title]
