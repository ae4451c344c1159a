"""One way in for every source of ratings."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from pydantic import ValidationError

from recsys_nn.data.datasets import dataset_names, get_dataset
from recsys_nn.data.ids import IdType
from recsys_nn.data.ratings import Duplicates, Ratings
from recsys_nn.data.readers import ratings_of_table, read_ratings, table_of_frame
from recsys_nn.data.table_format import RECOGNISED, TableFormat
from recsys_nn.errors import DataError, did_you_mean, must_be, shown, worded


def load_ratings(
    source: str | Path | pd.DataFrame,
    *,
    user: str | int | None = None,
    item: str | int | None = None,
    rating: str | int | None = None,
    timestamp: str | int | None = None,
    separator: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
    id_type: IdType = "string",
    scale: tuple[float, float] | None = None,
    duplicates: Duplicates = "error",
    user_features: pd.DataFrame | None = None,
    item_features: pd.DataFrame | None = None,
    rating_features: Sequence[str] = (),
    **options: Any,
) -> Ratings:
    """Loads ratings from a DataFrame, a file (CSV, TSV, ``::``, gzip, Parquet, registered formats) or a named data set.

    Args:
        source: a DataFrame, a path, or one of ``recsys-nn datasets``.
        user: the column of user ids: its name, or its position where there is no header. Usual names
            (user, userId, user_id, ...) are recognised.
        item: the column of item ids, given in the same way.
        rating: the column of ratings, given in the same way.
        timestamp: the column of times (epoch seconds or ISO dates), which are optional.
        separator: characters between the fields of a text file; recognised where it is not given.
        encoding: encoding of a text file; UTF-8 and UTF-16 with its mark are recognised.
        header: whether the first line of a text file names the columns; recognised where it is not given.
        id_type: how ids are read from a text file: ``"string"`` exactly as written, but for an apostrophe
            before what a spreadsheet would run (``'=a``), or ``"integer"``. A DataFrame's and a Parquet file's ids keep
            their type.
        scale: (lowest, highest) possible rating; by default as observed.
        duplicates: what to do with repeated pairs: ``"error"``, keep the ``"last"``, or their ``"mean"``.
        user_features: a DataFrame with a column ``user``, kept beside the ratings.
        item_features: a DataFrame with a column ``item``, kept beside the ratings.
        rating_features: further columns of the table to keep as features of the ratings. In a text file a column is
            numeric where each of its texts is written as a number (7, -0.5, 1e3, but not 007), else text.
        options: options of a named data set (those of ``synthetic``: ``n_users``, ``n_ratings``, ...).

    Raises:
        DataError: naming the file, line and column, or the row, of what cannot be used.

    Example:
        >>> rn.load_ratings("ratings.csv")
        Ratings(300 ratings, 30 users, 15 items, 1 to 5)
        >>> import pandas as pd
        >>> table = pd.DataFrame({"who": ["ann", "bob"], "film": ["Alien", "Alien"], "stars": [8, 6]})
        >>> table.to_csv("films.csv", sep=";", index=False)
        >>> rn.load_ratings("films.csv", user="who", item="film", rating="stars", scale=(1, 10))
        Ratings(2 ratings, 2 users, 1 items, 1 to 10)
    """
    try:
        layout = TableFormat(
            user=user,
            item=item,
            rating=rating,
            timestamp=timestamp,
            separator=separator,
            encoding=encoding,
            header=header,
            id_type=id_type,
            features=rating_features,
        )
    except ValidationError as error:
        problem = error.errors()[0]
        name = "rating_features" if problem["loc"][0] == "features" else problem["loc"][0]
        raise DataError(worded(str(name), problem, shown(problem["input"]))) from None
    if not isinstance(source, str | Path | pd.DataFrame):
        raise DataError(must_be("the source of ratings", "a DataFrame, a path or the name of a data set", source))
    beside: dict[str, Any] = {"user_features": user_features, "item_features": item_features}
    if is_dataset(source):
        given = [scale, *beside.values(), None if duplicates == "error" else duplicates]
        if layout != RECOGNISED or any(value is not None for value in given):
            raise DataError(f"the data set {source!r} has its own format, scale and features: leave yours out")
        return get_dataset(str(source)).load(**options)
    if options:
        name = next(iter(options))
        known = ("rating_features", *TableFormat.model_fields.keys() - {"features"}, "scale", "duplicates", *beside)
        raise DataError(f"load_ratings has no option {name!r}{did_you_mean(name, known)}")
    if isinstance(source, pd.DataFrame):
        return ratings_of_table(table_of_frame(source), layout, scale=scale, duplicates=duplicates, **beside)
    return read_ratings(source, layout, scale=scale, duplicates=duplicates, **beside)


def is_dataset(source: Any) -> bool:
    """Tells whether a source names a data set; a plain word that is neither one nor a file is a DataError."""
    if not isinstance(source, str):
        return False
    if source in dataset_names():
        return True
    if "." not in source and "/" not in source and not Path(source).exists():
        raise DataError(f"{source!r} is neither a file nor a data set{did_you_mean(source, dataset_names())}")
    return False
