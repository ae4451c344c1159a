"""Bayesian factorisation machines by Gibbs sampling (myFM) over ids, rated-by sets and, if asked, all that is known.

After the examples in myFM's repository: ml-100k-regression.py, and for all that is known ml-100k-extended.ipynb. A
user's row is the identity, and beside it the set of items that they rated in the training part, divided by the root of
its size; an item's row likewise. An id without training ratings has zeros in both. The columns of a group (the ids of
a side, a set, a feature) share a prior.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.sparse as sps

BURN_IN = 5  # samples


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
        everything: adds the features below, and the date of the rating as a category.
    """
    import myfm

    users, of_user = ids_and_sets(train, test, "user", "item")
    items, of_item = ids_and_sets(train, test, "item", "user")
    dates = _dates(train).unique()
    if everything:
        of_user += features_of_users(folder, users)
        of_item += features_of_items(folder, items)
    shapes = [len(dates)] * everything + [group.shape[1] for group in of_user + of_item]
    rows = [(ids, sps.hstack(groups, format="csr")) for ids, groups in ((users, of_user), (items, of_item))]

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


def ids_and_sets(
    train: pd.DataFrame, test: pd.DataFrame, side: str, other: str
) -> tuple[pd.Index, list[sps.csr_matrix]]:
    """All ids of a side, and for each the rows of two groups of columns: the identity and the rated-by set."""
    known, others = pd.Index(train[side].unique()), pd.Index(train[other].unique())
    ids = pd.Index(pd.concat([train[side], test[side]]).unique(), name=side)
    rated = (np.ones(len(train)), (ids.get_indexer(train[side]), others.get_indexer(train[other])))
    sets = sps.csr_matrix(rated, shape=(len(ids), len(others)))
    sizes = np.maximum(np.diff(sets.indptr), 1)
    return ids, [one_hot(ids, known), (sps.diags(1 / np.sqrt(sizes)) @ sets).tocsr()]


def features_of_users(folder: Path, ids: pd.Index) -> list[sps.csr_matrix]:
    """Age (bins of equal shares), occupation, and the region that a zip code begins with."""
    from myfm.utils.encoders import BinningEncoder

    users = pd.read_csv(folder / "user_features.csv", dtype={"user": str, "zip_code": str}).set_index("user")
    regions = users["zip_code"].str[0]
    return [
        BinningEncoder(users["age"]).to_sparse(users["age"].reindex(ids)),
        one_hot(users["occupation"].reindex(ids), users["occupation"].unique()),
        one_hot(regions.reindex(ids), regions.unique()),
    ]


def features_of_items(folder: Path, ids: pd.Index) -> list[sps.csr_matrix]:
    """Year of release (bins of equal shares), and the set of genres, divided by the root of its size."""
    from myfm.utils.encoders import BinningEncoder, MultipleValuesToSparseEncoder

    items = pd.read_csv(folder / "item_features.csv", dtype={"item": str}).set_index("item")
    years = pd.to_datetime(items["release_date"]).dt.year
    return [
        BinningEncoder(years).to_sparse(years.reindex(ids)),
        MultipleValuesToSparseEncoder(items["genres"], sep="|").to_sparse(items["genres"].reindex(ids)),
    ]


def one_hot(values: Any, categories: Any) -> sps.csr_matrix:
    """A column for each category; zeros for a value that is none of them."""
    codes = pd.Index(categories).get_indexer(pd.Index(values))
    known = np.flatnonzero(codes >= 0)
    return sps.csr_matrix((np.ones(len(known)), (known, codes[known])), shape=(len(codes), len(categories)))


def _dates(part: pd.DataFrame) -> pd.Series:
    return pd.to_datetime(part["timestamp"], unit="s").dt.normalize()
