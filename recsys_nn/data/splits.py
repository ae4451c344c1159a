"""Training, validation and test parts of a table.

Every split here holds out a test part by one rule and then, by the same rule, a validation part of what is
left: ``test`` is a fraction of the table, ``validation`` a fraction of the training part. A fraction of 0
gives an empty part. The parts are disjoint and together the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Generic, TypeAlias

import numpy as np
import numpy.typing as npt
from typing_extensions import TypeVar

from recsys_nn.data.ratings import Ratings
from recsys_nn.data.stream import RatingsStream
from recsys_nn.errors import DataError

Train = TypeVar("Train", Ratings, RatingsStream, default=Ratings)

Mask = npt.NDArray[np.bool_]
Rule = Callable[[Ratings, float], Mask]
"""Which ratings are held out, given the table and a fraction."""


@dataclass(frozen=True, init=False)
class Split(Generic[Train]):
    """Training, validation and test part of ratings; one that is not given is empty.

    The training part may be a stream, the others are in memory.

    Example:
        >>> parts = rn.Split(ratings.take(range(250)), test=ratings.take(range(250, 300)))
        >>> len(parts.train), len(parts.validation), len(parts.test)
        (250, 0, 50)
    """

    train: Train
    validation: Ratings
    test: Ratings

    def __init__(self, train: Train, validation: Ratings | None = None, test: Ratings | None = None) -> None:
        empty = next(train.chunks())[0].take([])
        for name, part in (("train", train), ("validation", validation), ("test", test)):
            object.__setattr__(self, name, empty if part is None else part)

    def with_validation(self, fraction: float, *, seed: int = 0) -> Split[Train]:
        """The split with a random ``fraction`` of the training part held out for validation.

        Of a stream these are other ratings than of a table of the same ones (:meth:`RatingsStream.split`).

        Example:
            >>> split = rn.random_split(ratings, validation=0, test=0.2).with_validation(0.1)
            >>> len(split.train), len(split.validation), len(split.test)
            (216, 24, 60)
        """
        if len(self.validation):
            raise DataError(
                f"the split has a validation part of {len(self.validation)} ratings already: take a split without one"
            )
        if isinstance(self.train, Ratings):
            return _hold_out_validation(self, fraction, _random_rule(seed))
        if not fraction:
            return self
        train, validation = self.train.split(fraction, seed=seed)
        return Split(train, validation, self.test)

    def without_validation(self) -> Split[Train]:
        """The split with the validation part joined to the training part."""
        return Split(self.train.joined(self.validation), test=self.test)


AnySplit: TypeAlias = Split[Ratings] | Split[RatingsStream]


def random_split(ratings: Ratings, *, validation: float = 0.1, test: float = 0.1, seed: int = 0) -> Split:
    """Holds out ratings drawn at random.

    Example:
        >>> split = rn.random_split(ratings, validation=0.1, test=0.2, seed=7)
        >>> len(split.train), len(split.validation), len(split.test)
        (216, 24, 60)
    """
    return _split(ratings, validation, test, _random_rule(seed))


def stratified_split(ratings: Ratings, *, validation: float = 0.1, test: float = 0.1, seed: int = 0) -> Split:
    """Holds out the same fraction of every user's ratings (to within one), drawn at random.

    Example:
        >>> split = rn.stratified_split(ratings, test=0.2)
        >>> set(split.test.frame.groupby("user").size())  # each of the 30 users has rated 10 items
        {2}
    """
    return _split(ratings, validation, test, partial(_per_user, rng=np.random.default_rng(seed)))


def temporal_split(ratings: Ratings, *, validation: float = 0.1, test: float = 0.1) -> Split:
    """Holds out the latest ratings of all: test after validation after training.

    Example:
        >>> split = rn.temporal_split(ratings, test=0.2)
        >>> split.train.frame["timestamp"].max() < split.test.frame["timestamp"].min()
        True
    """
    return _split(ratings, validation, test, _latest)


def leave_last_out_split(ratings: Ratings, *, validation: float = 0.1, n: int = 1) -> Split:
    """Holds out the last ``n`` ratings of every user who has more, as the test part.

    The validation part is the latest ``validation`` of each user's remaining ratings.

    Example:
        >>> split = rn.leave_last_out_split(ratings, n=2)
        >>> len(split.test) == 2 * ratings.n_users
        True
    """
    if n < 1:
        raise DataError(f"n must be a positive integer such as 1, not {n}")
    age = _age_per_user(ratings)
    rows = ratings.frame.groupby("user")["user"].transform("size").to_numpy()
    held_out = (age < n) & (rows > n)
    if not held_out.any():
        raise DataError(f"n must be less than {n}, as no user has more than {n} ratings")
    split = _parts(ratings, held_out, "test")
    return _hold_out_validation(split, validation, _latest_per_user)


def kfold(ratings: Ratings, folds: int = 5, *, validation: float = 0.0, seed: int = 0) -> Iterator[Split]:
    """Yields ``folds`` splits whose test parts are disjoint and together the table (sizes equal to within one).

    Example:
        >>> [len(fold.test) for fold in rn.kfold(ratings, folds=7)]
        [43, 43, 43, 43, 43, 43, 42]
    """
    if not 2 <= folds <= len(ratings):
        raise DataError(f"folds must be between 2 and the number of ratings, {len(ratings)}, not {folds}")
    return _folds(ratings, folds, validation, seed)


def _folds(ratings: Ratings, folds: int, validation: float, seed: int) -> Iterator[Split]:
    fold = np.random.default_rng(seed).permutation(len(ratings)) % folds
    for number in range(folds):
        split = _parts(ratings, fold == number, "test")
        yield _hold_out_validation(split, validation, _random_rule(seed + 1 + number))


def _split(ratings: Ratings, validation: float, test: float, rule: Rule) -> Split:
    split = _parts(ratings, _held_out(ratings, test, rule, "test"), "test")
    return _hold_out_validation(split, validation, rule)


def _hold_out_validation(split: Split, fraction: float, rule: Rule) -> Split:
    held_out = _held_out(split.train, fraction, rule, "validation")
    return replace(_parts(split.train, held_out, "validation"), test=split.test)


def _parts(ratings: Ratings, held_out: Mask, part: str) -> Split:
    return Split(train=ratings.take(~held_out), **{part: ratings.take(held_out)})


def _held_out(ratings: Ratings, fraction: float, rule: Rule, part: str) -> Mask:
    if not 0.0 <= fraction < 1.0:
        raise DataError(f"{part} must be a fraction of at least 0 and below 1, not {fraction:g}")
    if fraction == 0.0:
        return np.zeros(len(ratings), dtype=bool)
    mask = rule(ratings, fraction)
    if not mask.any() or mask.all():
        raise DataError(
            f"{len(ratings)} ratings are too few for {part}={fraction:g}: "
            f"{int(mask.sum())} would be held out and {int((~mask).sum())} left for training"
        )
    return mask


def _random_rule(seed: int) -> Rule:
    return partial(_random, rng=np.random.default_rng(seed))


def _random(ratings: Ratings, fraction: float, rng: np.random.Generator) -> Mask:
    return _mask(ratings, rng.permutation(len(ratings))[: round(fraction * len(ratings))])


def _per_user(ratings: Ratings, fraction: float, rng: np.random.Generator) -> Mask:
    """Systematic sampling: in an order by user, shuffled within each, every (1/fraction)-th rating."""
    users = ratings.frame["user"].factorize()[0]
    by_user = np.lexsort((rng.random(len(ratings)), users))
    size = round(fraction * len(ratings))
    every = ((np.arange(size) + rng.random()) * (len(ratings) / max(size, 1))).astype(np.int64)
    return _mask(ratings, by_user[every])


def _latest(ratings: Ratings, fraction: float) -> Mask:
    by_time = np.argsort(_times(ratings), kind="stable")
    return _mask(ratings, by_time[len(ratings) - round(fraction * len(ratings)) :])


def _latest_per_user(ratings: Ratings, fraction: float) -> Mask:
    rows = ratings.frame.groupby("user")["user"].transform("size").to_numpy()
    return _age_per_user(ratings) < np.round(fraction * rows)


def _age_per_user(ratings: Ratings) -> npt.NDArray[np.int64]:
    """Age of each rating among its user's: 0 for the latest, 1 for the one before, and so on."""
    users = ratings.frame["user"].factorize()[0]
    by_time = np.lexsort((_times(ratings), users))[::-1]
    sorted_users = users[by_time]
    first = np.flatnonzero(np.r_[True, sorted_users[1:] != sorted_users[:-1]])
    lengths = np.diff(np.r_[first, len(users)])
    age = np.empty(len(users), dtype=np.int64)
    age[by_time] = np.arange(len(users)) - np.repeat(first, lengths)
    return age


def _times(ratings: Ratings) -> npt.NDArray[Any]:
    if not ratings.has_timestamps:
        raise DataError("a split by time needs ratings with timestamps: choose another kind of split")
    return ratings.frame["timestamp"].to_numpy()


def _mask(ratings: Ratings, rows: npt.NDArray[np.int64]) -> Mask:
    mask = np.zeros(len(ratings), dtype=bool)
    mask[rows] = True
    return mask
