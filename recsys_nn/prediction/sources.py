"""What a prediction rests on: whether its user and its item were rated in training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from recsys_nn.data.encoding import Encoder

SOURCES = ("global", "item", "user", "model")
"""By the code 2 · (user known) + (item known)."""


def source_codes(encoder: Encoder, inputs: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[np.int8]:
    """The code of each of n encoded pairs (``Encoder.encode_pairs``), int8 (n,); features do not matter for it."""
    known = {side: counts[inputs[side]] > 0 for side, counts in encoder.counts.items()}
    return (2 * known["user"] + known["item"]).astype(np.int8)
