"""MovieLens 1M, released in 2003: ten times MovieLens 100K, from the years 2000 to 2003."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from recsys_nn.data.datasets.archive import ArchiveDataset
from recsys_nn.data.datasets.grouplens import archive_url, read_features, terms
from recsys_nn.data.readers import TableFormat


def _features(folder: Path) -> dict[str, pd.DataFrame]:
    """Reads the features of users (gender, age, occupation, zip_code) and of items (title and genres, joined by "|").

    An age is where the user's age group begins, 1 if below 18; an occupation is the code of the README, as text.
    """
    of_users, of_items = ("user", "gender", "age", "occupation", "zip_code"), ("item", "title", "genres")
    users = read_features(folder / "users.dat", of_users, separator="::", integers=["age"])
    items = read_features(folder / "movies.dat", of_items, separator="::", encoding="latin-1")
    return {"user_features": users, "item_features": items}


MOVIELENS_1M = ArchiveDataset(
    name="movielens-1m",
    title="MovieLens 1M: 1,000,209 ratings (1 to 5) of 3,706 films by 6,040 users, 2000 to 2003",
    licence=terms("do not redistribute the data without permission"),
    url=archive_url("ml-1m"),
    sha256="a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
    folder="ml-1m",
    main="ratings.dat",
    layout=TableFormat(separator="::", encoding="latin-1", header=False),
    scale=(1, 5),
    features=_features,
)
