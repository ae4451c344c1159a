"""Numbers of a table that the rules of thumb look at."""

from __future__ import annotations

from dataclasses import dataclass

from recsys_nn.data import Levels, Ratings


@dataclass(frozen=True)
class TableFacts:
    """The numbers of a training part.

    Attributes:
        n_ratings, n_users, n_items: size of the table.
        per_user, per_item: ratings of the median user and of the median item.
        levels: how often each distinct rating occurs, in their order; None where there are more than 100.
        dated: whether the ratings have times.
    """

    n_ratings: int
    n_users: int
    n_items: int
    per_user: float
    per_item: float
    levels: dict[float, int] | None
    dated: bool

    @classmethod
    def of(cls, train: Ratings) -> TableFacts:
        frame = train.frame
        users, items = (frame[side].value_counts(sort=False) for side in ("user", "item"))
        found = Levels()
        found.add(frame["rating"].to_numpy())
        levels = None
        if found.values is not None and found.counts is not None:
            levels = dict(zip(found.values, found.counts, strict=True))
        return cls(
            n_ratings=len(frame),
            n_users=len(users),
            n_items=len(items),
            per_user=float(users.median()),
            per_item=float(items.median()),
            levels=levels,
            dated=train.has_timestamps,
        )

    @property
    def rarest(self) -> tuple[float, int] | None:
        """The rating that occurs least often, where there are few, and how often it does."""
        return None if self.levels is None else min(self.levels.items(), key=lambda level: level[1])

    def __str__(self) -> str:
        return f"{self.n_ratings:,} ratings of {self.n_items:,} items by {self.n_users:,} users"
