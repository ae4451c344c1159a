"""The training ratings by user, by hand."""

import numpy as np
import pandas as pd
import pytest

from recsys_nn import ArtifactError, Encoder, Ratings
from recsys_nn.encoding.seen import SeenRatings
from recsys_nn.files.untrusted_parquet import plain_table

FRAME = pd.DataFrame({"user": list("cabab"), "item": [3, 2, 1, 1, 2], "rating": [1.5, 2, 3, 4, 5]})
ENCODER = Encoder.fit(Ratings(FRAME, scale=(1, 5)))
SEEN = SeenRatings.of(ENCODER, [FRAME[:2], FRAME[2:]])


def test_they_lie_by_user_and_then_by_item():
    assert SEEN.starts.tolist() == [0, 0, 2, 4, 5]
    assert SEEN.items.tolist() == [1, 2, 1, 2, 3]
    assert SEEN.ratings.tolist() == [4, 2, 3, 5, 1.5]
    assert SEEN.users.tolist() == [1, 1, 2, 2, 3]
    assert (SEEN.users.dtype, SEEN.items.dtype, SEEN.ratings.dtype) == (np.int32, np.int32, np.float32)
    found = SEEN.to_frame(ENCODER)
    pd.testing.assert_frame_equal(found, FRAME.sort_values(["user", "item"], ignore_index=True), check_dtype=False)


def test_ids_that_training_has_not_seen_are_left_out():
    other = pd.DataFrame({"user": ["a", "d", "a"], "item": [3, 1, 9], "rating": [1, 2, 3]})
    assert SeenRatings.of(ENCODER, [other]).to_frame(ENCODER).to_numpy().tolist() == [["a", 3, 1.0]]


def test_those_of_some_users():
    position, place = SEEN.of_users(np.array([3, 0, 1, 9, 4, 1], np.int32))
    assert position.tolist() == [0, 2, 2, 5, 5]
    assert place.tolist() == [4, 0, 1, 0, 1]


def test_joined_with_those_of_more_users():
    more = SeenRatings._sorted(6, np.array([5, 1], np.int32), np.array([2, 3], np.int32), np.array([1, 2], np.float32))
    for found in (SEEN.joined(more), more.joined(SEEN)):
        assert found.starts.tolist() == [0, 0, 3, 5, 6, 6, 7]
        assert found.items.tolist() == [1, 2, 3, 1, 2, 3, 2]
        assert found.ratings.tolist() == [4, 2, 2, 3, 5, 1.5, 1]


def test_a_later_rating_of_a_pair_takes_the_place_of_the_one_before():
    again = SeenRatings._sorted(3, *(np.array(each, kind) for each, kind in (([1], "i4"), ([2], "i4"), ([5], "f4"))))
    joined = SEEN.joined(again)
    assert len(joined.items) == len(SEEN.items)
    of_1 = joined.starts[1:3]
    assert dict(zip(joined.items[slice(*of_1)], joined.ratings[slice(*of_1)], strict=True))[2] == 5.0


def test_a_file_gives_them_back():
    found = SeenRatings.from_parquet(SEEN.to_parquet(), ENCODER, "seen.parquet")
    for name in ("starts", "items", "ratings"):
        np.testing.assert_array_equal(getattr(found, name), getattr(SEEN, name))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"user": [4, 1]}, "it names users that the encoder does not have"),
        ({"item": [-1, 1]}, "it names items that the encoder does not have"),
        ({"item": [0.5, 1.0]}, "it names items that the encoder does not have"),
        ({"rating": np.array([1, np.inf], np.float32)}, "its ratings must be finite"),
        ({"rating": np.array([1, 2], np.float64)}, "its ratings must be finite"),
    ],
)
def test_a_file_of_another_encoder_is_told(changes, told):
    table = pd.DataFrame({"user": [1, 3], "item": [0, 3], "rating": np.array([1, 2], np.float32)})
    SeenRatings.from_parquet(plain_table(table, "zstd"), ENCODER, "seen.parquet")
    with pytest.raises(ArtifactError) as refused:
        SeenRatings.from_parquet(plain_table(table.assign(**changes), "zstd"), ENCODER, "seen.parquet")
    assert str(refused.value) == f"seen.parquet is damaged: {told}"
