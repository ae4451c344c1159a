"""How a trial ends, its runs being made up: what is carried out, and what is told of it."""

from contextlib import contextmanager
from dataclasses import astuple
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recsys_nn import ConfigError, Ratings, Split, TrainingError, load_config
from recsys_nn.data.splits import kfold
from recsys_nn.selection.search.pruning import Pruning
from recsys_nn.selection.search.trial import Trial

FRAME = pd.DataFrame({"user": list("aabbcc"), "item": list("xyxyxy"), "rating": [1.0, 2, 3, 4, 5, 1]})
SPLIT = Split(Ratings(FRAME), Ratings(FRAME[:2]))
CONFIG = load_config({"seed": 5, "model": {"kind": "svd"}, "output": "search/trials/0007"})


def result(rmse, best_epoch=2, epochs=3, seconds=1.5, stop_reason="epochs"):
    run = SimpleNamespace(best_epoch=best_epoch, history=range(epochs), stop_reason=stop_reason)
    return SimpleNamespace(run=run, metrics={"validation_rmse": rmse, "seconds": seconds})


@pytest.fixture
def carried_out(monkeypatch):
    """A trial whose runs give these results, or raise them, and whose epochs have these errors; and what was run."""
    ran, judged = [], []

    @contextmanager
    def judge():
        judged.append("begun")
        yield lambda trial, epoch, rmse: judged.append((trial, epoch, rmse)) or rmse > 1
        judged.append("ended")

    def of(results, folds=None, val_rmse=()):
        results = iter(results)

        def run_on_split(config, split, *, callbacks, overwrite):
            assert overwrite
            ran.append((config, split, callbacks))
            for callback in callbacks:
                assert isinstance(callback, Pruning)
                callback.set_model(SimpleNamespace(stop_training=False))
                for epoch, error in enumerate(val_rmse):
                    callback.on_epoch_end(epoch, {"val_rmse": np.float32(error)} if error else None)
            if isinstance(found := next(results), BaseException):
                raise found
            return found

        monkeypatch.setattr("recsys_nn.selection.search.trial.run_on_split", run_on_split)
        return Trial(7, 11, CONFIG).carried_out(SPLIT, folds, judge)

    of.ran, of.judged = ran, judged
    return of


def test_a_trial_is_the_run_of_its_config_on_the_split(carried_out):
    outcome = carried_out([result(0.75)], val_rmse=[0.5, 0.25])
    assert astuple(outcome) == (7, "complete", 0.75, 2, 3, 1.5, "")
    ((config, split, _),) = carried_out.ran
    assert (config, split) == (CONFIG, SPLIT)
    assert carried_out.judged == ["begun", (11, 1, 0.5), (11, 2, 0.25), "ended"]


def test_a_trial_whose_last_epoch_is_bad_is_pruned(carried_out):
    assert astuple(carried_out([result(0.75)], val_rmse=[0.5, 1.5])) == (7, "pruned", 0.75, 2, 3, 1.5, "")


def test_without_an_error_of_validation_nothing_is_judged(carried_out):
    assert carried_out([result(0.75)], val_rmse=[None]).state == "complete"
    assert carried_out.judged == ["begun", "ended"]


def test_a_bad_epoch_ends_the_training():
    pruning = Pruning(1, lambda *_: True)
    pruning.set_model(SimpleNamespace(stop_training=False))
    pruning.on_epoch_end(0, {"val_loss": 9.0})
    assert (pruning.pruned, pruning.model.stop_training) == (False, False)
    pruning.on_epoch_end(1, {"val_rmse": 9.0})
    assert (pruning.pruned, pruning.model.stop_training) == (True, True)


def test_folds_are_those_of_the_training_part_and_count_together(carried_out):
    outcome = carried_out([result(0.75, 2, 3, 1.5), result(1.0, 4, 5, 2.0), result(0.5, 1, 2, 0.25)], 3, [0.5])
    assert astuple(outcome) == (7, "complete", 0.75, 2, 10, 3.75, "")
    assert [config.output for config, _, _ in carried_out.ran] == [
        str(CONFIG.below(CONFIG.output, f"fold-{number}").output) for number in (1, 2, 3)
    ]
    for (_, split, _), part in zip(carried_out.ran, kfold(SPLIT.train, 3, seed=5), strict=True):
        pd.testing.assert_frame_equal(split.train.frame, part.train.frame)
        pd.testing.assert_frame_equal(split.validation.frame, part.test.frame)
    assert [len(callbacks) for _, _, callbacks in carried_out.ran] == [1, 0, 0]


def test_a_first_fold_that_is_pruned_is_the_last(carried_out):
    assert astuple(carried_out([result(0.75)], 3, [1.5])) == (7, "pruned", 0.75, 2, 3, 1.5, "")


@pytest.mark.parametrize(
    ("error", "state", "score", "message"),
    [
        (TrainingError("epoch 3: loss is nan"), "diverged", np.inf, "epoch 3: loss is nan"),
        (ConfigError("model: no"), "failed", np.nan, "model: no"),
        (KeyError("x"), "failed", np.nan, "KeyError: 'x'"),
    ],
)
def test_what_goes_wrong_is_told(carried_out, error, state, score, message):
    outcome = carried_out([error])
    assert (outcome.number, outcome.state, outcome.message) == (7, state, message)
    np.testing.assert_equal(astuple(outcome)[2:6], (score, 0, 0, 0.0))


def test_an_interrupted_run_ends_the_search(carried_out):
    with pytest.raises(KeyboardInterrupt):
        carried_out([result(0.75, stop_reason="interrupted")])
