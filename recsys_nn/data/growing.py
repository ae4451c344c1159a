"""Encoders that know more ids than training saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from recsys_nn.data.encoding import Encoder
from recsys_nn.data.features import Side
from recsys_nn.data.vocabulary import Vocabulary

SIDES: tuple[Side, Side] = ("user", "item")


def with_ids(encoder: Encoder, new: Mapping[str, pd.Series]) -> Encoder:
    """The encoder with further rows, behind those that it has, which stay as they are.

    The new ids have no features and no biases, and count as rated as often as they are given.

    Args:
        encoder: that is extended; it is not changed.
        new: for ``"user"`` and ``"item"``, ids that have no row yet, repeated as often as they are known to be rated.
    """
    changes: dict[str, Any] = {}
    features, baselines = dict(encoder.features), dict(encoder.baselines)
    for side in SIDES:
        counts = new[side].value_counts(sort=False)
        known: Vocabulary = getattr(encoder, f"{side}s")
        ids = pd.concat([known.ids, pd.Series(counts.index.to_numpy(), dtype=known.ids.dtype)], ignore_index=True)
        changes[f"{side}s"] = Vocabulary(side, ids)
        changes[f"{side}_counts"] = np.concatenate([getattr(encoder, f"{side}_counts"), counts.to_numpy(np.int32)])
        if (found := features.get(side)) is not None and found.values is not None:
            features[side] = replace(found, values=found.values.reindex(range(len(ids))))
        for name, biases in baselines.items():
            changed: dict[str, Any] = {side: np.pad(getattr(biases, side), (0, len(counts)))}
            baselines[name] = replace(biases, **changed)
    return replace(encoder, **changes, features=features, baselines=baselines)
