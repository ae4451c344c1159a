"""Fingerprints of ratings and features, by which a run is known again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from weakref import WeakKeyDictionary

import pandas as pd

from recsys_nn.data.ratings import Ratings
from recsys_nn.data.splits import AnySplit
from recsys_nn.data.stream import RatingsStream

_known: WeakKeyDictionary[Ratings | RatingsStream, str] = WeakKeyDictionary()


def fingerprint(ratings: Ratings | RatingsStream) -> str:
    """SHA-256 over 64-bit hashes of the rows (ids, ratings, timestamps and features of ratings) in their order.

    A table is hashed once, for it never changes, and so is a stream, whose files must not.
    """
    if ratings not in _known:
        _known[ratings] = _of_frames(chunk.frame for chunk, _ in ratings.chunks())
    return _known[ratings]


def fingerprints(split: AnySplit) -> dict[str, str]:
    """SHA-256 of each part of a split and of each table of features, by name."""
    parts = {"training": split.train, "validation": split.validation, "test": split.test}
    tables = {"users": split.train.user_features, "items": split.train.item_features}
    return {f"{name} part": fingerprint(part) for name, part in parts.items()} | {
        f"table of features of {side}": _of_frames([table]) for side, table in tables.items() if table is not None
    }


def _of_frames(frames: Iterable[pd.DataFrame]) -> str:
    sha256 = hashlib.sha256()
    for frame in frames:
        hashes = pd.util.hash_pandas_object(frame, index=False).to_numpy()
        sha256.update(hashes.astype("<u8").tobytes())
    return sha256.hexdigest()
