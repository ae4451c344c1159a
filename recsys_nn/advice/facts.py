"""What the rules of thumb look at: the numbers of a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from recsys_nn.data.encoding import Encoder
from recsys_nn.data.ratings import Ratings


@dataclass(frozen=True)
class Facts:
    """The numbers of the training part that the rules rest on.

    Attributes:
        n_ratings, n_users, n_items: its size.
        per_user, per_item: ratings of the median user and of the median item.
        levels: the distinct ratings, ascending, and how often each occurs; None where there are more than 100.
        scale: (lowest, highest) possible rating.
        n_dated: ratings of users who rated at five different times or more.
    """

    n_ratings: int
    n_users: int
    n_items: int
    per_user: float
    per_item: float
    levels: dict[float, int] | None
    scale: tuple[float, float]
    n_dated: int

    @classmethod
    def of(cls, train: Ratings, encoder: Encoder) -> Facts:
        """Of a training part and the encoder that was fitted on it."""
        counts = {side: rows[rows > 0] for side, rows in encoder.counts.items()}
        levels = None
        if encoder.levels is not None and encoder.level_counts is not None:
            levels = dict(zip(encoder.levels, encoder.level_counts, strict=True))
        return cls(
            n_ratings=len(train),
            n_users=len(counts["user"]),
            n_items=len(counts["item"]),
            per_user=float(np.median(counts["user"])),
            per_item=float(np.median(counts["item"])),
            levels=levels,
            scale=encoder.scale,
            n_dated=_dated(train),
        )

    @property
    def rarest(self) -> tuple[float, int] | None:
        """The rating that occurs least often of few, and how often."""
        return min(self.levels.items(), key=lambda level: level[1]) if self.levels else None


def _dated(train: Ratings, *, times: int = 5) -> int:
    if not train.has_timestamps:
        return 0
    by_user = train.frame.groupby("user")["timestamp"].agg(["nunique", "size"])
    return int(by_user["size"][by_user["nunique"] >= times].sum())
