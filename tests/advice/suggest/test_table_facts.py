import numpy as np
import pandas as pd

from recsys_nn import Ratings
from recsys_nn.advice.suggest.table_facts import TableFacts


def test_the_numbers_of_a_table_by_hand():
    frame = pd.DataFrame({"user": list("aaabbc"), "item": list("xyzxyx"), "rating": [1, 5, 5, 4, 5, 1.0]})
    found = TableFacts.of(Ratings(frame))
    assert (found.n_ratings, found.n_users, found.n_items) == (6, 3, 3)
    assert (found.per_user, found.per_item) == (2, 2)  # of 3, 2, 1 ratings each
    assert found.levels == {1.0: 2, 4.0: 1, 5.0: 3}
    assert found.rarest == (4.0, 1)
    assert not found.dated
    assert str(found) == "6 ratings of 3 items by 3 users"


def test_more_than_a_hundred_distinct_ratings_are_no_levels():
    ratings = np.arange(101.0)
    frame = pd.DataFrame({"user": 1, "item": range(101), "rating": ratings})
    assert TableFacts.of(Ratings(frame)).levels is None
    assert TableFacts.of(Ratings(frame)).rarest is None
    assert len(TableFacts.of(Ratings(frame.head(100))).levels) == 100


def test_ratings_with_times_are_dated():
    frame = pd.DataFrame({"user": ["a", "b"], "item": ["x", "x"], "rating": [1.0, 2.0], "timestamp": [10, 20]})
    assert TableFacts.of(Ratings(frame)).dated
