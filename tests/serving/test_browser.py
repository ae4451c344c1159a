"""The page in a real browser: somebody known, somebody new, a phone and a desk."""

from __future__ import annotations

import threading
from time import monotonic, sleep

import pytest
import uvicorn

from recsys_nn.serving.app import create_app
from tests.report.browser import chromium, requests
from tests.serving.conftest import HOSTILE

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def address(runs):
    """Of a service in a thread."""
    server = uvicorn.Server(uvicorn.Config(create_app(runs / "svd"), port=0, log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}/"
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def session():
    with chromium() as session:
        yield session


def opened(session, address, width):
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    session.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    requests(session)
    session.get(address)


def texts(session, selector, *, at_least=1):
    """What the elements say, once there are so many."""
    script = "return [...document.querySelectorAll(arguments[0])].map(element => element.textContent)"
    end = monotonic() + 10
    while len(found := session.execute_script(script, selector)) < at_least:
        assert monotonic() < end, f"{selector}: {found}"
        sleep(0.02)
    return found


def check(session, address, width):
    """No complaint, nothing asked of anybody else, no scrolling sideways."""
    assert session.get_log("browser") == []
    assert [url for url in requests(session) if not url.startswith(address)] == []
    assert session.execute_script("return document.documentElement.scrollWidth") == width


def rate(session, place, rating):
    script = """const select = document.querySelectorAll("#items select")[arguments[0]];
    select.value = arguments[1]; select.dispatchEvent(new Event("change"));"""
    session.execute_script(script, place, rating)


@pytest.mark.parametrize("width", [390, 1280])
def test_a_known_user_gets_the_list_with_reasons(session, address, predictor, width):
    opened(session, address, width)
    user = texts(session, "#users button", at_least=12)[0]
    session.find_element("css selector", "#users button").click()
    names = texts(session, "#recommended b", at_least=10)
    assert names == predictor.recommend(user, 10)["name"].tolist()
    assert texts(session, "#heading") == [f"For user {user}"]
    assert any(f"Closest to {HOSTILE}" in text for text in texts(session, "#recommended .why"))
    check(session, address, width)


@pytest.mark.parametrize("width", [390, 1280])
def test_somebody_new_rates_items_and_gets_a_list_without_them(session, address, width):
    opened(session, address, width)
    session.find_element("id", "new-tab").click()
    first, second = texts(session, "#items b", at_least=12)[:2]
    rate(session, 0, "5")
    assert texts(session, "#rated b") == [first]
    texts(session, "#recommended li", at_least=10)
    rate(session, 1, "1")
    assert texts(session, "#rated b", at_least=2) == [first, second]
    end = monotonic() + 10
    while second in texts(session, "#recommended b", at_least=10):
        assert monotonic() < end
    assert first not in texts(session, "#recommended b")
    check(session, address, width)


def test_a_search_finds_a_user(session, address, predictor):
    opened(session, address, 1280)
    user = predictor.encoder.users.ids.iloc[9]
    session.find_element("id", "user-search").send_keys(user)
    end = monotonic() + 10
    while texts(session, "#users button")[0] != user:
        assert monotonic() < end
    session.find_element("css selector", "#users button").click()
    texts(session, "#recommended li", at_least=10)
    check(session, address, 1280)


def test_the_documentation_works_without_a_network(session, address):
    opened(session, f"{address}docs", 1280)
    assert "/predict" in " ".join(texts(session, ".opblock-summary-path", at_least=7))
    check(session, address, 1280)
