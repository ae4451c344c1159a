"""Times of ratings: epoch seconds or ISO 8601 dates, held as UTC datetimes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from recsys_nn.errors import DataError, Where, plain_repr, refuse, row_number

DTYPE = "datetime64[us]"
_EARLIEST, _LATEST = pd.Timestamp("1900-01-01"), pd.Timestamp("2200-01-01")


def as_timestamps(values: Any, where: Where = row_number) -> pd.Series:
    """The times as a ``datetime64[us]`` Series in UTC.

    Numbers, also numbers written as text, are seconds since 1970-01-01 UTC; other texts are ISO 8601 dates
    or date-times, in UTC unless they name an offset. Milliseconds, dates written 20040210 and years alone are refused,
    since as seconds they would be read as another time.
    """
    series = pd.Series(values).reset_index(drop=True)
    if pd.api.types.is_datetime64_any_dtype(series.dtype):
        times = series.dt.tz_convert("UTC").dt.tz_localize(None) if series.dt.tz is not None else series
        _refuse_first(times.isna(), series, where, "is missing")
    elif pd.api.types.is_bool_dtype(series.dtype) or pd.api.types.is_timedelta64_dtype(series.dtype):
        raise DataError(f"{where(0)}: the timestamp {plain_repr(series.iloc[0])} must be epoch seconds or an ISO date")
    elif pd.api.types.is_numeric_dtype(series.dtype):
        times = _from_seconds(series, where)
    else:
        numbers = pd.to_numeric(series, errors="coerce")
        if numbers.notna().mean() > 0.5:
            _refuse_first(numbers.isna(), series, where, "must be epoch seconds, as others are")
            times = _from_seconds(numbers, where)
        else:
            times = _from_iso(series, where)
    _refuse_first((times < _EARLIEST) | (times > _LATEST), series, where, "must be between the years 1900 and 2200")
    return pd.Series(times.to_numpy().astype(DTYPE))


def _from_seconds(seconds: pd.Series, where: Where) -> pd.Series:
    _refuse_first(seconds.isna(), seconds, where, "is missing")
    numbers = seconds.astype("float64")
    _refuse_first(~numbers.between(-np.inf, np.inf, inclusive="neither"), seconds, where, "must be a finite number")
    too_far = (numbers < -2.3e9) | (numbers > 7.3e9)
    _refuse_first(too_far, seconds, where, "is out of range as epoch seconds: divide milliseconds by 1000")
    if len(numbers) and numbers.between(19000101, 22001231).all():
        dates = pd.to_datetime(numbers.astype("int64").astype(str), format="%Y%m%d", errors="coerce")
        if dates.notna().all():
            raise DataError(
                f"{where(0)}: the timestamp {seconds.iloc[0]} looks like a date, not like epoch seconds: "
                f"write it as {dates.iloc[0]:%Y-%m-%d}"
            )
    if len(numbers) and (numbers.between(1900, 2200) & (numbers % 1 == 0)).all():
        year = int(numbers.iloc[0])
        raise DataError(
            f"{where(0)}: the timestamp {year} looks like a year, not like epoch seconds: write it as {year}-01-01"
        )
    return pd.Series(np.round(numbers.to_numpy() * 1e6).astype("int64").astype(DTYPE))


def _from_iso(texts: pd.Series, where: Where) -> pd.Series:
    # pandas also takes "now" and "today", for another time at each reading.
    dated = texts.where(texts.astype("str").str.contains(r"^[0-9]{4}"))
    times = pd.to_datetime(dated, format="ISO8601", errors="coerce", utc=True).dt.tz_localize(None)
    _refuse_first(times.isna(), texts, where, "must be epoch seconds or an ISO 8601 date such as 2004-02-10")
    return times


def _refuse_first(bad: pd.Series, values: pd.Series, where: Where, what: str) -> None:
    refuse(bad.to_numpy(), where, lambda row: f"the timestamp {plain_repr(values.iloc[row])} {what}")
