"""Bayesian factorisation machines by Gibbs sampling (myFM) over ids, rated-by sets and, if asked, all that is known.

After the examples in myFM's repository (ml-100k-regression.py, ml-100k-extended.ipynb). A user's row is the identity,
and beside it the set of items that they rated in the training part, divided by the root of its size; an item's row
likewise. An id without training ratings has zeros in both. The columns of a group (the ids of a side, a set, a
feature) share a prior.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sps

BURN_IN = 5  # samples
AGE_BIN = 10  # years


def predict_with_myfm(
    train: pd.DataFrame,
    test: pd.DataFrame,
    folder: Path,
    *,
    rank: int,
    samples: int,
    seed: int,
    probit: bool = False,
    everything: bool = False,
) -> npt.NDArray[np.float64]:
    """The expected ratings of the test part, averaged over the samples: (n,).

    Args:
        train: user, item, rating and timestamp of the training part.
        test: the same of the test part; its ratings are not read.
        folder: where user_features.csv and item_features.csv are.
        rank: of the factors.
        samples: all Gibbs samples; the first ``BURN_IN`` are thrown away.
        seed: of the sampler.
        probit: an ordered probit over the levels of the ratings, instead of normal errors.
        everything: adds age (decades), gender and occupation of users, genres and release year of items, and the
            date of the rating as a category.
    """
    import myfm

    of_users, of_items = (features_of_users(folder), features_of_items(folder)) if everything else ([], [])
    sides = [
        side_rows(train, test, "user", "item", of_users),
        side_rows(train, test, "item", "user", of_items),
    ]
    dates = _dates(train).unique() if everything else []
    shapes = [len(dates)] * everything + [part.shape[1] for _, parts in sides for part in parts]
    rows = [(ids, sps.hstack(parts, format="csr")) for ids, parts in sides]

    def inputs(part: pd.DataFrame) -> tuple[Any, list[Any]]:
        blocks = [myfm.RelationBlock(ids.get_indexer(part[ids.name]), matrix) for ids, matrix in rows]
        return one_hot(_dates(part), dates) if everything else None, blocks

    model = (myfm.MyFMOrderedProbit if probit else myfm.MyFMRegressor)(rank, random_seed=seed)
    levels, codes = np.unique(train["rating"], return_inverse=True)
    date_columns, blocks = inputs(train)
    targets = codes if probit else train["rating"].to_numpy()
    model.fit(
        date_columns, targets, X_rel=blocks, group_shapes=shapes, n_iter=samples, n_kept_samples=samples - BURN_IN
    )
    return model.predict_proba(*inputs(test)) @ levels if probit else model.predict(*inputs(test))


def side_rows(
    train: pd.DataFrame, test: pd.DataFrame, side: str, other: str, features: list[pd.Series]
) -> tuple[pd.Index, list[sps.csr_matrix]]:
    """All ids of a side, and their rows by groups of columns: the identity, the rated-by set, each feature."""
    known, others = pd.Index(train[side].unique()), pd.Index(train[other].unique())
    ids = pd.Index(pd.concat([train[side], test[side]]).unique(), name=side)
    rated = (np.ones(len(train)), (ids.get_indexer(train[side]), others.get_indexer(train[other])))
    sets = sps.csr_matrix(rated, shape=(len(ids), len(others)))
    sizes = np.maximum(np.diff(sets.indptr), 1)
    parts = [one_hot(ids, known), (sps.diags(1 / np.sqrt(sizes)) @ sets).tocsr()]
    return ids, parts + [many_hot(values.reindex(ids)) for values in features]


def features_of_users(folder: Path) -> list[pd.Series]:
    """Age in decades, gender and occupation, by id."""
    users = pd.read_csv(folder / "user_features.csv", dtype={"user": str}).set_index("user")
    return [(users["age"] // AGE_BIN).astype(str), users["gender"], users["occupation"]]


def features_of_items(folder: Path) -> list[pd.Series]:
    """Genres, joined by "|", and the year of release, by id."""
    items = pd.read_csv(folder / "item_features.csv", dtype={"item": str}).set_index("item")
    return [items["genres"], items["release_date"].str[:4]]


def many_hot(texts: pd.Series) -> sps.csr_matrix:
    """A column for each category, 1 where the text, split at "|", has it; a missing text has none."""
    return sps.csr_matrix(texts.str.get_dummies("|").to_numpy(dtype=float))


def one_hot(values: Any, categories: Any) -> sps.csr_matrix:
    """A column for each category; zeros for a value that is none of them."""
    codes = pd.Index(categories).get_indexer(pd.Index(values))
    known = np.flatnonzero(codes >= 0)
    return sps.csr_matrix((np.ones(len(known)), (known, codes[known])), shape=(len(codes), len(categories)))


def _dates(part: pd.DataFrame) -> pd.Series:
    return pd.to_datetime(part["timestamp"], unit="s").dt.normalize()
