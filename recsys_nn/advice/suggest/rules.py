"""Rules of thumb: the lines of a config that follow from the numbers of a table, each with its reason.

They are those of a course on neural recommenders (the problem type before head, loss and metric; towers that halve;
ReLU; batches in powers of two), with numbers from validation parts of public training files.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, log2

from recsys_nn.advice.suggest.suggestion import Choice
from recsys_nn.advice.suggest.table_facts import TableFacts
from recsys_nn.models import MAX_LEVELS, MIN_COUNT, FactorConfig, LatentConfig, ModelConfig, TowerConfig

FEW_RATINGS = 200
"""Ratings below which little but biases can be learned. At 300 svdpp erred 3 to 4% less than they (MovieLens 100K) or
1% more (generated)."""
MAX_SAMPLED, MAX_IN_SETS = 500_000, 2_000_000
"""Ratings up to which svdpp takes a few minutes with samples of its posterior, and without them."""
SECONDS_AT_LEAST, SECONDS_SAMPLED, SECONDS_IN_SETS = 8.0, 4.5e-4, 1.0e-4
"""Seconds of a run on two cores, start-up included; and of each rating in svdpp, with samples and without."""
MIN_HELD_OUT = 2_000
"""Ratings by which an RMSE is known to a standard error of 1.6% (normal errors: 1 / sqrt(2 n))."""
DRIFTING = 20
"""Ratings of the median user, five knots, from which drift is suggested. With more (MovieLens 100K, latest-small) svdpp
with drift erred 1.5 and 1.8% less on random ratings and 0.5 and 1.2% less on each user's last; with fewer (Netflix, 13)
0.5% less and 0.5% more. Predicted without times, it erred up to 0.9% more than without drift."""
STEP_WITH_DRIFT = 0.18
"""Step size of a chain of samples where users drift; at 0.25 it diverged on MovieLens 100K."""
STEPS, MIN_BATCH, MAX_BATCH = 64, 16, 2**15
"""Steps that an epoch should have, and the bounds of a batch."""


def power_of_two(number: float) -> int:
    """The nearest power of two, on a logarithmic scale."""
    return 2 ** max(0, round(log2(number)))


def usual_batch(n: int) -> int:
    """Suggested number of examples in a step, of n in an epoch."""
    return min(MAX_BATCH, max(MIN_BATCH, power_of_two(n / STEPS)))


def split_rule(n_ratings: int) -> Choice:
    """Suggests held-out shares that are as small as can judge."""
    test = 0.1 if 0.1 * n_ratings >= MIN_HELD_OUT else 0.2
    left = n_ratings * (1 - test)
    validation = next((share for share in (0.05, 0.1) if share * left >= MIN_HELD_OUT), 0.2)
    return Choice(
        "data.split",
        {"kind": "random", "validation": validation, "test": test},
        f"Of {n_ratings:,} ratings {test:.0%} are kept for one honest figure at the end (test: 0, where you have a "
        f"test file for recsys-nn evaluate), and {validation:.0%} of the others, {validation * left:,.0f}, are for "
        "validation. Where the future is to be predicted, hold the latest ratings out (kind: temporal).",
    )


def drift_rule(facts: TableFacts) -> Iterator[Choice]:
    """Suggests drift of users in time, where they have rated often enough for knots in it."""
    if facts.dated and facts.per_user >= DRIFTING:
        yield Choice(
            "data.features",
            {"drift": "timestamp"},
            f"Ratings have times, and the median user has {facts.per_user:g} of them, {DRIFTING} or more: biases of "
            "users move in time. Predict with the time of the rating, or now, in a column timestamp of the pairs. "
            "Without a time the drift is left out, with errors up to 1% above those of a model that never had it: "
            "delete this line if you will have no times.",
        )


def kind_rule(facts: TableFacts, asked: str | None = None) -> Choice:
    """Suggests the most accurate kind that is affordable, unless one was asked for."""
    n = facts.n_ratings
    if asked is not None:
        return Choice("model.kind", asked, "The kind that was asked for.")
    if n < FEW_RATINGS:
        return Choice("model.kind", "bias", f"{n:,} ratings, fewer than {FEW_RATINGS}, say little beyond biases.")
    if n > MAX_IN_SETS:
        reason = f"{n:,} ratings: with more than {MAX_IN_SETS:,} the sets of svdpp take too long, so factors alone."
        return Choice("model.kind", "svd", reason)
    return Choice(
        "model.kind",
        "svdpp",
        "Factors, with the sets of who rated what: of all kinds the least error on MovieLens and Netflix ratings, and "
        f"affordable up to {MAX_IN_SETS:,}. With these {n:,} a run takes about {_seconds(n)} on two cores.",
    )


def head_rule(facts: TableFacts) -> Choice:
    """Suggests the problem type, and with it output, loss and metrics."""
    levels, rarest = facts.levels, facts.rarest
    if levels is None or rarest is None or len(levels) > MAX_LEVELS or rarest[1] < MIN_COUNT:
        found = "More than 100" if levels is None else str(len(levels))
        rare = "" if rarest is None else f", {rarest[0]:g} only {rarest[1]} times"
        return Choice(
            "model.head",
            "regression",
            f"{found} distinct ratings{rare}: numbers, with a linear output in units of their spread. (Ordered levels "
            f"are at most {MAX_LEVELS}, each {MIN_COUNT} times.)",
        )
    listed = ", ".join(f"{level:g} {count / facts.n_ratings:.1%}" for level, count in levels.items())
    if len(levels) == 2:
        reason = f"Two distinct ratings ({listed}), yes or no: a sigmoid, the log loss, AUC and accuracy."
        return Choice("model.head", "binary", reason)
    return Choice(
        "model.head",
        "ordinal",
        f"{len(levels)} distinct ratings ({listed}): ordered levels, with thresholds between them, the loss -log P, "
        "and RMSE and MAE of the expected rating.",
    )


def model_rules(config: type[ModelConfig], facts: TableFacts) -> Iterator[Choice]:
    """Suggests the model section below the kind, as far as this kind has it."""
    if issubclass(config, LatentConfig):
        yield head_rule(facts)
    if issubclass(config, FactorConfig):
        dim = dimension_rule(config, facts)
        yield dim
        if issubclass(config, TowerConfig):
            yield from tower_rule(dim.value)
        yield Choice("model.l2", None, "By rule: it falls with the number of ratings and grows with their spread.")
        yield Choice("model.bias_l2", None, "By rule, 4 / n: the bias of an id with four ratings is shrunk by half.")


def dimension_rule(config: type[FactorConfig], facts: TableFacts) -> Choice:
    """Suggests as dimension the fourth root of the number of ids; twice that where a penalty decides the rank."""
    larger, least = max(facts.n_users, facts.n_items), config.model_fields["embedding_dim"].default
    root = larger**0.25
    reason = f"The fourth root of the {larger:,} {'users' if larger == facts.n_users else 'items'}, {root:.1f}"
    if config.bilinear:
        root, reason = 2 * root, f"{reason}, twice, as the penalty decides how many dimensions are used"
    return Choice("model.embedding_dim", max(least, power_of_two(root)), f"{reason}: a power of two, {least} at least.")


def tower_rule(dim: int) -> Iterator[Choice]:
    """Suggests hidden layers that halve."""
    reason = f"Hidden layers halve, from twice their {2 * dim} inputs, p and q of {dim} each."
    yield Choice("model.widths", [4 * dim, 2 * dim], reason)
    yield Choice("model.activation", "relu", "The usual choice: cheap, and its slope does not vanish.")
    yield Choice("model.dropout", 0.5, "Few ratings for each weight: half of the neurons are left out of a step.")


def training_rules(config: type[ModelConfig], facts: TableFacts, *, most: int) -> Iterator[Choice]:
    """Suggests the training section but for what is tried out.

    Args:
        config: class of the kind's config.
        facts: numbers of the training part.
        most: ratings that it may ever be trained on.
    """
    if issubclass(config, LatentConfig) and head_rule(facts).value == "regression":
        yield Choice("training.loss", "mse", "The squared error, as ratings are numbers.")
        yield Choice(
            "training.metrics",
            ["rmse", "mae"],
            "The root of the squared error, and the mean absolute error, in rating units.",
        )
    yield Choice("training.optimizer", "auto", "Adam, and lazy Adam where a batch touches few of the ids.")
    if "set_l2" in config.model_fields:
        reason = f"Every step sums the sets of all {facts.n_ratings:,} ratings, and so had better see them all"
        yield Choice("training.batch_size", 2 ** ceil(log2(most)), f"{reason}: the next power of two.")
        yield Choice("training.shuffle", False, "A step sees all ratings, whatever their order.")
    else:
        yield batch_rule(facts)


def batch_rule(facts: TableFacts) -> Choice:
    """Suggests as batch size a power of two, larger for large and for imbalanced tables."""
    n, rarest = facts.n_ratings, facts.rarest
    size = usual_batch(n)
    reason = f"A power of two from {MIN_BATCH} to {MAX_BATCH:,}, for about {STEPS} steps an epoch of {n:,}: {size}"
    if rarest is not None and n > size * rarest[1]:
        size = min(MAX_BATCH, 2 ** ceil(log2(n / rarest[1])))
        reason += f"; but {rarest[0]:g} is rare, {rarest[1]:,} times, and a batch should have one of them: {size}"
    return Choice("training.batch_size", size, f"{reason}.")


def refit_rules(config: type[ModelConfig], facts: TableFacts, *, drifts: bool) -> Iterator[Choice]:
    """Suggests samples of the posterior, where they are affordable, and a second training on all.

    Args:
        config: class of the kind's config.
        facts: numbers of the training part.
        drifts: whether users drift in time.
    """
    if issubclass(config, FactorConfig) and config.bilinear and facts.n_ratings <= MAX_SAMPLED:
        reason = (
            f"Affordable up to {MAX_SAMPLED:,} ratings: the average over samples of the posterior, with penalties "
            "learned on the way. Without it a run takes a third of the time."
        )
        shorter = {"step_size": STEP_WITH_DRIFT} if drifts else {}
        if drifts:
            reason += f" Where users drift, steps longer than {STEP_WITH_DRIFT} diverge."
        yield Choice("ensemble", {"samples": 10, "thin": 25, "burn_in": 120} | shorter, reason)
    yield Choice(
        "refit", True, "After validation, the model is trained again on the training and validation ratings together."
    )


def _seconds(n: int) -> str:
    seconds = SECONDS_AT_LEAST + n * (SECONDS_SAMPLED if n <= MAX_SAMPLED else SECONDS_IN_SETS)
    return f"{seconds:.0f} seconds" if seconds < 100 else f"{seconds / 60:.0f} minutes"
