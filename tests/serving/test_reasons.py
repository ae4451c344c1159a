"""What explains a recommendation, by vectors by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import recsys_nn as rn
from recsys_nn.serving.lookup import Lookup
from recsys_nn.serving.reasons import Reasons

FRAME = pd.DataFrame({"user": [1, 1, 1, 1, 2], "item": [10, 20, 30, 40, 50], "rating": [5.0, 4, 3, 1, 2]})
VECTORS = [[9, 9], [0.1, 0], [0.1, 0.1], [0, 0.1], [-0.1, 0], [0, 0]]
"""Of the unknown item and of 10, 20, ..., 50: at right angles are 10 and 30, opposite 10 and 40."""


def predictor(frame=FRAME, **features) -> rn.Predictor:
    ratings = rn.Ratings(frame, scale=(1, 5), **features)
    encoder = rn.Encoder.fit(ratings)
    model = rn.build_model(rn.SVDConfig(embedding_dim=2), encoder)
    model.get_layer("item_factors").embeddings.assign(VECTORS)
    return rn.Predictor(model, encoder).with_seen(ratings)


def reasons(of, items, n, user=1):
    found = Reasons(of, Lookup(of.encoder.items)).of(of, user, items, n)
    return [[(reason["item"], round(reason["similarity"], 4), reason["rating"]) for reason in each] for each in found]


def test_the_most_similar_of_what_was_rated_well_come_first():
    """The median of the ratings is 3.5, above the middle of the scale."""
    assert reasons(predictor(), [30, 20, 10, 40, 50], 2) == [
        [(20, 0.7071, 4)],
        [(20, 1.0, 4), (10, 0.7071, 5)],
        [(10, 1.0, 5), (20, 0.7071, 4)],
        [],
        [],
    ]
    assert reasons(predictor(), [20], 1) == [[(20, 1.0, 4)]]


@pytest.mark.parametrize(("rating", "liked"), [(3.0, [20, 30]), (2.5, [20])])
def test_well_is_the_middle_of_the_scale_or_better(rating, liked):
    frame = FRAME.assign(rating=[1, 3, rating, 1, 2])
    assert [item for item, *_ in reasons(predictor(frame), [20], 4)[0]] == liked


def test_where_nothing_is_known_or_asked_for_there_are_none():
    known = predictor()
    forgetful = rn.Predictor(known.model, known.encoder)
    assert reasons(known, [10, 20], 0) == [[], []]
    assert reasons(forgetful, [10, 20], 2) == [[], []]
    assert reasons(known, [10], 2, user=2) == [[]]
    encoder = known.encoder
    bias = rn.Predictor(rn.build_model(rn.BiasConfig(), encoder), encoder).with_seen(rn.Ratings(FRAME, scale=(1, 5)))
    assert reasons(bias, [10], 2) == [[]]


def test_names_are_told_or_the_id():
    titles = pd.DataFrame({"item": [10, 20, 30, 40, 50], "title": list("ABCDE")})
    for features, name in (({"item_features": titles}, "B"), ({}, "20")):
        known = predictor(**features)
        ((reason,),) = Reasons(known, Lookup(known.encoder.items)).of(known, 1, [30], 1)
        assert reason == {"item": 20, "name": name, "rating": 4.0, "similarity": pytest.approx(np.sqrt(0.5))}
