"""Arguments of predictions: pairs, in whichever form, as one table; and the length of a list."""

from __future__ import annotations

from numbers import Integral
from typing import Any

import pandas as pd

from recsys_nn.data import Ratings
from recsys_nn.errors import DataError, plain_repr


def asked_frame(pairs: Any, users: Any, items: Any) -> pd.DataFrame:
    """The columns user and item, and those of a DataFrame beside them; a DataError where there are no pairs."""
    if pairs is not None and (users is not None or items is not None):
        raise DataError("give either pairs, or users and items")
    if pairs is None:
        if users is None or items is None:
            raise DataError("give pairs, or both users and items")
        if any(isinstance(side, str) or not hasattr(side, "__len__") for side in (users, items)):
            raise DataError("users and items are lists or arrays of ids")
        if len(users) != len(items):
            raise DataError(f"{len(users)} users and {len(items)} items do not make pairs")
        return pd.DataFrame({"user": pd.Series(users).to_numpy(), "item": pd.Series(items).to_numpy()})
    if isinstance(pairs, Ratings):
        pairs = pairs.frame
    if isinstance(pairs, pd.DataFrame):
        for name in ("user", "item"):
            if name not in pairs.columns:
                raise DataError(f"no column {name!r} among {', '.join(map(repr, pairs.columns))}")
        return pairs.reset_index(drop=True)
    listed = list(pairs)
    for row, pair in enumerate(listed):
        if isinstance(pair, str) or not hasattr(pair, "__len__") or len(pair) != 2:
            raise DataError(f"row {row}: {plain_repr(pair)} is not a (user, item) pair")
    user_ids, item_ids = zip(*listed, strict=True) if listed else ((), ())
    return pd.DataFrame({"user": pd.Series(user_ids), "item": pd.Series(item_ids)})


def check_number(n: Any, of: str) -> None:
    """Raises a DataError where ``n`` is no number of things to list."""
    if not isinstance(n, Integral) or n < 1:
        raise DataError(f"n={n!r} is not a number of {of}, as 10")
