"""MovieLens 100K, released in 1998: the table that most papers report on."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from recsys_nn.data.datasets.archive import ArchiveDataset
from recsys_nn.data.datasets.grouplens import GENRE_SEPARATOR, archive_url, read_features, terms
from recsys_nn.data.readers import TableFormat


def _features(folder: Path) -> dict[str, pd.DataFrame]:
    """Reads the features of users (age in years, gender, occupation, zip_code) and of items.

    Items have a title, a release_date, the texts video_release_date and imdb_url, and genres, joined by "|" in the
    order of u.genre.
    """
    of_users = ("user", "age", "gender", "occupation", "zip_code")
    users = read_features(folder / "u.user", of_users, separator="|", integers=["age"])
    names = read_features(folder / "u.genre", ("genre", "position"), separator="|")["genre"]
    of_items = ["item", "title", "release_date", "video_release_date", "imdb_url"]
    items = read_features(folder / "u.item", (*of_items, *names), separator="|", encoding="latin-1")
    flags = (items[list(names)] == "1").to_numpy()
    # %b is English here, whatever the locale: pandas has its own parser.
    dates = pd.to_datetime(items["release_date"], format="%d-%b-%Y", errors="coerce")
    genres = [GENRE_SEPARATOR.join(names[row]) for row in flags]
    items = items[of_items].assign(release_date=dates, genres=genres)
    return {"user_features": users, "item_features": items}


MOVIELENS_100K = ArchiveDataset(
    name="movielens-100k",
    title="MovieLens 100K: 100,000 ratings (1 to 5) of 1,682 films by 943 users, 1997 to 1998",
    licence=terms("do not redistribute the data without permission"),
    url=archive_url("ml-100k"),
    sha256="50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    folder="ml-100k",
    main="u.data",
    layout=TableFormat(separator="\t", header=False),
    scale=(1, 5),
    features=_features,
)
