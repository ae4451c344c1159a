"""In which forms pairs can be asked for, and what is refused."""

import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import recsys_nn as rn
from tests.common.subject import PAIRS, Subject, numbers


def check_pairs_can_have_any_form(subject: Subject) -> None:
    """Tuples, a generator, an array, two arrays, two lists, Ratings and a frame are the same question."""
    users, items = PAIRS["user"].to_numpy(), PAIRS["item"].to_numpy()
    tuples = list(zip(users.tolist(), items.tolist(), strict=True))
    for form in (tuples, (pair for pair in tuples), PAIRS.to_numpy(), rn.Ratings(PAIRS.assign(rating=3))):
        np.testing.assert_array_equal(numbers(subject.predictor, form), subject.predicted)
    for of_users, of_items in ((users, items), (users.tolist(), items.tolist()), (PAIRS["user"], PAIRS["item"])):
        found = subject.predictor.predict(users=of_users, items=of_items)["prediction"]
        np.testing.assert_array_equal(found, subject.predicted)


def check_integers_can_have_any_type(subject: Subject) -> None:
    """Ids that are integers of any width, nullable, categories or Arrow's are the same ids."""
    for dtype in ("int16", "uint8", "uint64", "Int64", "category", "int64[pyarrow]", "object"):
        typed = PAIRS.assign(user=PAIRS["user"].astype(dtype))
        np.testing.assert_array_equal(numbers(subject.predictor, typed), subject.predicted)


def check_other_columns_and_their_order_do_not_matter(subject: Subject) -> None:
    """Columns that the model does not read can stand anywhere, ratings among them."""
    table = PAIRS.assign(rating=np.nan, timestamp="never", prediction=-1.0)
    for frame in (table, table[table.columns[::-1]]):
        np.testing.assert_array_equal(numbers(subject.predictor, frame), subject.predicted)


def check_the_index_does_not_matter(subject: Subject) -> None:
    """Indexes that repeat, have levels, or belong to a view of a larger table are not looked at."""
    repeated = PAIRS.set_axis([0] * len(PAIRS))
    levels = PAIRS.set_index(pd.MultiIndex.from_frame(PAIRS))
    view = pd.concat([PAIRS[::-1], PAIRS]).iloc[: len(PAIRS)].iloc[::-1]
    for frame in (repeated, levels, view):
        predicted = subject.predictor.predict(frame)
        np.testing.assert_array_equal(predicted["prediction"], subject.predicted)
        assert predicted.index.equals(pd.RangeIndex(len(PAIRS)))


def check_what_is_asked_is_not_changed(subject: Subject) -> None:
    """Arrays that cannot be written are read, and a frame is afterwards what it was."""
    users, items, frame = PAIRS["user"].to_numpy(copy=True), PAIRS["item"].to_numpy(copy=True), PAIRS.copy()
    for array in (users, items):
        array.flags.writeable = False
    found = subject.predictor.predict(users=users, items=items)["prediction"]
    np.testing.assert_array_equal(found, subject.predicted)
    subject.predictor.predict(frame, interval=0.9)
    pd.testing.assert_frame_equal(frame, PAIRS)


def check_ids_of_another_type_are_refused(subject: Subject) -> None:
    """Text, floats and truth values are no integers, even if they look like some."""
    for value, reason in (
        ("0", "of type integer, as in training, not string"),
        (0.0, "strings, not floating"),
        (True, "strings, not boolean"),
    ):
        with pytest.raises(rn.DataError, match=reason):
            subject.predictor.predict([(value, 100)])


def check_missing_and_mixed_ids_are_refused(subject: Subject) -> None:
    """None, NaN and ids of two types are DataErrors, with the row where it is one."""
    for missing in (None, np.nan, pd.NA):
        with pytest.raises(rn.DataError, match="row 1: the item id is missing"):
            subject.predictor.predict([(0, 100), (0, missing)])
    with pytest.raises(rn.DataError, match="mixed types"):
        subject.predictor.predict([(0, 100), ("a", 100)])


def check_integers_beyond_64_bits_are_refused(subject: Subject) -> None:
    """No integer is cut off to one that fits: 2^64 is not 0."""
    with pytest.raises(rn.DataError, match="18446744073709551616 does not fit"):
        subject.predictor.predict([(2**64, 100)])


def check_what_is_no_pair_is_refused(subject: Subject) -> None:
    """Triples, single ids, half a question and two questions at once are DataErrors."""
    for wrong in ([(0, 100, 3)], [0, 100], ["ab"], {"user": [0], "item": [100]}):
        with pytest.raises(rn.DataError, match=r"row 0: a pair must be \(user, item\)"):
            subject.predictor.predict(wrong)
    with pytest.raises(rn.DataError, match="no column 'item'"):
        subject.predictor.predict(PAIRS[["user"]])
    with pytest.raises(rn.DataError, match="pass pairs, or both"):
        subject.predictor.predict(users=[0])
    with pytest.raises(rn.DataError, match="either pairs, or users"):
        subject.predictor.predict(PAIRS, users=[0], items=[100])
    with pytest.raises(rn.DataError, match="users and items must have the same length, not 2 and 1"):
        subject.predictor.predict(users=[0, 1], items=[100])


def check_a_file_is_predicted_as_a_table(subject: Subject) -> None:
    """A Parquet file of pairs becomes one with the same numbers and sources."""
    with tempfile.TemporaryDirectory() as folder:
        asked, answered = Path(folder) / "pairs.parquet", Path(folder) / "predicted.parquet"
        PAIRS.to_parquet(asked)
        subject.predictor.predict_file(asked, answered)
        found = pd.read_parquet(answered)
    np.testing.assert_array_equal(found["prediction"], subject.predicted)
    assert (found["source"] == "model").all()
