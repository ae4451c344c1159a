"""Numbers, times and texts: which of them a column holds, and how one is read as another."""

import datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from recsys_nn.data.feature_values import (
    Written,
    as_numbers,
    as_texts,
    as_times,
    plain_column,
    plain_column_or_missing,
    plain_values,
    values_of_texts,
)
from recsys_nn.errors import DataError, RowError, row_number

PLAIN = {
    "integers": ([1, 2], "Int64", [1, 2]),
    "integers, one missing": (pd.Series([1, None], dtype=object), "Int64", [1, None]),
    "nullable integers": (pd.Series([1, None], dtype="Int8"), "Int64", [1, None]),
    "integers beyond 64 bits": (np.array([1, 2**64 - 1], dtype=np.uint64), "float64", [1.0, 2.0**64]),
    "floats": ([0.5, np.nan], "float64", [0.5, None]),
    "decimals": ([Decimal("0.5"), None], "float64", [0.5, None]),
    "texts": (["a", "", None], "str", ["a", None, None]),
    "booleans": ([True, False, None], "str", ["True", "False", None]),
    "texts and numbers": (["a", 7], "str", ["a", "7"]),
    "categories": (pd.Series(["a", None], dtype="category"), "str", ["a", None]),
    "categories that are integers": (pd.Series([7, None], dtype="category"), "Int64", [7, None]),
    "dates": ([datetime.date(2004, 2, 10), None], "datetime64[us]", [pd.Timestamp("2004-02-10"), None]),
    "times elsewhere": (
        pd.to_datetime(["2004-02-10T01:00+02:00"]),
        "datetime64[us]",
        [pd.Timestamp("2004-02-09T23:00")],
    ),
    "nothing": ([None, None], "str", [None, None]),
}


@pytest.mark.parametrize(("values", "dtype", "expected"), PLAIN.values(), ids=PLAIN)
def test_values_are_numbers_times_or_texts(values, dtype, expected):
    found = plain_values(values, "x", row_number)
    assert found.dtype == dtype
    assert [None if pd.isna(value) else value for value in found] == expected


def test_values_of_another_type_are_refused_with_their_row():
    with pytest.raises(
        DataError,
        match=r"row 1: the feature 'genres' must be a number, a text or a time, not \['a', 'b'\] "
        r"\(list\)$",
    ):
        plain_values(["a", ["a", "b"]], "genres", row_number)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["7", "", "-12"], [7, None, -12]),
        (["7", "0.5", "1e3"], [7.0, 0.5, 1000.0]),
        (["7", "007"], ["7", "007"]),
        (["7", "x"], ["7", "x"]),
        (["7", "nan"], ["7", "nan"]),
        (["", ""], ["", ""]),
        ([str(2**70)], [2.0**70]),
    ],
    ids=["whole", "decimal", "a leading zero", "a word", "not a number", "all empty", "beyond 64 bits"],
)
def test_a_column_of_a_text_file_is_numeric_where_each_text_is_written_as_a_number(texts, expected):
    found = values_of_texts(pd.Series(texts, dtype="str"))
    assert [None if pd.isna(value) else value for value in found] == expected


@pytest.mark.parametrize(
    ("texts", "written"),
    [
        (["", ""], Written.NOTHING),
        (["7", "", "-1"], Written.INTEGERS),
        (["7", "-0.5", "1e3", "1E-3"], Written.NUMBERS),
        (["7", "007"], Written.TEXTS),
    ],
)
def test_a_part_of_a_column_is_read_as_the_whole_column_is_written(texts, written):
    assert Written.of(pd.Series(texts, dtype="str")) is written
    part = pd.Series(["7", ""], dtype="str")
    expected = {"Int64": [7, None], "float64": [7.0, None], "str": ["7", ""]}
    found = values_of_texts(part, written)
    kind = {Written.INTEGERS: "Int64", Written.NUMBERS: "float64"}.get(written, "str")
    assert str(found.dtype) == kind
    assert [None if pd.isna(value) else value for value in found] == expected[kind]


def test_whole_numbers_name_the_same_category_however_they_are_held():
    names = [as_texts(plain_values(values, "x", row_number), "x")[0] for values in (["5"], [5], [5.0], [Decimal(5)])]
    assert names == ["5"] * 4
    assert as_texts(pd.Series([2.5, 1e20, np.nan]), "x").tolist()[:2] == ["2.5", "100000000000000000000"]
    assert as_texts(pd.Series([2.5, np.nan]), "x").isna().tolist() == [False, True]


def test_all_times_that_are_none_are_known_by_their_rows():
    with pytest.raises(RowError) as caught:
        as_times(pd.Series([None, "soon", "1970-01-02", "late"]), "x", row_number)
    assert caught.value.rows.tolist() == [1, 3]
    assert caught.value.reason(3).startswith(
        "the timestamp 'late' must be epoch seconds or an ISO 8601 date such as 2004-02-10"
    )


def test_texts_are_read_as_numbers_or_refused():
    np.testing.assert_array_equal(as_numbers(pd.Series(["0.5", None, "7"]), "x", row_number), [0.5, np.nan, 7])
    with pytest.raises(DataError, match="row 1: the feature 'x' must be a finite number, not 'old'$"):
        as_numbers(pd.Series(["7", "old"]), "x", row_number)
    with pytest.raises(DataError, match="row 0: the feature 'x' must be a finite number, not inf$"):
        as_numbers(pd.Series([np.inf]), "x", row_number)


def test_numbers_and_texts_are_read_as_times_or_refused():
    expected = [pd.Timestamp("1970-01-02"), pd.NaT]
    assert as_times(pd.Series([86_400, None], dtype="Int64"), "x", row_number).tolist() == expected
    assert as_times(pd.Series(["1970-01-02", None]), "x", row_number).tolist() == expected
    with pytest.raises(
        DataError,
        match="row 2, the feature 'x': the timestamp 'soon' must be epoch seconds or an ISO 8601 "
        "date such as 2004-02-10$",
    ):
        as_times(pd.Series(["1970-01-02", None, "soon"]), "x", row_number)


@pytest.mark.parametrize(("read", "kind"), [(as_texts, "categorical"), (as_numbers, "numeric")])
def test_times_are_of_the_kind_date_alone(read, kind):
    arguments = [row_number] if read is as_numbers else []
    with pytest.raises(DataError, match=f"^the feature 'x' holds times: set its kind to date, not {kind}$"):
        read(pd.Series(pd.to_datetime(["2004-02-10"])), "x", *arguments)


def test_a_column_that_is_not_there_is_missing_everywhere():
    frame = pd.DataFrame({"age": [1, 2, 3]}, index=[7, 8, 9])
    expected = pd.Series([np.nan] * 3, dtype="float64")
    pd.testing.assert_series_equal(plain_column_or_missing(frame, "mood", row_number), expected)
    pd.testing.assert_series_equal(
        plain_column_or_missing(frame, "age", row_number), pd.Series([1, 2, 3], dtype="Int64"), check_names=False
    )


def test_a_value_of_another_type_is_named_with_its_column_and_row():
    frame = pd.DataFrame({"moods": ["calm", {"glad"}]})
    message = r"^row 1: the feature 'moods' must be a number, a text or a time, not \{'glad'\} \(set\)$"
    for read in (
        lambda: plain_column(frame, "moods", "user", row_number),
        lambda: plain_column_or_missing(frame, "moods", row_number),
    ):
        with pytest.raises(DataError, match=message):
            read()
