"""Each bound, met and by little not met."""

import numpy as np
import pytest

from recsys_nn.advice.doctor.pitfalls import data, predictions
from recsys_nn.advice.doctor.pitfalls import training as pitfalls
from tests.advice.cases import FALLING, evidence, part, predicted, trained, with_parts

ORDER = {"after": 0.95, "after_all": 0.05, "users": 20, "users_in_order": 0.02, "users_reversed": 0.02}


def ordered(**order):
    return with_parts(test=part(order={**ORDER, **order}))


def strangers(validation, test=None):
    """Parts of 1,000 ratings, of which so many are of unknown users."""
    shares = {"validation": validation, **({} if test is None else {"test": test})}
    tables = {name: predicted(user_ratings=[0] * n + [20] * (1000 - n)) for name, n in shares.items()}
    return evidence(tables=tables)


def spread(share):
    """Predictions whose standard deviation is this share of that of the ratings."""
    table = predicted()
    return evidence(tables={"test": table.assign(prediction=3 + share * (table["rating"] - 3))})


def worse(by):
    """Squared errors that are worse than those of the biases by this many standard errors."""
    errors = 1 + by / np.sqrt(1000) + np.where(np.arange(1000) % 2, 1, -1) * np.sqrt(999 / 1000)
    table = predicted()
    columns = {"prediction": table["rating"] + np.sqrt(1 + errors), "bias_baseline": table["rating"] + np.sqrt(2)}
    return evidence(tables={"test": table.assign(**columns)})


def falling(last, *, n):
    """A validation loss of n epochs, all done, that falls by these shares in the last two, and was 2 before."""
    losses = np.array([*np.linspace(3, 2, n - 2), 2 * (1 - last[0]), 2 * (1 - last[0]) * (1 - last[1])])
    return run(losses, stop_reason="epochs", epochs=n)


def run(losses, val_loss=None, **settings):
    return evidence(trained(losses, losses if val_loss is None else val_loss, **settings))


def rising(n, factor):
    """A validation loss that is least n epochs before the end, and ends at so many times that."""
    return run(FALLING[: n + 2], (2.0, 1.0, *[1.01] * (n - 1), factor), stop_reason="epochs", patience=None)


def up_and_down(rise, times, n=9):
    """A training loss of 1 that rises so often by so much, and falls back."""
    losses = np.ones(n)
    losses[1 : 2 * times : 2] += rise
    return run(losses)


def slow(fall, at_the_end):
    """A loss of nine epochs that falls by this share in all, at the end so many times as fast as at the beginning."""
    steps = np.array([1, 1, 0, 0, 0, 0, at_the_end, at_the_end])
    losses = 1 - np.concatenate([[0], np.cumsum(steps * fall / steps.sum())])
    return run(losses, stop_reason="epochs")


BOUNDS = {
    "exploded": (
        pitfalls.learning_rate_too_high,
        run((2.0, 1.0, 1.51), stop_reason="epochs"),
        run((2.0, 1.0, 1.5), stop_reason="epochs"),
    ),
    "up and down by more": (pitfalls.learning_rate_too_high, up_and_down(0.021, 3), up_and_down(0.019, 3)),
    "more often": (pitfalls.learning_rate_too_high, up_and_down(0.1, 2), up_and_down(0.1, 1)),
    "in more epochs": (pitfalls.learning_rate_too_high, up_and_down(0.1, 2, n=5), up_and_down(0.1, 1, n=4)),
    "slow": (pitfalls.learning_rate_too_low, slow(0.09, 0.6), slow(0.11, 0.6)),
    "as slow at the end": (pitfalls.learning_rate_too_low, slow(0.09, 0.51), slow(0.09, 0.49)),
    "stuck": (
        pitfalls.learning_rate_too_low,
        run(np.linspace(1, 0.9981, 6), stop_reason="patience"),
        run(np.linspace(1, 0.9979, 6), stop_reason="patience"),
    ),
    "stuck for long": (
        pitfalls.learning_rate_too_low,
        run(np.linspace(1, 0.999, 5), stop_reason="patience"),
        run(np.linspace(1, 0.999, 4), stop_reason="patience"),
    ),
    "still falling": (pitfalls.too_few_epochs, falling((0.1, 0.0051), n=10), falling((0.1, 0.0049), n=10)),
    "over the last two of eleven": (
        pitfalls.too_few_epochs,
        falling((0.003, 0.003), n=11),
        falling((0.002, 0.002), n=11),
    ),
    "long after the best": (pitfalls.no_early_stopping, rising(5, 1.03), rising(4, 1.03)),
    "much worse than the best": (pitfalls.no_early_stopping, rising(5, 1.021), rising(5, 1.019)),
    "the future is trained on": (data.time_order_broken, ordered(after_all=0.9), ordered(after_all=0.89)),
    "of users too": (data.time_order_broken, ordered(users_reversed=0.9), ordered(users_reversed=0.89)),
    "of enough users": (
        data.time_order_broken,
        ordered(users_reversed=0.9, users=20),
        ordered(users_reversed=0.9, users=19),
    ),
    "some of the future": (data.time_order_broken, ordered(after=0.09), ordered(after=0.11)),
    "of some users": (data.time_order_broken, ordered(users_in_order=0.9), ordered(users_in_order=0.89)),
    "of some of enough users": (
        data.time_order_broken,
        ordered(users_in_order=0.9, users=20),
        ordered(users_in_order=0.9, users=19),
    ),
    "half of the scale": (data.scale_mismatch, evidence(scale=(0.0, 8.1)), evidence(scale=(0.0, 8.0))),
    "a higher mean": (data.scale_mismatch, with_parts(test=part(mean=4.1)), with_parts(test=part(mean=4.0))),
    "a lower mean": (data.scale_mismatch, with_parts(test=part(mean=1.9)), with_parts(test=part(mean=2.0))),
    "a larger spread": (data.scale_mismatch, with_parts(test=part(std=2.0)), with_parts(test=part(std=1.9))),
    "a smaller spread": (data.scale_mismatch, with_parts(test=part(std=0.5)), with_parts(test=part(std=0.6))),
    "of enough ratings": (data.scale_mismatch, with_parts(test=part(100, mean=5)), with_parts(test=part(99, mean=5))),
    "of ratings that differ": (
        data.scale_mismatch,
        with_parts(validation=part(mean=5, std=0.1)),
        with_parts(validation=part(mean=5, std=0.0)),
    ),
    "half of the users": (data.validation_not_representative, strangers(501), strangers(500)),
    "more than in the test part": (data.validation_not_representative, strangers(600, 299), strangers(600, 300)),
    "a twentieth of the spread": (predictions.nearly_constant, spread(0.049), spread(0.051)),
    "a standard error": (predictions.worse_than_bias, worse(1.01), worse(0.99)),
    "a fifth of the pairs": (
        predictions.unknown_ids,
        evidence(tables={"test": predicted(10, user_ratings=[0] * 3 + [5] * 7)}),
        evidence(tables={"test": predicted(10, user_ratings=[0] * 2 + [5] * 8)}),
    ),
}


@pytest.mark.parametrize(("pitfall", "wrong", "sound"), BOUNDS.values(), ids=BOUNDS)
def test_a_bound(pitfall, wrong, sound):
    assert [len(list(pitfall(one))) for one in (wrong, sound)] == [1, 0]


@pytest.mark.parametrize("sound", [part(10), part(std=0.0), part(order=None), part(order={**ORDER, "after": 0})])
def test_a_part_that_says_nothing_hides_no_other(sound):
    wrong = part(mean=9.0, order={**ORDER, "after": 0.01}, pairs_in_training=1)
    for pitfall in (data.scale_mismatch, data.time_order_broken, data.leakage):
        assert len(list(pitfall(with_parts(validation=sound, test=wrong)))) == 1


def test_what_is_not_recorded_is_not_judged():
    bare = {"merged": 0, "parts": {"train": {"ratings": 1}, "test": part(mean=9.0)}}
    assert list(data.scale_mismatch(evidence(data=bare))) == []
    assert list(data.scale_mismatch(evidence(data={"parts": {"train": part(std=0.0), "test": part(mean=9.0)}}))) == []
    assert list(data.scale_mismatch(evidence(scale=None))) == []
    assert list(predictions.nearly_constant(evidence(tables={}))) == []
    assert list(predictions.worse_than_bias(evidence(tables={"test": predicted(1, error=2.0)}))) == []
    assert list(predictions.unknown_ids(evidence(tables={"test": predicted(10, user_ratings=1, item_ratings=1)}))) == []
    same = predicted(10).assign(rating=3.0, prediction=3.0)
    assert list(predictions.nearly_constant(evidence(tables={"test": same}))) == []
    assert list(predictions.unknown_ids(evidence(tables={"validation": predicted(10, user_ratings=0)}))) == []
