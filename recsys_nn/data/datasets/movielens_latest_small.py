"""MovieLens latest-small, generated in September 2018: half stars, and no features of users."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from recsys_nn.data.datasets.archive import ArchiveDataset
from recsys_nn.data.datasets.grouplens import archive_url, terms
from recsys_nn.data.readers import TableFormat
from recsys_nn.files import read_text


def _features(folder: Path) -> dict[str, pd.DataFrame]:
    """Reads the features of items: title and genres, joined by "|" (or the text "(no genres listed)")."""
    movies = read_text(folder / "movies.csv", separator=",", header=True).table.to_pandas()
    return {"item_features": movies.rename(columns={"movieId": "item"})}


MOVIELENS_LATEST_SMALL = ArchiveDataset(
    name="movielens-latest-small",
    title="MovieLens latest-small: 100,836 ratings (0.5 to 5) of 9,724 films by 610 users, 1996 to 2018",
    licence=terms("redistribute the data only under these same terms"),
    url=archive_url("ml-latest-small"),
    sha256="696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
    folder="ml-latest-small",
    main="ratings.csv",
    layout=TableFormat(separator=",", header=True),
    scale=(0.5, 5),
    features=_features,
)
