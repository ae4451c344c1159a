"""Pitfalls in the data: parts that are not what they should be to each other."""

from __future__ import annotations

from collections.abc import Iterator

from recsys_nn.advice.doctor.evidence import Evidence
from recsys_nn.advice.doctor.finding import Finding

MOSTLY = 0.9
"""The share from which on a split seems to be meant by time."""
MIN_USERS = 20
MIN_USED = 0.5
"""The share of the scale that ratings should span."""
MIN_RATINGS = 100
FARTHEST_MEAN, LARGEST_SPREAD = 1.0, 2.0
"""Largest distance of a part's mean from that of training, in its standard deviations, and largest ratio of these."""
UNSEEN = 0.5
"""The share of unknown users from which on a part tells another thing than one without them."""


def leakage(evidence: Evidence) -> Iterator[Finding]:
    """Finds held-out ratings of pairs that are trained on."""
    for name, part in evidence.held_out_parts.items():
        if shared := part.get("pairs_in_training", 0):
            yield Finding(
                "leakage",
                "error",
                f"Pairs of the {name} part are also in the training part: the model is evaluated on what it has seen.",
                f"{shared:,} of the {part['ratings']:,} ratings in it ({shared / part['ratings']:.1%}) are of such "
                "pairs.",
                "Remove these pairs from the training part, or split one table into disjoint parts (rn.random_split).",
            )


def time_order_broken(evidence: Evidence) -> Iterator[Finding]:
    """Finds a split that seems to be by time, of all ratings or each user's, and is not quite, or is the wrong way."""
    for name, part in evidence.held_out_parts.items():
        order = part.get("order")
        if not order or order["after"] == 0 or order["users_in_order"] == 1:
            continue
        enough = order["users"] >= MIN_USERS
        if order["after_all"] >= MOSTLY or (enough and order["users_reversed"] >= MOSTLY):
            cause = (
                "The model trains on the future and predicts the past: training ratings are later than the "
                f"{name} part."
            )
        elif order["after"] <= 1 - MOSTLY or (enough and order["users_in_order"] >= MOSTLY):
            cause = (
                f"The {name} part is later than the training part, but not all of it: the future leaks into training."
            )
        else:
            continue
        yield Finding(
            "time-order-broken",
            "error",
            cause,
            f"{order['after']:.1%} of the training ratings are later than the first held-out rating, and "
            f"{order['after_all']:.1%} are later than the last. Of {order['users']:,} users in both parts, "
            f"{order['users_in_order']:.1%} have all their training ratings first.",
            "Split one table by time.",
            {"data.split.kind": "temporal"},
        )


def duplicate_pairs(evidence: Evidence) -> Iterator[Finding]:
    """Finds rows that repeat a user and an item, and were merged."""
    if merged := evidence.data.get("merged", 0):
        total = merged + sum(part["ratings"] for name, part in evidence.parts.items() if name != "refitted")
        yield Finding(
            "duplicate-pairs",
            "note",
            "Rows of the table repeat a user and an item: they may be events, such as plays, and not ratings.",
            f"{merged:,} of {total:,} rows ({merged / total:.1%}) were merged with others.",
            "Check that data.duplicates (last or mean) merges such rows as you intend.",
        )


def scale_mismatch(evidence: Evidence) -> Iterator[Finding]:
    """Finds ratings that are not on the scale that is stated, or not on that of the training part."""
    train = evidence.parts.get("train", {})
    if "std" not in train or evidence.scale is None or not train["std"]:
        return
    low, high = evidence.scale
    used = (train["max"] - train["min"]) / (high - low)
    if used < MIN_USED:
        yield Finding(
            "scale-mismatch",
            "warning",
            "The stated scale is wider than that of the ratings: predictions may lie where no rating does.",
            f"The scale is {low:g} to {high:g}, but the ratings are from {train['min']:g} to {train['max']:g}, "
            f"{used:.0%} of it.",
            "State the lowest and the highest rating that can be given.",
            {"data.scale": [train["min"], train["max"]]},
        )
    for name, part in evidence.held_out_parts.items():
        if part["ratings"] < MIN_RATINGS or not part["std"]:
            continue
        shift, ratio = (part["mean"] - train["mean"]) / train["std"], part["std"] / train["std"]
        if abs(shift) > FARTHEST_MEAN or not 1 / LARGEST_SPREAD < ratio < LARGEST_SPREAD:
            yield Finding(
                "scale-mismatch",
                "error",
                f"The ratings of the {name} part seem to be on another scale than the training ratings.",
                f"The {name} part has mean {part['mean']:.3g} and standard deviation {part['std']:.3g}, the training "
                f"part has {train['mean']:.3g} and {train['std']:.3g}.",
                "Convert both parts to one scale.",
            )


def validation_not_representative(evidence: Evidence) -> Iterator[Finding]:
    """Finds a validation part of users that training does not know, where the test part is not so too."""
    if (table := evidence.tables.get("validation")) is None:
        return
    unseen = {name: float((part["user_ratings"] == 0).mean()) for name, part in evidence.tables.items()}
    if unseen["validation"] > UNSEEN and unseen.get("test", 0.0) < unseen["validation"] / 2:
        yield Finding(
            "validation-not-representative",
            "warning",
            "Most validation ratings are of users without training ratings: early stopping and intervals rest on a "
            "task that the model is not for.",
            f"{unseen['validation']:.1%} of the {len(table):,} validation ratings are of unknown users"
            + (f", and {unseen['test']:.1%} of the test ratings." if "test" in unseen else "."),
            "Draw the validation part at random: do not cut it from the end of a table that is sorted by user.",
            {"data.split.kind": "random"},
        )
