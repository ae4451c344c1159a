"""Encoders that know more ids than training saw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from recsys_nn.encoding.encoder import Encoder
from recsys_nn.encoding.features import SIDES, Side
from recsys_nn.encoding.vocabulary import Vocabulary


def with_ids(encoder: Encoder, new: Mapping[Side, pd.Series]) -> Encoder:
    """The encoder with further ids, in rows behind those that it has; these stay as they are.

    The new ids have no biases, no features unless the encoder has them already, and count as rated as often as they are
    given.

    Args:
        encoder: encoder to extend, which is not changed.
        new: ids of ``"user"`` and ``"item"`` that training did not see, each as often as it is known to be rated.
    """
    changes: dict[str, Any] = {}
    features, baselines = dict(encoder.features), dict(encoder.baselines)
    for side in SIDES:
        times = new[side].value_counts(sort=False)
        had = encoder.vocabularies[side]
        without_row = times.index.to_numpy()[had.lookup(times.index) == 0]
        ids = pd.concat([had.ids, pd.Series(without_row, dtype=had.ids.dtype)], ignore_index=True)
        vocabulary = changes[f"{side}s"] = Vocabulary(side, ids)
        counts = np.pad(getattr(encoder, f"{side}_counts"), (0, len(without_row)))
        counts[vocabulary.lookup(times.index)] += times.to_numpy(np.int32)
        changes[f"{side}_counts"] = counts
        if (found := features.get(side)) is not None and found.values is not None:
            features[side] = replace(found, values=found.values.reindex(range(len(ids))))
        for name, biases in baselines.items():
            changed: dict[str, Any] = {side: np.pad(getattr(biases, side), (0, len(without_row)))}
            baselines[name] = replace(biases, **changed)
    if encoder.item_names is not None:
        new_items = changes["items"].ids[len(encoder.item_names) :].astype("str")
        changes["item_names"] = pd.concat([encoder.item_names, new_items], ignore_index=True)
    return replace(encoder, **changes, features=features, baselines=baselines)
