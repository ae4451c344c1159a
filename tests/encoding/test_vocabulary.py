"""Ids and rows: row 0 is unknown, and an id of the other type is never matched in silence."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys_nn.encoding.vocabulary import DistinctIds, Vocabulary
from recsys_nn.errors import DataError

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=50)
INTEGERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1)


def fitted(*ids: int | str) -> Vocabulary:
    return Vocabulary.fit("user", pd.Series(list(ids), dtype="str" if isinstance(ids[0], str) else "int64"))


@pytest.mark.parametrize(
    ("ids", "in_order", "kind"),
    [((10, -3, 9, 10), [-3, 9, 10], "integer"), (("10", "b", "9", "B", "10"), ["10", "9", "B", "b"], "string")],
    ids=["integers", "strings"],
)
def test_rows_follow_the_sorted_distinct_ids_from_1(ids, in_order, kind):
    vocabulary = fitted(*ids)
    assert vocabulary.ids.tolist() == in_order
    assert vocabulary.type == kind
    assert vocabulary.n_rows == len(in_order) + 1
    assert vocabulary.lookup(in_order).tolist() == list(range(1, len(in_order) + 1))


def test_unknown_ids_have_row_0():
    assert fitted(5, 7).lookup([7, 6, 5, -7]).tolist() == [2, 0, 1, 0]
    assert fitted("a", "c").lookup(["c", "b", "A"]).tolist() == [2, 0, 0]


@pytest.mark.parametrize(("ids", "unknown"), [((0, 1, 3), 2), ((-5, 7), 0), (("0", "1", "a"), "2")])
def test_an_unknown_id_is_of_the_same_type_and_has_row_0(ids, unknown):
    vocabulary = fitted(*ids)
    assert vocabulary.unknown_id == unknown
    assert vocabulary.lookup([unknown]).tolist() == [0]


def test_rows_are_int32_also_where_nothing_is_asked_or_known():
    vocabulary = fitted("a")
    for asked in (["a"], [], ["b"]):
        found = vocabulary.lookup(asked)
        assert found.dtype == np.int32
        assert len(found) == len(asked)


@REPEATABLE
@given(st.one_of(st.lists(INTEGERS, min_size=1), st.lists(TEXTS, min_size=1)), st.randoms())
@example([2**53, 2**53 + 1, 2**63 - 1, -(2**63)], None)
@example(["007", "7", "NA", "e\u0301", "é"], None)
def test_every_id_comes_back_from_its_row(ids, random):
    known = ids if random is None else [one for one in ids if random.random() < 0.5] or ids[:1]
    vocabulary = fitted(*known)
    found = vocabulary.lookup(ids)
    assert [one in known for one in ids] == (found > 0).tolist()
    assert [vocabulary.ids[row - 1] if row else None for row in found] == [one if one in known else None for one in ids]


@pytest.mark.parametrize(
    ("known", "asked", "message"),
    [
        (
            ("196", "x"),
            [7, 196],
            "row 1: the user ids must be of type string, as in training, not integer as 196 is: "
            r"cast them \(1 of 2 would match then\)$",
        ),
        (
            (196, 242),
            ["x", "242", "196"],
            "row 1: the user ids must be of type integer, as in training, not string as '242' "
            r"is: cast them \(2 of 3 would match then\)$",
        ),
        (
            (2**53 + 1, 2**53),
            [str(2**53 + 1)],
            "row 0: the user ids must be of type integer, as in training, not string as "
            r"'9007199254740993' is: cast them \(1 of 1 would match then\)$",
        ),
        (
            ("196", "007"),
            [7, 197],
            "row 0: the user ids must be of type string, as in training, not integer as 7 is: "
            r"cast them \(0 of 2 would match then\)$",
        ),
        (
            (196, 7),
            ["197", "007", "7.0", "abc", "+7"],
            "row 0: the user ids must be of type integer, as in training, not string as '197' "
            r"is: cast them \(0 of 5 would match then\)$",
        ),
        ((2**53,), [str(2**53 + 1)], r"\(0 of 1 would match"),
    ],
)
def test_ids_of_another_type_are_refused_whether_or_not_a_cast_would_match(known, asked, message):
    with pytest.raises(DataError, match=message):
        fitted(*known).lookup(asked)


def test_an_error_names_the_side_and_the_place_of_the_row():
    with pytest.raises(
        DataError,
        match="^pairs.csv, line 3: the user ids must be of type integer, as in training, not "
        r"string as '5' is: cast them \(1 of 2 would match then\)$",
    ):
        fitted(5, 7).lookup(["x", "5"], lambda row: f"pairs.csv, line {row + 2}")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            [5.0],
            "row 0: the user ids must be integers or strings, not floating",
        ),
        ([5, None], "row 1: the user id is missing"),
    ],
    ids=["floats", "missing"],
)
def test_what_is_no_id_is_refused_and_not_unknown(asked, message):
    with pytest.raises(DataError, match=message):
        fitted(5, 7).lookup(pd.Series(asked))


@REPEATABLE
@given(
    st.one_of(
        st.lists(st.lists(ids, min_size=1, max_size=4), min_size=1, max_size=12)
        for ids in (
            st.integers(0, 9),
            st.sampled_from([-(2**63), -1, 2**63 - 1]),
            st.sampled_from(["7", "007", "a", "b", "A"]),
        )
    )
)
def test_the_distinct_ids_of_parts_are_those_of_the_whole(parts):
    dtype = "str" if isinstance(parts[0][0], str) else "int64"
    distinct = DistinctIds()
    for part in parts:
        distinct.add(pd.Series(part, dtype=dtype))
    assert sorted(distinct.merged()) == sorted({one for part in parts for one in part})
    assert distinct.merged().dtype == dtype
