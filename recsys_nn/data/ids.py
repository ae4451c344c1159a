"""User and item ids: integers or strings, exactly as they were given.

An id is never converted: 7, "7" and "007" are three ids. A column of ids is either all 64-bit integers
(numpy int64) or all strings (pandas ``str``); whatever else turns up (floats, missing values, a mixture) is
refused, because each silent repair of it joins or splits somebody's ratings.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from recsys_nn.errors import DataError, Where, plain_repr, refuse, row_number

IdType = Literal["integer", "string"]


def canonical_ids(values: Any, name: str, where: Where = row_number) -> pd.Series:
    """The ids as a Series of int64 or of ``str``, or a DataError that names the first bad one.

    Args:
        values: a Series, array or list of ids.
        name: side that they are of ("user", "item"), for the error.
        where: names a row for the error.
    """
    try:
        return _canonical(pd.Series(values).reset_index(drop=True), name, where)
    except UnicodeEncodeError as error:
        raise DataError(f"a {name} id is not valid unicode: {error.object!r}") from None


def _canonical(series: pd.Series, name: str, where: Where) -> pd.Series:
    if isinstance(series.dtype, pd.CategoricalDtype):
        series = series.astype(series.cat.categories.dtype)
    if not len(series):
        return series.astype("str") if pd.api.types.is_object_dtype(series.dtype) else series
    refuse(series.isna().to_numpy(), where, lambda _: f"the {name} id is missing")
    kind = pd.api.types.infer_dtype(series, skipna=False)
    if kind == "integer":
        return _integers(series, name, where)
    if kind == "string":
        return _strings(series, name, where)
    if kind in ("mixed-integer", "mixed"):
        types = sorted({type(value).__name__ for value in series})
        raise DataError(
            f"{where(0)} and others: the {name} ids are of mixed types ({', '.join(types)}): convert them all to int "
            f"or all to str, for example with frame[{name!r}].astype(str)"
        )
    raise DataError(
        f"{where(0)}: the {name} ids must be integers or strings, not {kind} as {plain_repr(series.iloc[0])} is: "
        f"convert them, for example with frame[{name!r}].astype('int64') or .astype(str)"
    )


def id_type(ids: pd.Series) -> IdType:
    """Type of a canonical column of ids: integer or string."""
    return "integer" if pd.api.types.is_integer_dtype(ids.dtype) else "string"


def parse_ids(texts: pd.Series, kind: IdType, name: str, where: Where = row_number) -> pd.Series:
    """Reads ids written as text as ``kind``; text that is not the plain form of an integer is refused."""
    if kind == "string":
        return canonical_ids(texts, name, where)
    numbers = integers_of_texts(texts)
    refuse(
        numbers.isna().to_numpy(),
        where,
        lambda row: f"the {name} id must be a plain 64-bit integer, as other {name} ids are, not {texts.iloc[row]!r}",
    )
    return numbers.astype("int64")


def integers_of_texts(texts: pd.Series) -> pd.Series:
    """The 64-bit integers whose plain decimal forms the texts are, else missing ("7" -> 7, "007" -> NA)."""
    array = pa.array(texts, type=pa.large_string())
    # Of 19 digits, which not all are 64-bit integers, texts are in the order of their numbers.
    fits = pc.or_(
        pc.match_substring_regex(array, r"^(0|-?[1-9][0-9]{0,17})$"),
        pc.or_(
            pc.and_(pc.match_substring_regex(array, r"^[1-9][0-9]{18}$"), pc.less_equal(array, str(2**63 - 1))),
            pc.and_(pc.match_substring_regex(array, r"^-[1-9][0-9]{18}$"), pc.less_equal(array, str(-(2**63)))),
        ),
    )
    numbers = pc.cast(pc.if_else(fits, array, "0"), pa.int64()).to_numpy()
    missing = pc.invert(fits).to_numpy(zero_copy_only=False)
    return pd.Series(pd.arrays.IntegerArray(numbers, missing, copy=True), index=texts.index)


def _integers(series: pd.Series, name: str, where: Where) -> pd.Series:
    try:
        values = series.astype("uint64" if series.dtype == np.uint64 else "int64")
    except (OverflowError, ValueError, TypeError):
        outside = np.array([not -(2**63) <= int(value) < 2**63 for value in series])
    else:
        if values.dtype == np.int64:
            return values
        outside = (values > np.uint64(2**63 - 1)).to_numpy()
    refuse(
        outside,
        where,
        lambda row: (
            f"the {name} id {series.iloc[row]} does not fit into a signed 64-bit integer: convert the {name} ids to "
            "strings"
        ),
    )
    return series.astype("int64")


def _strings(series: pd.Series, name: str, where: Where) -> pd.Series:
    array = pa.array(series, type=pa.large_string())
    trimmed = pc.utf8_trim_whitespace(array)
    bad = pc.or_(pc.not_equal(trimmed, array), pc.equal(array, "")).to_numpy(zero_copy_only=False)

    def reason(row: int) -> str:
        if series.iloc[row] == "":
            return f"the {name} id '' is empty"
        hint = "if ', ' separates the fields, set the option separator to ', '"
        return f"the {name} id {series.iloc[row]!r} begins or ends with white space ({hint})"

    refuse(bad, where, reason)
    return series.astype("str")
