"""Distinct pairs of users and items for the synthetic table, drawn under two power laws."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from recsys_nn.errors import DataError

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

COLD_RATINGS = 3
"""A cold user or item has at least one and at most this many ratings."""

_ROUNDS = 6


def draw_pairs(
    n_users: int,
    n_items: int,
    n_ratings: int,
    *,
    activity: float,
    popularity: float,
    cold_users: float,
    cold_items: float,
    rng: np.random.Generator,
) -> tuple[Integers, Integers]:
    """Positions of the users and items of ``n_ratings`` distinct pairs, sorted by user.

    Each user has COLD_RATINGS + 1 ratings (fewer only where there are not ratings enough), and a share of the
    rest in proportion to rank^-activity, up to every item. The items are drawn one after another without
    replacement, in proportion to rank^-popularity. Ranks are random. Cold users and items stand apart from
    these power laws: they have 1 to COLD_RATINGS ratings, of items and by users that are not cold.

    Raises:
        DataError: if there are not as many pairs, or more ratings are needed for the cold ones.
    """
    cold_user, user_weights = _ranked(n_users, cold_users, activity, rng)
    cold_item, item_weights = _ranked(n_items, cold_items, popularity, rng)
    n_warm_users, n_warm_items = int(np.sum(~cold_user)), int(np.sum(~cold_item))

    # Raters of the cold items; one drawn twice for the same item counts once.
    of_cold_items = np.repeat(np.flatnonzero(cold_item), rng.integers(1, COLD_RATINGS + 1, cold_item.sum()))
    keys = _unique(_drawn(user_weights, len(of_cold_items), rng) * n_items + of_cold_items)
    by_cold_users = np.minimum(rng.integers(1, COLD_RATINGS + 1, cold_user.sum()), n_warm_items)

    left = n_ratings - len(keys) - int(by_cold_users.sum())
    if left < 0:
        raise DataError(f"n_ratings must be at least {n_ratings - left}, for cold users and items, not {n_ratings}")
    if left > n_warm_users * n_warm_items:
        most = n_warm_users * n_warm_items + n_ratings - left
        sizes = f"{n_users} users and {n_items} items" + (", some of them cold" if n_ratings > left else "")
        raise DataError(f"n_ratings must be at most {most}, the pairs of {sizes}, not {n_ratings}")
    counts = np.zeros(n_users, dtype=np.int64)
    counts[cold_user] = by_cold_users
    floor = min(COLD_RATINGS + 1, left // n_warm_users, n_warm_items)
    # In order of rank, so that those at the limit come first.
    ranked = np.argsort(-user_weights, kind="stable")[:n_warm_users]
    rest = left - floor * n_warm_users
    counts[ranked] = floor + _apportioned(user_weights[ranked], rest, n_warm_items - floor)
    keys = np.concatenate((keys, _distinct(counts, item_weights, rng)))
    keys.sort()
    return np.divmod(keys, n_items)


def _ranked(n: int, cold: float, exponent: float, rng: np.random.Generator) -> tuple[Mask, Floats]:
    """Mask of the cold ones of n ids, and the weights rank^-exponent of the others; never all are cold."""
    order = rng.permutation(n)
    n_warm = n - min(round(cold * n), n - 1)
    weights = np.zeros(n)
    weights[order[:n_warm]] = np.arange(1, n_warm + 1, dtype=np.float64) ** -exponent
    return weights == 0, weights


def _apportioned(weights: Floats, total: int, limit: int) -> Integers:
    """Whole numbers with this sum, in proportion to descending weights as far as none exceeds the limit."""
    full = 0  # the first so many are at the limit
    while full < len(weights):
        shares = (total - full * limit) * weights[full:] / weights[full:].sum()
        over = int(np.count_nonzero(shares > limit))
        if not over:
            break
        full += over
    exact = np.concatenate((np.full(full, float(limit)), shares if full < len(weights) else []))
    # Rounding the running sum, not each share, keeps the total.
    return np.diff(np.round(np.cumsum(exact)), prepend=0).astype(np.int64)


def _distinct(counts: Integers, weights: Floats, rng: np.random.Generator) -> Integers:
    """Draws so many items for each user, one after another without replacement: keys user * n_items + item.

    Drawing with replacement and ignoring what came before is the same as drawing without, so rounds of plain
    draws do most of the work. What is left then are users who have nearly all that is popular: they finish
    with a race, in which item i arrives at an exponential time of rate weights_i, which is the same again.
    """
    n_users, n_items = len(counts), len(weights)
    complete: list[Integers] = []  # keys of users who have all their items and need no further round
    keys, missing = np.empty(0, dtype=np.int64), counts
    for _ in range(_ROUNDS):
        users = np.repeat(np.arange(n_users), missing)
        keys = _unique(np.concatenate((keys, users * n_items + _drawn(weights, len(users), rng))))
        owners = keys // n_items
        missing = np.where(missing > 0, counts - np.bincount(owners, minlength=n_users), 0)
        waits = missing[owners] > 0
        complete.append(keys[~waits])
        keys = keys[waits]
    raced = [_raced(int(user), int(missing[user]), keys, weights, rng) for user in np.flatnonzero(missing)]
    return np.concatenate((*complete, keys, *raced))


def _raced(user: int, missing: int, keys: Integers, weights: Floats, rng: np.random.Generator) -> Integers:
    """The keys of the first items to arrive, apart from those that the user has in the sorted ``keys``."""
    n_items = len(weights)
    first, last = np.searchsorted(keys, (user * n_items, (user + 1) * n_items))
    with np.errstate(divide="ignore"):  # an item of weight 0 never arrives
        times = rng.standard_exponential(n_items) / weights
    times[keys[first:last] - user * n_items] = np.inf
    return user * n_items + np.argpartition(times, missing - 1)[:missing]


def _drawn(weights: Floats, size: int, rng: np.random.Generator) -> Integers:
    """Positions drawn in proportion to their weights, with replacement."""
    cumulative = np.cumsum(weights)
    return np.searchsorted(cumulative / cumulative[-1], rng.random(size), side="right")


def _unique(keys: Integers) -> Integers:
    """The distinct keys, sorted. With millions, np.unique and its hash table take ten times as long."""
    keys = np.sort(keys)
    return keys[np.concatenate(([True], keys[1:] != keys[:-1]))[: len(keys)]]
