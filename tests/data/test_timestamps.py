"""Times: seconds and ISO dates become UTC; what would be read as another time is refused."""

from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from recsys_nn.data.timestamps import as_timestamps
from recsys_nn.errors import DataError

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=50)
FIRST_SECOND, LAST_SECOND = -2_208_988_800, 7_258_118_400  # 1900-01-01 and 2200-01-01


def times(values: object) -> list[datetime]:
    result = as_timestamps(values)
    assert result.dtype == "datetime64[us]"
    assert result.index.tolist() == list(range(len(result)))
    return [moment.to_pydatetime() for moment in result]


SEP_9 = datetime(2001, 9, 9, 1, 46, 40)
FEB_10 = datetime(2004, 2, 10)

KEPT = {
    "seconds": ([1_000_000_000], SEP_9),
    "seconds as text": (["1000000000"], SEP_9),
    "seconds as floats": ([1e9], SEP_9),
    "seconds as nullable integers": (pd.Series([1_000_000_000], dtype="Int64"), SEP_9),
    "half a second": (["1000000000.5"], SEP_9 + timedelta(seconds=0.5)),
    "the epoch": ([0], datetime(1970, 1, 1)),
    "before the epoch": ([-86_400], datetime(1969, 12, 31)),
    "the earliest": ([FIRST_SECOND], datetime(1900, 1, 1)),
    "the latest": ([LAST_SECOND], datetime(2200, 1, 1)),
    "an ISO date": (["2004-02-10"], FEB_10),
    "an ISO date-time": (["2001-09-09 01:46:40"], SEP_9),
    "an ISO date-time with T": (["2001-09-09T01:46:40"], SEP_9),
    "an ISO date-time in UTC": (["2001-09-09T01:46:40Z"], SEP_9),
    "an ISO date-time with an offset": (["2001-09-09T03:46:40+02:00"], SEP_9),
    "dates": ([date(2004, 2, 10)], FEB_10),
    "naive datetimes": (pd.Series([SEP_9]), SEP_9),
    "datetimes of a zone": (
        pd.Series([SEP_9.replace(tzinfo=timezone(timedelta(hours=-5)))]),
        SEP_9 + timedelta(hours=5),
    ),
    "datetimes in whole seconds": (np.array(["2004-02-10"], dtype="datetime64[s]"), FEB_10),
    "a Series with another index": (pd.Series([1_000_000_000], index=[7]), SEP_9),
}


@pytest.mark.parametrize(("values", "expected"), KEPT.values(), ids=KEPT)
def test_a_time_is_held_in_utc(values, expected):
    assert times(values) == [expected]


@REPEATABLE
@given(st.integers(FIRST_SECOND, LAST_SECOND))
@example(7_200_000_001)
def test_seconds_are_what_the_standard_library_says(seconds):
    assume(not 19_000_101 <= seconds <= 22_001_231 and not 1900 <= seconds <= 2200)
    expected = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    assert times([seconds]) == times([str(seconds)]) == [expected.replace(tzinfo=None)]


@REPEATABLE
@given(st.lists(st.datetimes(datetime(1900, 1, 1), datetime(2199, 12, 31)), min_size=1))
def test_iso_texts_are_kept_to_the_microsecond(moments):
    assert times([moment.isoformat() for moment in moments]) == moments


REFUSED = {
    "milliseconds": (
        [1_000_000_000_000],
        "row 0: the timestamp 1000000000000 is out of range as epoch seconds: divide milliseconds by 1000$",
    ),
    "milliseconds as text": (
        ["1000000000000"],
        "row 0: the timestamp 1000000000000 is out of range as epoch seconds: divide milliseconds by 1000$",
    ),
    "nanoseconds": ([10**18], "is out of range as epoch seconds"),
    "the first seconds that are too many": (
        [7_300_000_001],
        "row 0: the timestamp 7300000001 is out of range as epoch seconds: divide milliseconds by 1000$",
    ),
    "the last that are not": (
        [7_300_000_000],
        "must be between the years 1900 and 2200$",
    ),
    "the first that are too few": ([-2_300_000_001], "out of range as epoch seconds"),
    "the last that are not too few": (
        [-2_300_000_000],
        "must be between the years 1900 and 2200$",
    ),
    "the first and the last year": ([1900, 2200], "the timestamp 1900 looks like a year"),
    "the first and the last day": ([19000101, 22001231], "the timestamp 19000101 looks like a date"),
    "dates as numbers": (
        [20040210, 20040211],
        "row 0: the timestamp 20040210 looks like a date, not like epoch seconds: write it as 2004-02-10$",
    ),
    "dates as text without dashes": (["20040210"], "row 0: the timestamp 20040210 looks like a date"),
    "years": (
        [1999, 2004],
        "row 0: the timestamp 1999 looks like a year, not like epoch seconds: write it as 1999-01-01$",
    ),
    "years as text": (["2004"], "row 0: the timestamp 2004 looks like a year"),
    "the time of reading": (
        ["now"],
        "^row 0: the timestamp 'now' must be epoch seconds or an ISO 8601 date such as 2004-02-10$",
    ),
    "a span of time": (
        pd.to_timedelta([1]),
        r"row 0: the timestamp Timedelta\('0 days 00:00:00.000000001'\) must be epoch seconds "
        "or an ISO date$",
    ),
    "dates in another order": (
        ["10/02/2004"],
        "row 0: the timestamp '10/02/2004' must be epoch seconds or an ISO 8601 date such as 2004-02-10$",
    ),
    "a day that is none": (
        ["2004-02-10", "2004-02-30"],
        "row 1: the timestamp '2004-02-30' must be epoch seconds or an ISO 8601 date such as 2004-02-10$",
    ),
    "words": (
        ["yesterday"],
        "row 0: the timestamp 'yesterday' must be epoch seconds or an ISO 8601 date such as 2004-02-10$",
    ),
    "seconds among dates": (
        ["2004-02-10", "1000000000"],
        "row 1: the timestamp '1000000000' must be epoch seconds or an ISO 8601 date such as 2004-02-10$",
    ),
    "an empty text among dates": (
        ["2004-02-10", ""],
        "row 1: the timestamp '' must be epoch seconds or an ISO 8601 date such as 2004-02-10$",
    ),
    "a word among seconds": (
        ["1000000000", "1000000001", "x"],
        "row 2: the timestamp 'x' must be epoch seconds, as others are$",
    ),
    "an empty text among seconds": (
        ["1000000000", "1000000001", ""],
        "row 2: the timestamp '' must be epoch seconds, as others are$",
    ),
    "a missing number": ([1_000_000_000, None], "row 1: the timestamp nan is missing"),
    "an infinite number": ([0, np.inf], "row 1: the timestamp inf must be a finite number$"),
    "a missing text": (
        ["2004-02-10", None],
        "row 1: the timestamp nan must be epoch seconds or an ISO 8601 date such as 2004-02-10$",
    ),
    "a missing datetime": (pd.Series([SEP_9, None]), "row 1: the timestamp NaT is missing"),
    "bools": ([True], "row 0: the timestamp True must be epoch seconds or an ISO date$"),
    "before 1900": (
        ["2004-02-10", "1899-12-31"],
        "row 1: the timestamp '1899-12-31' must be between the years 1900 and 2200$",
    ),
    "a second after 2200 begins": (
        [LAST_SECOND + 1],
        "must be between the years 1900 and 2200$",
    ),
}


@pytest.mark.parametrize(("values", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_time_is_refused_with_its_row(values, message):
    with pytest.raises(DataError, match=message):
        as_timestamps(values)


def test_seconds_of_august_1970_are_seconds_where_not_all_of_them_pass_for_dates():
    august = datetime(1970, 1, 1) + timedelta(seconds=20_040_210)
    assert times([20_040_210, 1_000_000_000]) == [august, SEP_9]


@pytest.mark.parametrize("beyond", [1899, 2201, 1900.5, 19000100, 22001232, 20040230])
def test_numbers_that_are_no_year_and_no_date_are_seconds(beyond):
    assert times([beyond]) == [datetime(1970, 1, 1) + timedelta(seconds=beyond)]


def test_an_error_names_the_place_of_the_row():
    with pytest.raises(DataError, match=r"^ratings\.csv, line 3: the timestamp"):
        as_timestamps(["2004-02-10", "never"], lambda row: f"ratings.csv, line {row + 2}")


def test_no_times_at_all_are_no_error():
    assert times([]) == []


def test_numbers_of_the_size_of_dates_that_are_none_are_seconds():
    assert times([19_991_399, 20_001_345]) == [datetime(1970, 8, 20, 9, 9, 59), datetime(1970, 8, 20, 11, 55, 45)]
