"""Overlap of a held-out part with the training part: pairs that both rate, and their order in time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data.ratings import Ratings
from recsys_nn.data.stream import RatingsStream

EDGE = 0.05
"""The share of the held-out ratings at either end of their times that may be outliers."""


@dataclass(frozen=True)
class Order:
    """Order in time of the ratings of a held-out part and of the training part.

    Attributes:
        after: share of the training ratings that are later than the earliest held-out ones (their 5% quantile): 0 of a
            split by time, about 95% of one at random.
        after_all: share of the training ratings that are later than the latest held-out ones (their 95% quantile):
            about 5% of a split at random.
        users: number of users that have ratings in both parts, not all of one time.
        users_in_order: share of these of whom no training rating is later than a held-out one.
        users_reversed: share of these of whom all training ratings are later.
    """

    after: float
    after_all: float
    users: int
    users_in_order: float
    users_reversed: float

    @classmethod
    def of(cls, held_out: Ratings, train: Ratings) -> Order | None:
        """Measures the order of two parts; None where one of them is empty or has no times."""
        if not (len(held_out) and len(train) and held_out.has_timestamps and train.has_timestamps):
            return None
        times, earlier = held_out.frame["timestamp"], train.frame["timestamp"]
        first, last = times.quantile([EDGE, 1 - EDGE], interpolation="nearest")
        spans = pd.concat([_span(held_out, "held_out"), _span(train, "train")], axis=1, join="inner")
        spans = spans[
            spans[["first_held_out", "first_train"]].min(axis=1) < spans[["last_held_out", "last_train"]].max(axis=1)
        ]
        in_order = spans["last_train"] <= spans["first_held_out"]
        reversed_ = spans["first_train"] > spans["last_held_out"]
        return cls(
            after=float((earlier > first).mean()),
            after_all=float((earlier > last).mean()),
            users=len(spans),
            users_in_order=float(in_order.mean()) if len(spans) else 0.0,
            users_reversed=float(reversed_.mean()) if len(spans) else 0.0,
        )


def shared_pairs(held_out: Ratings, train: Ratings | RatingsStream) -> int:
    """Number of held-out ratings whose user has rated the same item in the training part."""
    if not len(held_out):
        return 0
    ids = {side: pd.Index(held_out.frame[side].unique()) for side in ("user", "item")}

    def pairs(part: Ratings) -> npt.NDArray[np.int64]:
        """A number for each pair of ids of the held-out part; -1 for others."""
        users, items = (_positions(ids[side], part.frame[side]) for side in ("user", "item"))
        return np.where((users < 0) | (items < 0), -1, users * len(ids["item"]) + items)

    own, distinct = pd.factorize(pairs(held_out))
    index = pd.Index(distinct)
    shared = np.zeros(len(distinct) + 1, dtype=np.bool_)  # the last is of pairs that are not in the index: -1
    for chunk, _ in train.chunks():
        shared[index.get_indexer(pd.Index(pairs(chunk)))] = True
    return int(shared[own].sum())


def _positions(index: pd.Index, values: pd.Series) -> npt.NDArray[np.int64]:
    """Positions of the values in the index, -1 where one is not in it; each distinct one is looked up once."""
    codes, distinct = pd.factorize(values)
    return index.get_indexer(distinct)[codes]


def _span(part: Ratings, name: str) -> pd.DataFrame:
    """The first and last time of each user."""
    times = part.frame.groupby("user")["timestamp"].agg(["min", "max"])
    return times.rename(columns={"min": f"first_{name}", "max": f"last_{name}"})
