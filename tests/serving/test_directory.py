"""The order of what a search finds."""

from __future__ import annotations

import pandas as pd
import pytest

import recsys_nn as rn
from recsys_nn.serving.lookup import Directory

COUNTS = {"tea": 1, "teapot": 2, "green tea": 4, "Teacup": 3, "steam": 5, "milk": 6}


@pytest.fixture(scope="module")
def encoder() -> rn.Encoder:
    rows = [(f"u{n}", name, 1 + n % 5) for name, count in COUNTS.items() for n in range(count)]
    frame = pd.DataFrame(rows, columns=["user", "item", "rating"])
    titles = pd.DataFrame({"item": list(COUNTS), "title": [f"No. {n}" for n in range(len(COUNTS))]})
    return rn.Encoder.fit(rn.Ratings(frame, scale=(1, 5), item_features=titles))


@pytest.mark.parametrize(
    ("text", "n", "found"),
    [
        ("tea", 9, ["tea", "Teacup", "teapot", "steam", "green tea"]),
        (" TEA ", 2, ["tea", "Teacup"]),
        ("no. 3", 9, ["Teacup"]),
        ("", 9, ["milk", "steam", "green tea", "Teacup", "teapot", "tea"]),
        ("coffee", 9, []),
        ("t.a", 9, []),
    ],
)
def test_items_that_are_it_come_first_then_those_that_begin_so_each_by_their_ratings(encoder, text, n, found):
    assert [one["id"] for one in Directory(encoder, "item").find(text, n)] == found


def test_what_is_found_has_its_name_and_its_ratings(encoder):
    assert Directory(encoder, "item").find("teapot", 1) == [{"id": "teapot", "name": "No. 1", "ratings": 2}]
    assert Directory(encoder, "user").find("u5", 1) == [{"id": "u5", "name": "u5", "ratings": 1}]
