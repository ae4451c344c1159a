"""What lists promise: recommended items, similar items and users, what was seen."""

from functools import partial

import numpy as np
import pytest

import recsys_nn as rn
from tests.common.subject import Subject, unless_refused

ITEMS = list(range(100, 106))


def check_what_was_rated_is_not_recommended(subject: Subject) -> None:
    """Each user's list has all other items, and with what was rated all."""
    rated = subject.ratings.frame.groupby("user")["item"].agg(set)
    for user, items in rated.items():
        recommended = subject.predictor.recommend(user, n=6)
        assert set(recommended["item"]) == set(ITEMS) - items
        assert set(subject.predictor.recommend(user, n=6, exclude_seen=False)["item"]) == set(ITEMS)


def check_lists_hold_predictions(subject: Subject) -> None:
    """A list has the ratings that are predicted for its pairs, from high to low, with ranks from 1."""
    listed = subject.predictor.recommend([3], n=6, exclude_seen=False)
    predicted = subject.predictor.predict(listed[["user", "item"]])["prediction"]
    np.testing.assert_array_equal(listed["prediction"], predicted)
    assert listed["rank"].tolist() == [1, 2, 3, 4, 5, 6]
    assert np.diff(predicted).max() <= 1e-5


def check_short_lists_begin_long_ones(subject: Subject) -> None:
    """The best two are the first of the best five, and 10^6 items are as many as there are."""
    longest = subject.predictor.recommend([1], n=10**6, exclude_seen=False)["item"].tolist()
    assert len(longest) == 6
    for n in (1, 2, 5):
        assert subject.predictor.recommend([1], n=n, exclude_seen=False)["item"].tolist() == longest[:n]


def check_a_list_does_not_depend_on_others(subject: Subject) -> None:
    """A user has the same list alone, among others, twice, and when all are asked for."""
    alone = subject.predictor.recommend(2, n=2)["item"].tolist()
    for users in ([4, 2, 0], [2, 2], None):
        listed = subject.predictor.recommend(users, n=2)
        assert listed.loc[listed["user"] == 2, "item"].tolist()[:2] == alone


def check_all_new_users_have_one_list(subject: Subject) -> None:
    """Unknown users get all items, in the same order."""
    listed = subject.predictor.recommend([7, -8], n=6)
    one, other = (listed.loc[listed["user"] == user, "item"].tolist() for user in (7, -8))
    assert one == other
    assert sorted(one) == ITEMS


def check_candidates_are_what_is_chosen_from(subject: Subject) -> None:
    """Of some candidates the order is that of all; of none there is an empty table; unknown ones are refused."""
    whole = subject.predictor.recommend([1], n=6, exclude_seen=False)["item"].tolist()
    some = subject.predictor.recommend([1], n=6, exclude_seen=False, candidates=[105, 101, 101, 103])
    assert some["item"].tolist() == [item for item in whole if item in (101, 103, 105)]
    none = subject.predictor.recommend([1], candidates=[])
    assert len(none) == 0
    assert none.columns.equals(some.columns)
    with pytest.raises(rn.DataError, match="the candidate 107 is an item that is unknown in training: leave it out"):
        subject.predictor.recommend([1], candidates=[100, 107])


def check_nobody_asked_is_an_empty_list(subject: Subject) -> None:
    """No users have no recommendations."""
    assert len(subject.predictor.recommend([])) == 0


def check_how_many_is_a_number(subject: Subject) -> None:
    """None, zero, half an item and a text are no lengths of lists."""
    for n in (None, 0, -1, 1.5, "3"):
        with pytest.raises(rn.DataError, match="n must be a positive integer such as 10"):
            subject.predictor.recommend([0], n=n)
        with pytest.raises(rn.DataError, match="n must be a positive integer such as 10"):
            subject.predictor.similar_users(0, n=n)


def check_without_ratings_lists_say_what_they_need(subject: Subject) -> None:
    """A predictor that keeps no ratings recommends on request without them, and has no past to tell."""
    forgetful = rn.Predictor(subject.predictor.model, subject.encoder)
    with pytest.raises(rn.DataError, match="with_seen"):
        forgetful.recommend([0])
    with pytest.raises(rn.DataError, match="with_seen"):
        forgetful.seen_by(0)
    assert len(forgetful.recommend([0], exclude_seen=False)) == 6


def check_neighbours_are_others_or_there_are_none(subject: Subject) -> None:
    """Similar users and items are the others, by falling cosines; kinds without vectors say so."""
    for side, owner, others in (("user", 1, {0, 2, 3, 4}), ("item", 101, set(ITEMS) - {101})):
        listed = getattr(subject.predictor, f"similar_{side}s")
        similar = unless_refused(partial(listed, owner, n=10), rn.DataError, "no vectors")
        if similar is not None:
            assert set(similar[side]) <= others
            assert similar["similarity"].between(-1, 1).all()
            assert similar["similarity"].is_monotonic_decreasing


def check_the_past_is_what_was_rated(subject: Subject) -> None:
    """``seen_by`` gives a user's training ratings; a new user has none."""
    frame = subject.ratings.frame
    seen = subject.predictor.seen_by(2).set_index("item")["rating"].sort_index()
    assert seen.to_dict() == frame[frame["user"] == 2].set_index("item")["rating"].to_dict()
    assert len(subject.predictor.seen_by(7)) == 0
