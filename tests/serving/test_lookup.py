"""The lean look-up gives the rows that the encoder gives."""

from __future__ import annotations

import numpy as np
import pytest

import recsys_nn as rn
from recsys_nn.serving.lookup import PairLookup


def test_rows_are_the_encoders(predictor):
    encoder = predictor.encoder
    users = [*encoder.users.ids.tolist(), "nobody"]
    items = [encoder.items.ids.iloc[0]] * len(users)
    found, expected = PairLookup(encoder).inputs(users, items, None), encoder.encode_pairs(users, items)
    assert found.keys() == expected.keys()
    for name, rows in expected.items():
        np.testing.assert_array_equal(found[name], rows)
        assert found[name].dtype == rows.dtype


def test_an_id_of_another_type_is_told_by_its_place(predictor):
    user, item = predictor.encoder.users.ids.iloc[0], predictor.encoder.items.ids.iloc[0]
    with pytest.raises(
        rn.DataError,
        match=r"items\[1\]: the item ids must be of type string, as in training, not integer as 5 "
        r"is: cast them \(0 of 1 would match then\)$",
    ):
        PairLookup(predictor.encoder).inputs([user, user], [item, 5], None)
