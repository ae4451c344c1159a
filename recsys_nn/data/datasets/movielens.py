"""The data sets MovieLens 100K, 1M and latest-small of GroupLens, with the features of their users and items."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

import pandas as pd

from recsys_nn.data.datasets.archive import ArchiveDataset
from recsys_nn.data.ids import parse_ids
from recsys_nn.data.table_format import TableFormat
from recsys_nn.files import read_text

GENRE_SEPARATOR = "|"
"""Between the genres of an item: one text ("Comedy|Romance"), which pandas and Parquet keep as it is, where a
column of lists can be neither compared nor grouped. ``column.str.get_dummies("|")`` takes it apart."""


def _url(name: str) -> str:
    return f"https://files.grouplens.org/datasets/movielens/{name}.zip"


def _terms(redistribution: str) -> str:
    """A summary of the usage terms, which differ from one data set to another in redistribution only."""
    return (
        "Collected by GroupLens Research, University of Minnesota, and free for research. Do not imply that "
        f"the university or GroupLens endorses you; {redistribution}; ask GroupLens before any commercial "
        "use. Publications cite F. M. Harper and J. A. Konstan (2015), The MovieLens Datasets: History and "
        "Context, ACM Transactions on Interactive Intelligent Systems 5(4), article 19, "
        "doi:10.1145/2827872. The archive's README has the full terms."
    )


def _read_features(
    file: Path,
    columns: Sequence[str],
    *,
    separator: str,
    encoding: str | None = None,
    integers: Collection[str] = (),
) -> pd.DataFrame:
    """Reads a text file without header or quotes as a table with these columns: text, but for the ``integers``."""
    text = read_text(
        file,
        separator=separator,
        encoding=encoding,
        header=False,
        column_names=columns,
        quoting=False,
    )
    table = text.table.to_pandas()
    for name in integers:
        table[name] = parse_ids(table[name], "integer", name, text.where)
    return table


def _features_100k(folder: Path) -> dict[str, pd.DataFrame]:
    """Reads the features of users (age in years, gender, occupation, zip_code) and of items.

    Items have a title, a release_date, the texts video_release_date and imdb_url, and genres, joined by "|" in the
    order of u.genre.
    """
    of_users = ("user", "age", "gender", "occupation", "zip_code")
    users = _read_features(folder / "u.user", of_users, separator="|", integers=["age"])
    names = _read_features(folder / "u.genre", ("genre", "position"), separator="|")["genre"]
    of_items = ["item", "title", "release_date", "video_release_date", "imdb_url"]
    items = _read_features(folder / "u.item", (*of_items, *names), separator="|", encoding="latin-1")
    flags = (items[list(names)] == "1").to_numpy()
    # %b is English here, whatever the locale: pandas has its own parser.
    dates = pd.to_datetime(items["release_date"], format="%d-%b-%Y", errors="coerce")
    genres = [GENRE_SEPARATOR.join(names[row]) for row in flags]
    items = items[of_items].assign(release_date=dates, genres=genres)
    return {"user_features": users, "item_features": items}


MOVIELENS_100K = ArchiveDataset(
    name="movielens-100k",
    title="MovieLens 100K: 100,000 ratings (1 to 5) of 1,682 films by 943 users, 1997 to 1998",
    licence=_terms("do not redistribute the data without permission"),
    url=_url("ml-100k"),
    sha256="50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
    folder="ml-100k",
    main="u.data",
    layout=TableFormat(separator="\t", header=False),
    scale=(1, 5),
    features=_features_100k,
)


def _features_1m(folder: Path) -> dict[str, pd.DataFrame]:
    """Reads the features of users (gender, age, occupation, zip_code) and of items (title and genres, joined by "|").

    An age is where the user's age group begins, 1 if below 18; an occupation is the code of the README, as text.
    """
    of_users, of_items = ("user", "gender", "age", "occupation", "zip_code"), ("item", "title", "genres")
    users = _read_features(folder / "users.dat", of_users, separator="::", integers=["age"])
    items = _read_features(folder / "movies.dat", of_items, separator="::", encoding="latin-1")
    return {"user_features": users, "item_features": items}


MOVIELENS_1M = ArchiveDataset(
    name="movielens-1m",
    title="MovieLens 1M: 1,000,209 ratings (1 to 5) of 3,706 films by 6,040 users, 2000 to 2003",
    licence=_terms("do not redistribute the data without permission"),
    url=_url("ml-1m"),
    sha256="a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
    folder="ml-1m",
    main="ratings.dat",
    layout=TableFormat(separator="::", encoding="latin-1", header=False),
    scale=(1, 5),
    features=_features_1m,
)


def _features_latest_small(folder: Path) -> dict[str, pd.DataFrame]:
    """Reads the features of items: title and genres, joined by "|" (or the text "(no genres listed)")."""
    movies = read_text(folder / "movies.csv", separator=",", header=True).table.to_pandas()
    return {"item_features": movies.rename(columns={"movieId": "item"})}


MOVIELENS_LATEST_SMALL = ArchiveDataset(
    name="movielens-latest-small",
    title="MovieLens latest-small: 100,836 ratings (0.5 to 5) of 9,724 films by 610 users, 1996 to 2018",
    licence=_terms("redistribute the data only under these same terms"),
    url=_url("ml-latest-small"),
    sha256="696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
    folder="ml-latest-small",
    main="ratings.csv",
    layout=TableFormat(separator=",", header=True),
    scale=(0.5, 5),
    features=_features_latest_small,
)
