"""The page in a real browser: no complaint, no request, readable on a phone and on a desk, names of items."""

from __future__ import annotations

import pytest

import recsys_nn as rn
from tests.report.browser import chromium, opened, requests
from tests.report.conftest import HOSTILE

pytestmark = [pytest.mark.browser, pytest.mark.slow]
OUTSIDE = """[...document.querySelectorAll('figure svg text')].filter(text => {
  const own = text.getBoundingClientRect(), box = text.closest('svg').getBoundingClientRect();
  return own.left < box.left - 1 || own.right > box.right + 1 || own.bottom > box.bottom + 1;
}).map(text => text.textContent)"""
"""Texts that a chart's frame cuts."""


@pytest.fixture(scope="module")
def session():
    with chromium() as session:
        yield session


@pytest.fixture(scope="module")
def pages(runs, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    made = {name: rn.build_report(runs / name) for name in ("svd", "bias", "hostile")}
    made["several"] = rn.build_report([runs / name for name in ("svd", "mlp", "bias")])
    return {name: report.save(folder / f"{name}.html") for name, report in made.items()}


@pytest.mark.parametrize("width", [390, 1280])
@pytest.mark.parametrize("name", ["svd", "bias", "hostile", "several"])
def test_no_complaint_no_request_no_scrolling_sideways(session, pages, name, width):
    requests(session)
    opened(session, pages[name], width=width)
    assert session.get_log("browser") == []
    assert requests(session) == [pages[name].absolute().as_uri()]
    assert session.execute_script("return document.documentElement.scrollWidth") == width
    cut = "[...document.querySelectorAll('.names')].filter(table => table.offsetWidth > table.parentNode.clientWidth)"
    assert session.execute_script(f"return {cut}.length") == 0
    assert session.execute_script(f"return {OUTSIDE}") == []


def test_texts_in_charts_are_large_enough_to_read_on_a_phone(session, pages):
    opened(session, pages["svd"], width=390)
    texts = "[...document.querySelectorAll('figure svg text')]"
    script = f"return Math.min(...{texts}.map(text => text.getBoundingClientRect().height))"
    assert session.execute_script(script) >= 9


def test_an_item_tells_its_name_when_pointed_at_and_by_the_keyboard(session, pages):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    opened(session, pages["hostile"], width=1280)
    told = session.find_element(By.ID, "told")
    ActionChains(session).move_to_element(session.find_element(By.CSS_SELECTOR, "#map circle[data-name]")).perform()
    assert told.text.startswith(HOSTILE)
    before = told.text
    session.find_element(By.ID, "map").send_keys(Keys.ARROW_RIGHT)
    assert told.text.startswith(HOSTILE)
    assert told.text != before
    assert session.get_log("browser") == []
