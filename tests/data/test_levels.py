"""Counting the distinct ratings, and giving up where there are many."""

import numpy as np
import pytest

from recsys_nn.data.levels import Levels


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
