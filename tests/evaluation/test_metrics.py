import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import mean_absolute_error, r2_score, roc_auc_score, root_mean_squared_error

from recsys_nn.evaluation.metrics import auc, coverage, mae, r2, rmse, width

PAIRS = st.lists(st.tuples(st.floats(-100, 100), st.floats(-100, 100)), min_size=2, max_size=30)


def test_by_hand():
    assert rmse([1, 2, 3], [1, 4, 3]) == pytest.approx(math.sqrt(4 / 3))
    assert mae([1, 2, 3], [1, 4, 3]) == pytest.approx(2 / 3)
    assert r2([1, 2, 3], [1, 4, 3]) == pytest.approx(1 - 4 / 2)


def test_the_area_under_the_curve_by_hand():
    """Of the pairs (.9, .2), (.9, .5), (.5, .2), (.5, .5) three are in order and one is even."""
    assert auc(np.array([True, False, True, False]), [0.9, 0.2, 0.5, 0.5]) == 3.5 / 4


def test_of_intervals_by_hand():
    lower, upper = [1, 2, 3, 4], [2, 3, 4, 4.5]
    assert coverage([2, 2, 5, 3.9], lower, upper) == 0.5  # an end is inside
    assert width(lower, upper) == pytest.approx(3.5 / 4)


@given(PAIRS)
def test_they_are_scikit_learns(pairs):
    ratings, predictions = np.array(pairs).T
    assert rmse(ratings, predictions) == pytest.approx(root_mean_squared_error(ratings, predictions), abs=1e-9)
    assert mae(ratings, predictions) == pytest.approx(mean_absolute_error(ratings, predictions), abs=1e-9)
    if ratings.std() > 1e-3:
        assert r2(ratings, predictions) == pytest.approx(r2_score(ratings, predictions), rel=1e-6, abs=1e-9)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.1, 0.2, 0.5, 0.9])), min_size=2, max_size=30))
def test_the_area_under_the_curve_is_scikit_learns(pairs):
    hits, probabilities = (np.array(side) for side in zip(*pairs, strict=True))
    if hits.any() and not hits.all():
        assert auc(hits, probabilities) == pytest.approx(roc_auc_score(hits, probabilities), abs=1e-12)


def test_r2_of_ratings_that_do_not_vary_is_not_a_number():
    assert math.isnan(r2([3, 3], [2, 4]))
