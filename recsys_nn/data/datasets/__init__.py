"""Named data sets, and the list of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from recsys_nn.data.datasets.movielens import MOVIELENS_1M, MOVIELENS_100K, MOVIELENS_LATEST_SMALL
from recsys_nn.data.datasets.synthetic import SYNTHETIC
from recsys_nn.data.ratings import Ratings
from recsys_nn.errors import DataError, did_you_mean

__all__ = ["Dataset", "dataset_names", "get_dataset"]


class Dataset(Protocol):
    """Interface of a named data set: it says what it is, and loads its ratings."""

    @property
    def name(self) -> str: ...
    @property
    def title(self) -> str: ...
    @property
    def licence(self) -> str: ...

    def load(self, **options: Any) -> Ratings:
        """Loads all ratings of the data set; an option that it does not have is a DataError."""

    def read(self, file: str | Path) -> Ratings:
        """Reads another file of ratings in the data set's format and with its features, such as an official split."""


_ALL: tuple[Dataset, ...] = (MOVIELENS_100K, MOVIELENS_1M, MOVIELENS_LATEST_SMALL, SYNTHETIC)
_BY_NAME = {dataset.name: dataset for dataset in sorted(_ALL, key=lambda dataset: dataset.name)}


def dataset_names() -> list[str]:
    """The names of all data sets, sorted.

    Example:
        >>> rn.dataset_names()
        ['movielens-100k', 'movielens-1m', 'movielens-latest-small', 'synthetic']
        >>> rn.load_ratings("synthetic", n_users=50, n_items=20, n_ratings=400)
        Ratings(400 ratings, 50 users, 20 items, 1 to 5)
    """
    return list(_BY_NAME)


def get_dataset(name: str) -> Dataset:
    """The data set of this name.

    Raises:
        DataError: if there is none, with the nearest name or all of them.
    """
    if name not in _BY_NAME:
        raise DataError(f"there is no data set {name!r}{did_you_mean(str(name), _BY_NAME)}")
    return _BY_NAME[name]
