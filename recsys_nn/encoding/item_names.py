"""What items are called: a column of their features, by its usual names."""

from __future__ import annotations

import pandas as pd

NAME_COLUMNS = ("title", "name", "item_name", "movie_title")


def is_name(column: object) -> bool:
    """Whether a column of items' features holds their names."""
    return str(column).lower() in NAME_COLUMNS


def item_names(features: pd.DataFrame | None, ids: pd.Series) -> pd.Series | None:
    """The name of each of these items, as text, the id where it has none; None where no column holds names.

    Args:
        features: a row an item, with its id in the column ``item``.
        ids: of the items.
    """
    column = None if features is None else next(filter(is_name, features.columns), None)
    if features is None or column is None:
        return None
    names = features.set_index("item")[column].reindex(ids).reset_index(drop=True)
    return names.where(names.notna(), ids.reset_index(drop=True)).astype("str")
