"""Values of features: numbers, times or texts; any of them may be missing."""

from __future__ import annotations

from enum import IntEnum
from numbers import Number
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from recsys_nn.data.timestamps import DTYPE, as_timestamps
from recsys_nn.errors import DataError, RowError, Where, did_you_mean, plain_repr, refuse

_INTEGER = r"^(0|-?[1-9][0-9]{0,17})$"
_NUMBER = r"^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$"


def plain_values(values: Any, name: str, where: Where) -> pd.Series:
    """The values as numbers (Int64 or float64), times (datetime64[us], UTC) or texts (str).

    Booleans, and numbers mixed with texts, are texts. None, NaN, NaT and an empty text are missing.

    Raises:
        DataError: for values of another type, such as lists.
    """
    series = pd.Series(values).reset_index(drop=True)
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(object)
    kind = pd.api.types.infer_dtype(series, skipna=True)
    if kind in ("datetime64", "datetime", "date"):
        return pd.to_datetime(series, utc=True).dt.tz_localize(None).dt.as_unit("us")
    if kind == "integer" and series.dropna().between(-(2**63), 2**63 - 1).all():
        return series.astype("Int64")
    if kind in ("integer", "floating", "mixed-integer-float", "decimal"):
        return series.astype("float64")
    if kind not in ("string", "boolean", "empty"):
        for row, value in enumerate(series):
            if not isinstance(value, str | Number | np.generic | type(None)) and value is not pd.NA:
                found = f"{plain_repr(value)} ({type(value).__name__})"
                raise DataError(f"{where(row)}: the feature {name!r} must be a number, a text or a time, not {found}")
    texts = series.astype("str")
    return texts.mask(texts == "")


def plain_column(frame: pd.DataFrame, name: str, side: str, where: Where) -> pd.Series:
    """The plain values of a column of a side's features.

    Raises:
        DataError: where the frame does not have it, with the nearest name.
    """
    if name not in frame.columns:
        near = did_you_mean(name, map(str, frame.columns))
        kept = "; name further columns in rating_features, in YAML data.format.features" if side == "rating" else ""
        raise DataError(f"there is no {side} feature {name!r}{near}{kept}")
    return plain_values(frame[name], name, where)


def plain_column_or_missing(frame: pd.DataFrame, name: str, where: Where) -> pd.Series:
    """The plain values of a column; where the frame does not have it, each is missing."""
    return plain_values(frame.get(name, pd.Series(np.nan, index=frame.index)), name, where)


class Written(IntEnum):
    """Form in which the texts of a column are written; that of a whole column is the greatest of its parts' forms."""

    NOTHING = 0
    INTEGERS = 1
    NUMBERS = 2
    TEXTS = 3

    @classmethod
    def of(cls, texts: pd.Series) -> Written:
        """Form of these texts: numbers are written as 7, -0.5 and 1e3, and not as 007; an empty text is nothing."""
        array = pa.array(texts, type=pa.large_string())
        filled = pc.filter(array, pc.not_equal(array, ""))
        if not len(filled):
            return cls.NOTHING
        if not pc.all(pc.match_substring_regex(filled, _NUMBER)).as_py():
            return cls.TEXTS
        return cls.INTEGERS if pc.all(pc.match_substring_regex(filled, _INTEGER)).as_py() else cls.NUMBERS


def values_of_texts(texts: pd.Series, written: Written | None = None) -> pd.Series:
    """Values of a column of a text file: numbers where each text is written as one, else the texts themselves.

    Empty texts are missing.

    Args:
        texts: texts of the column, or of a part of it.
        written: form of the texts in the whole column; found out from ``texts`` where it is not given.
    """
    written = Written.of(texts) if written is None else written
    if written in (Written.NOTHING, Written.TEXTS):
        return texts
    array = pa.array(texts, type=pa.large_string())
    filled = pc.if_else(pc.not_equal(array, ""), array, None)
    numbers = pc.cast(filled, pa.int64() if written is Written.INTEGERS else pa.float64())
    return numbers.to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)


def as_texts(values: pd.Series, name: str) -> pd.Series:
    """Plain values as names of categories; a whole number has no decimal point, so that 5.0 is "5"."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        raise DataError(f"the feature {name!r} holds times: set its kind to date, not categorical")
    if values.dtype == np.float64:
        return values.map(lambda number: f"{number:.0f}" if number.is_integer() else repr(number), "ignore").astype(
            "str"
        )
    return values.astype("str")


def as_numbers(values: pd.Series, name: str, where: Where) -> npt.NDArray[np.float64]:
    """Plain values as float64, NaN where missing; texts must be written as numbers."""
    if pd.api.types.is_datetime64_any_dtype(values.dtype):
        raise DataError(f"the feature {name!r} holds times: set its kind to date, not numeric")
    numbers = pd.to_numeric(values, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    bad = (np.isnan(numbers) & values.notna().to_numpy()) | np.isinf(numbers)
    refuse(bad, where, lambda row: f"the feature {name!r} must be a finite number, not {plain_repr(values.iloc[row])}")
    return numbers


def as_times(values: pd.Series, name: str, where: Where) -> pd.Series:
    """Plain values as datetime64[us], NaT where missing: times, epoch seconds, or ISO dates (``as_timestamps``)."""
    given = np.flatnonzero(values.notna().to_numpy())
    times = pd.Series(np.full(len(values), np.datetime64("NaT"), dtype=DTYPE))
    try:
        found = as_timestamps(values.iloc[given], lambda row: f"{where(int(given[row]))}, the feature {name!r}")
    except RowError as error:
        raise error.among(given) from None
    times.iloc[given] = found.to_numpy()
    return times
