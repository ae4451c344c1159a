"""Sources of predictions: which of user and item were rated in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.encoding.encoder import Encoder
from recsys_nn.encoding.features import Side

SOURCES = ("global", "item", "user", "model")
"""By the code 2 · (user known) + (item known)."""

Counts = npt.NDArray[np.int32]


def training_counts(encoder: Encoder, inputs: Mapping[str, npt.NDArray[Any]]) -> dict[Side, Counts]:
    """Numbers of training ratings of the user and the item of n encoded pairs (``Encoder.encode_pairs``), (n,) each."""
    return {side: counts[inputs[side]] for side, counts in encoder.counts.items()}


def kept_counts(table: pd.DataFrame) -> dict[Side, Counts]:
    """The :func:`training_counts` in the columns of a table of predictions (``prediction/held_out.py``)."""
    return {"user": table["user_ratings"].to_numpy(), "item": table["item_ratings"].to_numpy()}


def source_codes(counts: Mapping[Side, Counts]) -> npt.NDArray[np.int8]:
    """The code of each of n pairs by their ``training_counts``, int8 (n,); features do not matter for it."""
    return (2 * (counts["user"] > 0) + (counts["item"] > 0)).astype(np.int8)
