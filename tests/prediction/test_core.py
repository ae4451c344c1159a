"""What is asked for, in whichever form, as one table."""

import numpy as np
import pandas as pd
import pytest

from recsys_nn import DataError, Ratings
from recsys_nn.prediction.core import asked_frame
from recsys_nn.prediction.lists.similar import check_number

PAIRS = [("a", 1), ("b", 2)]
FRAME = pd.DataFrame({"user": ["a", "b"], "item": [1, 2]})


@pytest.mark.parametrize(
    ("pairs", "users", "items"),
    [
        (PAIRS, None, None),
        (iter(PAIRS), None, None),
        (FRAME.set_index(np.array([7, 8])), None, None),
        (None, ["a", "b"], np.array([1, 2])),
        (None, pd.Series(["a", "b"], index=[3, 4]), (1, 2)),
    ],
)
def test_pairs_in_any_form_are_one_table(pairs, users, items):
    pd.testing.assert_frame_equal(asked_frame(pairs, users, items), FRAME)


def test_columns_beside_them_stay():
    frame = FRAME.assign(hour=[3, 4])
    pd.testing.assert_frame_equal(asked_frame(frame, None, None), frame)
    rated = asked_frame(Ratings(FRAME.assign(rating=[1.0, 2.0])), None, None)
    assert (list(rated)[:3], len(rated)) == (["user", "item", "rating"], 2)
    assert list(asked_frame([], None, None)) == ["user", "item"]


@pytest.mark.parametrize(
    ("pairs", "users", "items", "told"),
    [
        (PAIRS, ["a"], None, "pass either pairs, or users and items, not all of them"),
        (PAIRS, None, [1], "pass either pairs, or users and items, not all of them"),
        (None, ["a"], None, "pass pairs, or both users and items"),
        (None, None, [1], "pass pairs, or both users and items"),
        (None, "ab", [1, 2], "users and items must be lists or arrays of ids"),
        (None, ["a"], 1, "users and items must be lists or arrays of ids"),
        (None, ["a"], [1, 2], "users and items must have the same length, not 1 and 2"),
        (FRAME.drop(columns="item"), None, None, "there is no column 'item' among 'user'"),
        (FRAME.rename(columns={"user": "u"}), None, None, "there is no column 'user' among 'u', 'item'"),
        ([("a", 1), ("b",)], None, None, "row 1: a pair must be (user, item), not ('b',)"),
        ([("a", 1, 2)], None, None, "row 0: a pair must be (user, item), not ('a', 1, 2)"),
        (["ab"], None, None, "row 0: a pair must be (user, item), not 'ab'"),
        ([3], None, None, "row 0: a pair must be (user, item), not 3"),
    ],
)
def test_what_is_no_pair_is_told(pairs, users, items, told):
    with pytest.raises(DataError) as refused:
        asked_frame(pairs, users, items)
    assert str(refused.value) == told


@pytest.mark.parametrize("n", [0, -1, 2.0, "3", None])
def test_a_list_has_a_whole_number_of_things(n):
    for good in (1, np.int64(2)):
        check_number(good)
    with pytest.raises(DataError) as refused:
        check_number(n)
    assert str(refused.value) == f"n must be a positive integer such as 10, not {n!r}"
