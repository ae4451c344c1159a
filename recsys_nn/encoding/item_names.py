"""Names of items, from a column of their features that has a usual name."""

from __future__ import annotations

import pandas as pd

NAME_COLUMNS = ("title", "name", "item_name", "movie_title")


def is_name(column: object) -> bool:
    """Tells whether a column of items' features holds their names."""
    return str(column).lower() in NAME_COLUMNS


def item_names(features: pd.DataFrame | None, ids: pd.Series) -> pd.Series | None:
    """Names of these items, as text, the id where one has none; None where no column holds names.

    Args:
        features: table with a row an item, its id in the column ``item``.
        ids: ids of the items to name.
    """
    column = None if features is None else next(filter(is_name, features.columns), None)
    if features is None or column is None:
        return None
    names = features.set_index("item")[column].reindex(ids).reset_index(drop=True)
    return names.where(names.notna(), ids.reset_index(drop=True)).astype("str")
