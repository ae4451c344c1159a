"""Which values a search may try."""

import re

import pytest

from recsys_nn import ConfigError
from recsys_nn.config.search import Range, SearchConfig
from recsys_nn.config.sections import validated


def searched(space: object) -> SearchConfig:
    return validated(SearchConfig, {"space": space}, ("search",))


@pytest.mark.parametrize(
    ("settings", "held", "others"),
    [
        ({"low": 1, "high": 10}, [1, 5, 5.5, 10], [0.99, 10.01, True, "5", None]),
        ({"low": 1, "high": 10, "step": 3}, [1, 4, 7, 10], [2, 5, 13]),
        ({"low": 0.1, "high": 0.4, "step": 0.1}, [0.1, 0.2, 0.3, 0.4], [0.15]),
    ],
)
def test_a_range_holds_what_is_between_its_ends_and_on_its_steps(settings, held, others):
    numbers = Range(**settings)
    assert [value in numbers for value in [*held, *others]] == [True] * len(held) + [False] * len(others)
    assert numbers.ends == (settings["low"], settings["high"])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"low": 2, "high": 2}, "low must be less than high, not 2 with high 2"),
        ({"low": 0, "high": 2, "log": True}, "low must be greater than 0 where log is true, not 0"),
        ({"low": 1, "high": 2, "log": True, "step": 1}, "step must be left out where log is true"),
        ({"low": 1, "high": 9, "step": 3}, "step must divide the range from 1 to 9, which 3 does not"),
    ],
)
def test_what_holds_no_numbers_is_no_range(settings, message):
    with pytest.raises(ConfigError, match=f"^search.space.key: {message}$"):
        searched({"key": settings})


@pytest.mark.parametrize(
    ("settings", "tried"),
    [
        ({"low": 1, "high": 10, "step": 3}, [1, 4, 7, 10]),
        ({"low": 1, "high": 4}, [1, 2, 3, 4]),
        ({"low": 0.5, "high": 1.5, "step": 0.5}, [0.5, 1.0, 1.5]),
    ],
)
def test_the_numbers_of_a_grid(settings, tried):
    assert Range(**settings).grid("key") == tried


@pytest.mark.parametrize(
    ("settings", "instead"),
    [
        ({"low": 0.001, "high": 1.0, "log": True}, "0.00100, 0.0100, 0.100, 1.00"),
        ({"low": 1, "high": 1000, "log": True}, "1.00, 10.0, 100, 1000"),
        ({"low": 0.0, "high": 3.0}, "0.00, 1.00, 2.00, 3.00"),
    ],
)
def test_numbers_that_cannot_be_counted_have_no_grid(settings, instead):
    message = rf"^search.space.key must be a list of values in a grid, such as \[{instead}\], or have a step$"
    with pytest.raises(ConfigError, match=message):
        Range(**settings).grid("key")


SPACE = {"a": [1, 2], "b": {"low": 1, "high": 3}}


def test_in_a_grid_the_last_key_changes_fastest():
    pairs = [(1, 1), (1, 2), (1, 3), (2, 1), (2, 2), (2, 3)]
    assert SearchConfig(space=SPACE).grid == [{"a": a, "b": b} for a, b in pairs]


def test_samples_are_the_choices_and_the_ends():
    assert list(SearchConfig(space=SPACE).samples) == [{"a": 1}, {"a": 2}, {"b": 1}, {"b": 3}]


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ({"method": "grid"}, 6),
        ({"method": "grid", "trials": 5}, 5),
        ({"method": "grid", "trials": 7}, 6),
        ({}, 20),
        ({"timeout": 1}, None),
        ({"timeout": 1, "trials": 7}, 7),
    ],
)
def test_how_many_trials_there_are_at_most(settings, most):
    assert SearchConfig(space=SPACE, **settings).most_trials == most


def test_what_is_neither_choices_nor_a_range_is_refused():
    message = r"^search.space.key must be a list of choices or a range \{low: ..., high: ...\}, not 3$"
    with pytest.raises(ConfigError, match=message):
        searched({"key": 3})


@pytest.mark.parametrize("space", [3, [1, 2], None])
def test_a_space_is_a_mapping(space):
    with pytest.raises(ConfigError, match=rf"^search.space must be a valid dictionary, not {re.escape(str(space))}$"):
        searched(space)
