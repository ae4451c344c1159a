import numpy as np
import pandas as pd
import pytest

from recsys_nn import DataError, Encoder, Ratings
from recsys_nn.encoding.joint import JointEncoder

FRAME = pd.DataFrame(
    {"user": list("bbccd"), "item": [1, 2, 1, 3, 2], "rating": [1, 5, 2, 4, 3], "hour": [1, 2, 3, 4, 5]}
)
RATINGS = Ratings(
    FRAME,
    scale=(1, 5),
    user_features=pd.DataFrame({"user": list("abcd"), "age": [10, 20, 30, 40]}),
    rating_features=["hour"],
)
PLAIN = Encoder.fit(RATINGS)
BY_AGE = Encoder.fit(RATINGS, features={"user": ["age"]})
BY_HOUR = Encoder.fit(RATINGS, features={"rating": ["hour"]})


def test_each_member_gives_its_own_inputs():
    joint = JointEncoder.of({"plain": PLAIN, "by_age": BY_AGE, "by_hour": BY_HOUR})
    inputs = joint.encode_pairs(["b", "a"], [2, 9], context=pd.DataFrame({"hour": [3, 3]}))
    assert set(inputs) == {
        *("user", "item", "user_1", "item_1", "user_2", "item_2", "user_3", "item_3"),
        *("context_rows_3", "context_weights_3"),
    }
    assert inputs["user"].tolist() == inputs["user_1"].tolist() == [1, 0]
    assert inputs["user_2"].tolist() == [2, 1]  # a has a row where its age is known
    np.testing.assert_array_equal(inputs["context_weights_3"], [[0.0], [0.0]])  # 3 is the mean hour
    assert joint.context_columns == ("hour",)


def test_it_knows_what_the_first_knows():
    joint = JointEncoder.of({"by_age": BY_AGE, "plain": PLAIN})
    assert (joint.n_users, joint.rating_mean, joint.scale) == (4, 3.0, (1.0, 5.0))
    assert joint.user_counts is BY_AGE.user_counts


@pytest.mark.parametrize(
    ("frame", "scale", "message"),
    [
        (
            FRAME.assign(item=list("12132")),
            (1, 5),
            (
                r"its types of ids \{'user': 'string', 'item': 'string'\} is not \{'user': 'string', 'item': "
                r"'integer'\}; train them on the same data with the same seed"
            ),
        ),
        (FRAME, (0, 5), r"its rating scale \(0.0, 5.0\) is not \(1.0, 5.0\)"),
        (FRAME.head(4), (1, 5), "its number of ratings 4 is not 5"),
        (FRAME.assign(rating=[1, 5, 2, 4, 4]), (1, 5), "its mean rating 3.2 is not 3"),
        (FRAME.assign(user=list("bbccx")), (1, 5), "its ratings by user are others"),
        (FRAME.assign(item=[1, 2, 2, 3, 2]), (1, 5), "its ratings by item are others"),
    ],
)
def test_encoders_of_other_ratings_are_refused(frame, scale, message):
    other = Encoder.fit(Ratings(frame, scale=scale))
    with pytest.raises(DataError, match=f"other and plain were trained on different ratings: {message}"):
        JointEncoder.of({"plain": PLAIN, "other": other})


def test_a_pair_that_cannot_be_encoded_is_named_with_its_place():
    joint = JointEncoder.of({"plain": PLAIN, "by_hour": BY_HOUR})
    with pytest.raises(DataError, match="^line 1: the user id '' is empty$"):
        joint.encode_pairs(["b", ""], [1, 1], context=pd.DataFrame({"hour": [1, 1]}), where=lambda row: f"line {row}")
