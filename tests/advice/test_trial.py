import numpy as np
import pandas as pd
import pytest

from recsys_nn import RangeTest, Ratings, TrainConfig, load_ratings
from recsys_nn.advice.trial import epochs_rule, rate_rule, sampled
from recsys_nn.training.run import TrainingRun


def run_of(best: int) -> TrainingRun:
    """20 epochs, of which this one has the least validation loss."""
    epochs = np.arange(1, 21)
    history = pd.DataFrame({"epoch": epochs, "val_loss": 1 + np.abs(epochs - best) / 10})
    return TrainingRun(None, history, best, "epochs", 1.0, TrainConfig(), "compiled", "mse")


def by_key(choices) -> dict:
    return {choice.key: choice.value for choice in choices}


@pytest.mark.parametrize(("best", "epochs"), [(6, 20), (15, 20), (16, 100), (20, 100)])
def test_twenty_epochs_unless_the_error_may_fall_further(best, epochs):
    assert by_key(epochs_rule(run_of(best), 64)) == {"training.epochs": epochs, "training.patience": 5}


def test_the_reason_tells_what_the_trial_has_found():
    enough, more = (next(epochs_rule(run_of(best), 64)).reason for best in (6, 18))
    assert "validation loss went from 1.5 to 1 in epoch 6 and rose from there" in enough
    assert "from 2.7 to 1 in epoch 18, and may fall further" in more


@pytest.mark.parametrize(("steps", "epochs", "patience"), [(1, 1000, 20), (3, 334, 7), (9, 112, 5)])
def test_epochs_of_few_steps_are_counted_in_steps(steps, epochs, patience):
    assert by_key(epochs_rule(None, steps)) == {"training.epochs": epochs, "training.patience": patience}


def test_the_rate_comes_with_what_it_rests_on():
    rates = np.geomspace(0.001, 1, 31)
    found = rate_rule(RangeTest(rates, np.abs(np.log10(rates) + 1)), on="a table")
    assert (found.key, found.value) == ("training.learning_rate", 0.03)  # a quarter of 0.1 is 0.025
    assert "A range test on a table: with rates that rise from 0.001 over 31 steps" in found.reason
    assert "up to 0.1; a quarter of that" in found.reason


def test_a_small_table_is_tried_out_whole():
    ratings = load_ratings("synthetic", n_users=50, n_items=40, n_ratings=1000)
    assert sampled(ratings, most=1000, seed=0) is ratings


def test_of_a_large_table_some_users_are_drawn_with_all_their_ratings():
    ratings = load_ratings("synthetic", n_users=50, n_items=40, n_ratings=1000)
    part = sampled(ratings, most=300, seed=1)
    assert 200 < len(part) <= 300
    in_all, in_part = (table.frame["user"].value_counts() for table in (ratings, part))
    pd.testing.assert_series_equal(in_part.sort_index(), in_all[in_part.index].sort_index())
    pd.testing.assert_frame_equal(part.frame, sampled(ratings, most=300, seed=1).frame)
    assert set(part.frame["user"]) != set(sampled(ratings, most=300, seed=2).frame["user"])


def test_two_users_are_drawn_at_least():
    frame = pd.DataFrame({"user": np.repeat(["a", "b", "c"], 10), "item": 3 * list(range(10)), "rating": 1.0})
    assert Ratings(frame).n_users == 3
    assert sampled(Ratings(frame), most=5, seed=0).n_users == 2
