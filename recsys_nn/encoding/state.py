"""State of an encoder: ids, rating scale, counts, side features; and which known ids a prediction rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data import IdType
from recsys_nn.encoding.baselines import BaselineName, Biases
from recsys_nn.encoding.drift import Drift
from recsys_nn.encoding.features import Side, SideFeatures
from recsys_nn.encoding.vocabulary import Vocabulary

Counts = npt.NDArray[np.int32]
SOURCES = ("global", "item", "user", "model")
"""Sources of a prediction, by the code 2 · (user rated in training) + (item rated in training)."""


@dataclass(frozen=True, eq=False)
class EncoderState:
    """Fields of an :class:`Encoder`, which says what they mean, and what follows from them."""

    users: Vocabulary
    items: Vocabulary
    user_counts: Counts
    item_counts: Counts
    rating_mean: float
    rating_std: float
    scale: tuple[float, float]
    baselines: Mapping[BaselineName, Biases]
    levels: tuple[float, ...] | None = None
    level_counts: tuple[int, ...] | None = None
    features: Mapping[Side, SideFeatures] = field(default_factory=dict)
    drift: Drift | None = None
    item_names: pd.Series | None = None

    @property
    def n_users(self) -> int:
        """Number of users that have a row: rated in training, or known by their features."""
        return len(self.users.ids)

    @property
    def n_items(self) -> int:
        """Number of items that have a row: rated in training, or known by their features."""
        return len(self.items.ids)

    @property
    def vocabularies(self) -> dict[Side, Vocabulary]:
        """The ids of users and of items."""
        return {"user": self.users, "item": self.items}

    @property
    def counts(self) -> dict[Side, Counts]:
        """Number of training ratings of each row of users and of items."""
        return {"user": self.user_counts, "item": self.item_counts}

    @property
    def n_ratings(self) -> int:
        """Number of training ratings."""
        return int(self.user_counts.sum(dtype=np.int64))

    @property
    def id_types(self) -> dict[str, IdType]:
        return {"user": self.users.type, "item": self.items.type}

    @property
    def context_columns(self) -> tuple[str, ...]:
        """The columns that features of ratings, and the time of the drift, are read from; often none."""
        columns = self.features["rating"].columns if "rating" in self.features else ()
        drift = () if self.drift is None else (self.drift.config.column,)
        return tuple(dict.fromkeys((*(column.name for column in columns), *drift)))


def training_counts(encoder: EncoderState, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[Side, Counts]:
    """Numbers of training ratings of the user and the item of n encoded pairs (``Encoder.encode_pairs``), (n,) each."""
    return {side: counts[inputs[side]] for side, counts in encoder.counts.items()}


def kept_counts(table: pd.DataFrame) -> dict[Side, Counts]:
    """The :func:`training_counts` in the columns of a table of predictions (``prediction/held_out.py``)."""
    return {"user": table["user_ratings"].to_numpy(), "item": table["item_ratings"].to_numpy()}


def source_codes(counts: Mapping[Side, Counts]) -> npt.NDArray[np.int8]:
    """The code of each of n pairs by their ``training_counts``, int8 (n,); features do not matter for it."""
    return (2 * (counts["user"] > 0) + (counts["item"] > 0)).astype(np.int8)
