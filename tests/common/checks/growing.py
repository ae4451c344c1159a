"""What predictors promise that learn of new users and items, or of new ratings, after their training."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pandas as pd
import pytest

import recsys_nn as rn
from tests.common.subject import (
    NEW,
    PAIRS,
    TRAINING,
    Subject,
    assert_equal,
    numbers,
    unless_refused,
    weights,
)

ONE = pd.DataFrame({"user": [7], "item": [100], "rating": [5.0]})
SOME = pd.DataFrame({"user": [8, 7, 0, 8], "item": [101, 100, 107, 103], "rating": [1.0, 5.0, 2.0, 4.0]})
"""Of two new users, of whom one has a single rating, and a new item."""


@cache
def folded(subject: Subject) -> rn.Predictor:
    return subject.predictor.fold_in(SOME)


def check_one_rating_makes_a_user_known(subject: Subject) -> None:
    """New users are predicted from the model; for who was known, in the predictor and in the frame nothing changes."""
    before, given = weights(subject.predictor), SOME.copy()
    larger = subject.predictor.fold_in(given)
    predicted = larger.predict([(7, 101), (7, 100), (9, 100)])
    assert predicted["source"].tolist() == ["model", "model", "item"]
    assert predicted["prediction"].between(1, 5).all()
    np.testing.assert_array_equal(numbers(larger, PAIRS), subject.predicted)
    assert_equal(weights(subject.predictor), before)
    assert subject.predictor.predict([(7, 100)])["source"].tolist() == ["item"]
    pd.testing.assert_frame_equal(given, SOME)


@pytest.mark.slow
def check_the_order_of_new_ratings_does_not_matter(subject: Subject) -> None:
    """New ids that come in another order are predicted alike."""
    pairs = [(7, 103), (8, 103), (0, 107)]
    one, other = (numbers(larger, pairs) for larger in (folded(subject), subject.predictor.fold_in(SOME[::-1])))
    np.testing.assert_allclose(one, other, rtol=1e-5)


@pytest.mark.slow
def check_what_was_folded_in_is_saved_too(subject: Subject) -> None:
    """A predictor that has learnt of new ids is saved and loaded with what it learnt."""
    asked = pd.concat([PAIRS, NEW])
    with TemporaryDirectory() as folder:
        loaded = rn.Predictor.load(folded(subject).save(Path(folder) / "larger"))
    pd.testing.assert_frame_equal(loaded.predict(asked), folded(subject).predict(asked), check_exact=True)


def check_nothing_new_cannot_be_folded_in(subject: Subject) -> None:
    """No ratings, and ratings of known ids alone, are refused with what would take them."""
    for ratings in (ONE.iloc[:0], ONE.assign(user=0)):
        with pytest.raises(rn.DataError, match=r"learn from ratings of known ids with predictor.update\(ratings\)"):
            subject.predictor.fold_in(ratings)


def check_what_is_no_rating_cannot_be_folded_in(subject: Subject) -> None:
    """NaN, a rating outside the scale, a repeated pair and ids of another type are DataErrors."""
    for wrong, reason in (
        (ONE.assign(rating=np.nan), "the rating must be a finite number, not nan"),
        (ONE.assign(rating=6), "outside the scale 1 to 5"),
        (pd.concat([ONE, ONE]), "already rated"),
        (ONE.assign(user="7"), "must be of type integer, as in training, not string"),
        (ONE.drop(columns="rating"), "no column 'rating'"),
    ):
        with pytest.raises(rn.DataError, match=reason):
            subject.predictor.fold_in(wrong)


def check_an_update_needs_the_ratings(subject: Subject) -> None:
    """A predictor that keeps no ratings cannot go on training, and says what would take them."""
    with pytest.raises(rn.DataError, match=r"predictor.with_seen\(ratings\)"):
        rn.Predictor(subject.predictor.model, subject.encoder).update(ONE)


@pytest.mark.slow
def check_an_update_learns_new_ids_and_leaves_the_predictor(subject: Subject) -> None:
    """An update knows the new ids, predicts within the scale, and the old predictor stays as it was."""
    updated = subject.predictor.update(SOME, training=TRAINING)
    predicted = updated.predict([(7, 101), (8, 107), (0, 100)])
    assert predicted["source"].tolist() == ["model"] * 3
    assert predicted["prediction"].between(1, 5).all()
    assert set(updated.seen_by(8)["item"]) == {101, 103}
    np.testing.assert_array_equal(numbers(subject.predictor, PAIRS), subject.predicted)


@pytest.mark.slow
def check_an_update_with_nothing_new_is_an_epoch(subject: Subject) -> None:
    """An update without ratings knows the same ids and predicts within the scale."""
    updated = subject.predictor.update(ONE.iloc[:0], training=TRAINING)
    assert updated.encoder.users.ids.equals(subject.encoder.users.ids)
    assert ((numbers(updated, PAIRS) >= 1) & (numbers(updated, PAIRS) <= 5)).all()


def check_a_history_is_taken_or_refused(subject: Subject) -> None:
    """Kinds that keep rated-by sets know a new user by a history; others say which kinds do."""
    larger = unless_refused(lambda: subject.predictor.with_history(ONE), rn.DataError, "this model takes no histories")
    if larger is not None:
        assert larger.predict([(7, 101)])["source"].tolist() == ["model"]
        np.testing.assert_array_equal(numbers(larger, PAIRS), subject.predicted)
