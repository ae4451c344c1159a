"""The tables of the leader board, each with a training and a test file by an official or a stated split.

| name | ratings | test part |
|---|---|---|
| u1 .. u5 | MovieLens 100K, 1 to 5 | u1.test of GroupLens; u2 to u5 as GroupLens's mku.sh makes them from u.data |
| netflix | a sample of Netflix's, 1 to 5 | its test.csv |
| half-stars | MovieLens latest-small, 0.5 to 5 | a random fifth |
| hundred | generated, 1 to 100: 2,000 users, 1,000 items, 100,000 ratings | a random fifth |
| cold | half-stars, where a fifth of users and items keep two training ratings at most | that of half-stars |
| small | MovieLens 100K: the first 5,000 ratings in u.data of users 1 to 100 | a random fifth |
| large | generated, 1 to 5: 6,000 users, 4,000 items, 1,000,000 ratings | a random fifth |

What is random is drawn with seed 0. Where the data are is said by ``RECSYS_NN_DATA``; the Netflix sample is looked for
in its folder netflix-course.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import recsys_nn as rn
from recsys_nn.data.datasets import get_dataset

SEED = 0
MOVIELENS = "movielens-100k"
FOLDS = ("u1", "u2", "u3", "u4", "u5")


@dataclass(frozen=True)
class Table:
    """Two parts of a table.

    Args:
        name: one of ``TABLES``.
        train: the training part.
        test: the test part; None where a run shall not see it.
        dataset: the named data set in whose format the files are and whose features are known; None where there are
            ids and ratings alone.
    """

    name: str
    train: rn.Ratings
    test: rn.Ratings | None
    dataset: str | None = None

    def write(self, folder: Path) -> None:
        """train.tsv and test.tsv, laid out as u.data is: user, item, rating, Unix seconds; no header.

        The features of a named data set are put beside them, as user_features.csv and item_features.csv.
        """
        for name in ("train", "test"):
            frame = getattr(self, name).frame
            seconds = frame["timestamp"].astype("datetime64[s]").astype("int64")
            frame.assign(timestamp=seconds).to_csv(folder / f"{name}.tsv", sep="\t", header=False, index=False)
        if self.dataset:
            self.train.user_features.to_csv(folder / "user_features.csv", index=False)
            self.train.item_features.to_csv(folder / "item_features.csv", index=False)

    def section(self, folder: Path) -> dict[str, Any]:
        """The ``data`` section of a run config that reads these files; it leaves the validation part to the config."""
        test = str(folder / "test.tsv") if self.test else None
        split = {"kind": "files", "train": str(folder / "train.tsv"), "test": test}
        if self.dataset:
            return {"source": self.dataset, "split": split}
        return {"format": {"separator": "\t", "header": False}, "scale": list(self.train.scale), "split": split}


def official(name: str) -> Table:
    read = get_dataset(MOVIELENS).read
    return Table(name, read(f"{name}.base"), read(f"{name}.test"), MOVIELENS)


def fold(name: str) -> Table:
    """GroupLens's mku.sh: the k-th fifth of u.data's rows is test, both parts sorted by user and item (numbers).

    Of the first fold this gives the pairs of u1.base and u1.test in their order.
    """
    ratings = rn.load_ratings(MOVIELENS)
    size = len(ratings) // len(FOLDS)
    in_test = np.arange(len(ratings)) // size == FOLDS.index(name)
    ids = ratings.frame[["user", "item"]].astype("int64")
    order = np.lexsort((ids["item"], ids["user"]))
    return Table(name, ratings.take(order[~in_test[order]]), ratings.take(order[in_test[order]]), MOVIELENS)


def netflix(name: str) -> Table:
    folder = Path(os.environ.get("RECSYS_NN_DATA", "data"), "netflix-course")
    train, test = (rn.load_ratings(folder / f"{part}.csv", scale=(1, 5)) for part in ("train", "test"))
    return Table(name, train, test)


def random_fifth(name: str, *, dataset: str, **options: Any) -> Table:
    """A random fifth of a named data set as the test part."""
    split = rn.random_split(get_dataset(dataset).load(**options), validation=0, test=0.2, seed=SEED)
    return Table(name, split.train, split.test)


def cold(name: str) -> Table:
    whole = half_stars(name)
    return Table(name, thinned(whole.train), whole.test)


def thinned(ratings: rn.Ratings, *, share: float = 0.2, most: int = 2) -> rn.Ratings:
    """The ratings, of which a random ``share`` of the users and of the items keep ``most`` at random, or fewer."""
    rng = np.random.default_rng(SEED)
    frame = ratings.frame.iloc[rng.permutation(len(ratings))]
    kept = pd.Series(True, index=frame.index)
    for side in ("user", "item"):
        ids = np.sort(frame[side].unique())
        thin = rng.choice(ids, size=round(share * len(ids)), replace=False)
        kept &= ~frame[side].isin(thin) | (frame.groupby(side).cumcount() < most)
    return ratings.take(np.flatnonzero(kept.sort_index()))


def small(name: str) -> Table:
    ratings = rn.load_ratings(MOVIELENS)
    first = np.flatnonzero(ratings.frame["user"].astype("int64") <= 100)[:5_000]
    split = rn.random_split(ratings.take(first), validation=0, test=0.2, seed=SEED)
    return Table(name, split.train, split.test, MOVIELENS)


half_stars = partial(random_fifth, dataset="movielens-latest-small")
hundred = partial(
    random_fifth, dataset="synthetic", n_users=2_000, n_items=1_000, n_ratings=100_000, scale=(1, 100), seed=SEED
)
large = partial(random_fifth, dataset="synthetic", n_users=6_000, n_items=4_000, n_ratings=1_000_000, seed=SEED)

TABLES: dict[str, Callable[[str], Table]] = {
    "u1": official,
    **dict.fromkeys(FOLDS[1:], fold),
    "netflix": netflix,
    "half-stars": half_stars,
    "hundred": hundred,
    "cold": cold,
    "small": small,
    "large": large,
}


def load_table(name: str) -> Table:
    return TABLES[name](name)
