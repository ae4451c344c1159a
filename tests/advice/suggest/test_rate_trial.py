from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recsys_nn import (
    RangeTest,
    Ratings,
    RunConfig,
    SVDConfig,
    TrainConfig,
    build_model,
    load_ratings,
    random_split,
)
from recsys_nn.advice.suggest import rate_trial as module
from recsys_nn.advice.suggest.rate_trial import epochs_rule, one_digit, rate_rule, sampled
from recsys_nn.runs.data import fit_encoder
from recsys_nn.training.run import TrainingRun


def run_of(best: int, *, least: float = 1.0) -> TrainingRun:
    """A training of up to 20 epochs with a patience of 5, of which this epoch has the least validation loss."""
    epochs = np.arange(1, min(best + 5, 20) + 1)
    history = pd.DataFrame({"epoch": epochs, "val_loss": least + np.abs(epochs - best) / 10})
    reason = "patience" if best + 5 <= 20 else "epochs"
    return TrainingRun(None, history, best, reason, 1.0, TrainConfig(), "compiled", "mse", 100, 10, {})


@pytest.mark.parametrize(("best", "epochs"), [(6, 20), (15, 20), (16, 100), (20, 100)])
def test_twenty_epochs_unless_the_error_may_fall_further(best, epochs):
    assert epochs_rule({0.01: run_of(best)}, 64).value == epochs


def test_the_reason_tells_what_the_trial_has_found():
    enough, more = (epochs_rule({0.01: run_of(best)}, 64).reason for best in (6, 18))
    assert "validation loss went from 1.5 to 1 in epoch 6 and rose from there: 20 are enough" in enough
    assert "from 2.7 to 1 in epoch 18 of 20, and may fall further: 100 at most" in more


@pytest.mark.parametrize(("steps", "epochs"), [(1, 1000), (3, 334), (9, 112), (10, 100)])
def test_epochs_of_few_steps_are_counted_in_steps(steps, epochs):
    assert epochs_rule({}, steps).value == epochs


RATES = np.geomspace(0.001, 1, 31)
FOUND = RangeTest(RATES, np.abs(np.log10(RATES) + 1))  # least at 0.1


def test_without_trainings_the_rate_is_a_quarter_of_the_limit():
    found = rate_rule(FOUND, {}, n=1200)
    assert (found.key, found.value) == ("training.learning_rate", 0.03)
    assert "A range test on 1,200 ratings: with rates that rise from 0.001 over 31 steps" in found.reason
    assert found.reason.endswith("up to 0.1; a quarter of that.")


def test_of_trainings_the_best_one_has_the_rate():
    runs = {0.01: run_of(3, least=1.0), 0.02: run_of(5, least=0.9), 0.04: run_of(18, least=0.95)}
    found = rate_rule(FOUND, runs, n=1200)
    assert found.value == 0.02
    assert "1 at 0.01, 0.9 at 0.02, 0.95 at 0.04" in found.reason
    assert epochs_rule(runs, 64).value == 20


def test_rates_are_rounded_to_one_digit():
    assert one_digit(0.0126, 0.0251, 0.5) == (0.01, 0.03, 0.5)


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


def test_a_training_of_the_trial_is_of_its_rate_and_judged_by_the_validation_part(monkeypatch):
    asked = []

    def trainer(config, *, progress):
        assert not progress
        return SimpleNamespace(fit=lambda *given: asked.append((config, given)) or "run")

    monkeypatch.setattr(module, "Trainer", trainer)
    split = random_split(load_ratings("synthetic", n_users=20, n_items=15, n_ratings=200), validation=0.2, test=0.0)
    config = RunConfig(seed=4, model=SVDConfig(embedding_dim=2), training={"batch_size": 16})
    assert module.Trial(config, split)._run(0.5, 7) == "run"
    ((training, (model, train, validation)),) = asked
    assert training == config.training.model_copy(update={"learning_rate": 0.5, "epochs": 20, "patience": 7})
    assert (len(train), len(validation)) == (160, 40)
    expected = build_model(config.model, fit_encoder(split), seed=4).get_weights()
    assert all(map(np.array_equal, model.get_weights(), expected))
