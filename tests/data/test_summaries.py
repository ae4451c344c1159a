"""Summaries of numbers that come part by part, against NumPy's of the whole; distinct ratings while they are few."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_nn.data.summaries import Levels, Moments

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=50)


def moments_of(parts: list[list[float]]) -> Moments:
    moments = Moments()
    for part in parts:
        moments.add(np.array(part, dtype=np.float64))
    return moments


def test_the_moments_of_three_parts_by_hand():
    moments = moments_of([[1.0, 2.0], [], [6.0]])
    assert (moments.n, moments.mean, moments.lowest, moments.highest) == (3, 3.0, 1.0, 6.0)
    assert moments.std == pytest.approx(np.sqrt((4 + 1 + 9) / 3))


@REPEATABLE
@given(st.lists(st.lists(st.floats(-1e6, 1e6)), min_size=1).filter(any))
def test_they_are_those_of_the_whole(parts):
    moments, whole = moments_of(parts), np.concatenate(parts)
    assert moments.n == len(whole)
    assert moments.mean == pytest.approx(whole.mean(), rel=1e-12, abs=1e-9)
    assert moments.std == pytest.approx(whole.std(), rel=1e-9, abs=1e-6)
    assert (moments.lowest, moments.highest) == (whole.min(), whole.max())


def test_a_mean_that_is_large_beside_the_deviation_cancels_nothing():
    values = 1e9 + np.arange(1000) % 2  # Σ x² - n mean² would be lost in the last digits of 1e21
    assert moments_of(list(values.reshape(10, 100))).std == pytest.approx(0.5, rel=1e-9)


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_deviation_beyond_float64_is_infinite():
    assert moments_of([[1e300], [-1e300]]).std == np.inf


def test_each_rating_is_counted_over_all_parts():
    levels = Levels()
    for part in ([3.0, 1.0, 3.0], [], [4.5, 3.0]):
        levels.add(np.array(part))
    assert levels.values == (1.0, 3.0, 4.5)
    assert levels.counts == (1, 3, 1)


@pytest.mark.parametrize(("n", "given_up"), [(100, False), (101, True)])
@pytest.mark.parametrize("n_parts", [1, 3])
def test_more_than_a_hundred_are_none(n, given_up, n_parts):
    levels = Levels()
    for part in np.array_split(np.arange(n) / 8, n_parts):
        levels.add(part)
    levels.add(np.array([0.0]))
    assert (levels.values is None, levels.counts is None) == (given_up, given_up)
