"""Ids: what is kept exactly, and what is refused with which words."""

import pickle
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys_nn.data.ids import canonical_ids, id_type, integers_of_texts, parse_ids
from recsys_nn.errors import DataError, Places, RowError, in_column, plain_repr, refuse, row_number

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=50)
INT64 = st.integers(-(2**63), 2**63 - 1)
VISIBLE = st.text(st.characters(exclude_categories=("Cs", "Cc", "Z")), min_size=1)


def arrow(values: list[int] | list[str]) -> pd.Series:
    return pd.Series(pd.arrays.ArrowExtensionArray(pa.array(values)))


@pytest.mark.parametrize(
    "values",
    [
        [3, 1, 3],
        np.array([3, 1, 3], dtype="int8"),
        np.array([3, 1, 3], dtype="uint16"),
        np.array([3, 1, 3], dtype="uint64"),
        pd.Series([3, 1, 3], dtype=object),
        pd.Series([3, 1, 3], dtype="Int32"),
        pd.Series(pd.Categorical([3, 1, 3])),
        pd.Series([3, 1, 3], index=[7, 8, 9]),
        arrow([3, 1, 3]),
    ],
    ids=lambda values: f"{type(values).__name__} of {getattr(values, 'dtype', 'int')}",
)
def test_integers_of_any_width_become_int64(values):
    expected = pd.Series([3, 1, 3], dtype="int64")
    pd.testing.assert_series_equal(canonical_ids(values, "user"), expected, check_names=False)
    assert id_type(canonical_ids(values, "user")) == "integer"


@pytest.mark.parametrize(
    "values",
    [
        ["b", "a", "b"],
        np.array(["b", "a", "b"]),
        np.array(["b", "a", "b"], dtype=object),
        pd.Series(["b", "a", "b"], dtype="string"),
        pd.Series(pd.Categorical(["b", "a", "b"])),
        pd.Series(["b", "a", "b"], index=[7, 8, 9]),
        arrow(["b", "a", "b"]),
    ],
    ids=lambda values: f"{type(values).__name__} of {getattr(values, 'dtype', 'str')}",
)
def test_strings_of_any_kind_become_str(values):
    expected = pd.Series(["b", "a", "b"], dtype="str")
    pd.testing.assert_series_equal(canonical_ids(values, "user"), expected, check_names=False)
    assert id_type(canonical_ids(values, "user")) == "string"


@REPEATABLE
@given(st.lists(INT64, min_size=1))
@example([2**53, 2**53 + 1, 2**63 - 1, -(2**63), -7, 0])
def test_every_64_bit_integer_is_kept_exactly(ids):
    assert canonical_ids(ids, "user").tolist() == ids


@REPEATABLE
@given(st.lists(VISIBLE, min_size=1))
@example(["007", "7", "7.0", "-7", "+7", "1e3", "NA", "nan", "None", "null", "true"])
@example(["é", "e\u0301", "用户", "🎬", "a b", "a,b", '"', "9223372036854775808"])
def test_every_string_is_kept_exactly(ids):
    assert canonical_ids(ids, "user").tolist() == ids


REFUSED = {
    "a number among strings": (
        [1, "2"],
        (
            r"row 0 and others: the user ids are of mixed types \(int, str\): convert them all to "
            r"int or all to str, for example with frame\['user'\].astype\(str\)$"
        ),
    ),
    "a float among strings": (["a", 1.5], r"mixed types \(float, str\)"),
    "a bool among integers": (pd.Series([1, True], dtype=object), r"mixed types \(bool, int\)"),
    "floats": (
        [1.0, 2.0],
        ("row 0: the user ids must be integers or strings, not floating"),
    ),
    "a float among integers": (
        pd.Series([1, 2.0], dtype=object),
        "row 0: the user ids must be integers or strings, not mixed-integer-float as 1 is: "
        r"convert them, for example with frame\['user'\].astype\('int64'\) or .astype\(str\)$",
    ),
    "bools": (
        [True, False],
        "row 0: the user ids must be integers or strings, not boolean as True is: convert "
        r"them, for example with frame\['user'\].astype\('int64'\) or .astype\(str\)$",
    ),
    "bytes": (
        [b"a"],
        "row 0: the user ids must be integers or strings, not bytes as b'a' is: convert "
        r"them, for example with frame\['user'\].astype\('int64'\) or .astype\(str\)$",
    ),
    "dates": (
        pd.to_datetime(["2020-01-01"]),
        "row 0: the user ids must be integers or strings, not datetime64 as "
        r"Timestamp\('2020-01-01 00:00:00'\) is: convert them, for example with "
        r"frame\['user'\].astype\('int64'\) or .astype\(str\)$",
    ),
    "None among strings": (["a", None], "row 1: the user id is missing"),
    "None among integers": ([1, None, 2], "row 1: the user id is missing"),
    "NaN": ([np.nan, np.nan], "row 0: the user id is missing"),
    "NA": (pd.Series([1, 2, None], dtype="Int64"), "row 2: the user id is missing"),
    "an empty category": (pd.Categorical(["a", None]), "row 1: the user id is missing"),
    "an empty string": (["a", ""], "row 1: the user id '' is empty"),
    "a blank in front": (
        ["a", " b"],
        (
            r"row 1: the user id ' b' begins or ends with white space \(if ', ' separates the "
            r"fields, set the option separator to ', '\)$"
        ),
    ),
    "a line end behind": (["a\n"], r"row 0: the user id 'a\\n' begins or ends with white space"),
    "2**63": (
        [1, 2**63],
        f"row 1: the user id {2**63} does not fit into a signed 64-bit integer: convert the user ids to strings",
    ),
    "2**63, unsigned": (np.array([1, 2**63], dtype="uint64"), f"row 1: the user id {2**63} does not fit"),
    "2**70": ([1, 2**70], f"row 1: the user id {2**70} does not fit into a signed 64-bit integer"),
    "below -2**63": ([1, -(2**63) - 1], f"row 1: the user id {-(2**63) - 1} does not fit"),
    "half a character": (["\ud800"], r"a user id is not valid unicode: '\\ud800'"),
    "half a character, as an object": (pd.Series(["a", "\ud800"], dtype=object), "user id.* is not valid unicode"),
}


@pytest.mark.parametrize(("values", "message"), REFUSED.values(), ids=REFUSED)
def test_whatever_is_neither_integers_nor_strings_is_refused(values, message):
    with pytest.raises(DataError, match=message):
        canonical_ids(values, "user")


@pytest.mark.parametrize("values", [["a", None], ["a", ""], [1, 2**63]], ids=["missing", "empty", "too large"])
def test_an_error_names_the_side_and_the_place_of_the_row(values):
    with pytest.raises(DataError, match=r"^ratings\.csv, line 3: the item id "):
        canonical_ids(values, "item", lambda row: f"ratings.csv, line {row + 2}")


def test_no_ids_at_all_are_no_error():
    assert canonical_ids([], "user").tolist() == []


def as_plain_integer(text: str) -> int | None:
    """What Python says: the number that is written exactly so, if it has 64 bits."""
    try:
        number = int(text)
    except ValueError:
        return None
    return number if str(number) == text and -(2**63) <= number < 2**63 else None


@REPEATABLE
@given(
    st.lists(st.one_of(st.text("0123456789-+_. \n", max_size=21), st.integers(-(2**65), 2**65).map(str)), min_size=1)
)
@example(["0", "-0", "007", "+7", "7.0", " 7", "7\n", "1_000", "1e3", "٣", "", "-", "NA"])
@example([str(bound) for bound in (2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 10**19, 10**20, 2**53 + 1)])
def test_a_text_is_an_integer_only_in_its_plain_64_bit_form(texts):
    numbers = integers_of_texts(pd.Series(texts, dtype="str"))
    assert [None if number is pd.NA else number for number in numbers] == [as_plain_integer(text) for text in texts]


def test_texts_read_as_integers_become_int64():
    ids = parse_ids(pd.Series(["7", "-7", "9007199254740993"]), "integer", "user")
    assert ids.dtype == np.int64
    assert ids.tolist() == [7, -7, 9007199254740993]


def test_texts_read_as_strings_stay_as_they_are():
    assert parse_ids(pd.Series(["007", "NA", "-7"]), "string", "user").tolist() == ["007", "NA", "-7"]


@pytest.mark.parametrize("text", ["007", "NA", "7.0", "", "+7", "9223372036854775808"])
def test_text_that_is_no_plain_integer_is_refused_where_ids_are_integers(text):
    message = f"row 1: the user id must be a plain 64-bit integer, as other user ids are, not {text!r}"
    with pytest.raises(DataError, match=re.escape(message)):
        parse_ids(pd.Series(["7", text]), "integer", "user")


def test_a_message_shows_ids_without_numpys_type_names():
    assert plain_repr(np.int64(7)) == "7"
    assert plain_repr(np.str_("7")) == "'7'"


# The rows that are refused


@pytest.mark.parametrize(
    ("ids", "rows", "reasons"),
    [
        (["a", "", " b", "c"], [1, 2], ["the user id '' is empty", "the user id ' b' begins or ends with white space"]),
        (["a", None, "b", None], [1, 3], ["the user id is missing"] * 2),
        (
            pd.Series([1, 2**63, 7, 2**64 - 1], dtype="uint64"),
            [1, 3],
            [
                (
                    "the user id 9223372036854775808 does not fit into a signed 64-bit integer: convert the user ids "
                    "to strings"
                ),
                "the user id 18446",
            ],
        ),
        (pd.Series([1, None, 7], dtype="Int64"), [1], ["the user id is missing"]),
        (
            pd.Series([2**63 - 1, 2**63, -(2**63), -(2**63) - 1], dtype=object),
            [1, 3],
            ["the user id 9223372036854775808 does not fit", "the user id -9223372036854775809 does not fit"],
        ),
    ],
)
def test_the_error_names_the_first_bad_row_and_knows_all(ids, rows, reasons):
    with pytest.raises(RowError, match=f"^row {rows[0]}: {reasons[0]}") as caught:
        canonical_ids(ids, "user")
    assert caught.value.rows.tolist() == rows
    for row, reason in zip(rows, reasons, strict=True):
        assert caught.value.reason(row).startswith(reason)


def test_ids_that_are_no_plain_integers_are_all_known():
    with pytest.raises(
        RowError, match="^row 0: the item id must be a plain 64-bit integer, as other item ids are, not '07'$"
    ) as caught:
        parse_ids(pd.Series(["07", "7", "x"]), "integer", "item")
    assert caught.value.rows.tolist() == [0, 2]
    assert caught.value.reason(2).startswith(
        "the item id must be a plain 64-bit integer, as other item ids are, not 'x'"
    )


def test_nothing_is_refused_where_no_row_is_bad():
    refuse(np.array([False, False]), str, str)


def test_an_error_of_rows_of_a_part_is_one_of_rows_of_the_whole():
    bad = np.array([False, True, True])
    with pytest.raises(RowError) as caught:
        refuse(bad, lambda row: f"row {row}", "the {}th is bad".format)
    whole = caught.value.among(np.array([4, 5, 9]))
    assert str(whole) == str(caught.value) == "row 1: the 1th is bad"
    assert whole.rows.tolist() == [5, 9]
    assert [whole.reason(row) for row in (5, 9)] == ["the 1th is bad", "the 2th is bad"]


def test_an_error_of_rows_reaches_another_process():
    with pytest.raises(RowError) as caught:
        refuse(np.array([True]), lambda row: f"row {row}", lambda _: "bad")
    error = pickle.loads(pickle.dumps(caught.value))
    assert isinstance(error, DataError)
    assert str(error) == "row 0: bad"


def test_a_place_names_its_column_where_that_has_a_name_of_its_own():
    places = Places(lambda row: f"a.csv, line {row + 2}", {"user": "userId", "item": "item"})
    assert places(3) == "a.csv, line 5"
    assert in_column(places, "user")(3) == "a.csv, line 5, column 'userId'"
    for role in ("item", "rating"):
        assert in_column(places, role)(3) == "a.csv, line 5"
    assert in_column(row_number, "user") is row_number
