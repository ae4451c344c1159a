"""What is known of a run, from a finished run and from a training alone."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from recsys_nn import BiasConfig, RunConfig, SVDConfig
from recsys_nn.advice.doctor.evidence import Evidence
from tests.advice.cases import evidence, part, predicted, trained


def finished(**changed):
    kept = {
        "training": trained(),
        "parts": {"train": part(300)},
        "config": RunConfig(),
        "data": {"merged": 2},
        "held_out": predicted(),
        "judged": predicted(),
        "predictor": SimpleNamespace(config=SVDConfig(), encoder=SimpleNamespace(scale=(1.0, 5.0))),
    }
    return Evidence.of_run(SimpleNamespace(**{**kept, **changed}))


def test_a_finished_run():
    found = finished()
    assert (found.n_train, found.n_validation, found.run.best_epoch) == (10_000, 1_000, 9)
    assert (found.model, found.averaged, found.data, found.scale) == (SVDConfig(), False, {"merged": 2}, (1.0, 5.0))
    assert list(found.tables) == ["validation", "test"]
    assert found.judged[0] == "test"


def test_a_run_of_which_little_is_kept():
    found = finished(training=None, config=None, judged=None)
    assert (found.training, found.run, found.n_train, found.n_validation) == (None, None, 300, 0)
    assert not found.averaged
    assert (list(found.tables), found.judged[0]) == (["validation"], "validation")
    assert finished(training=None, parts={}).n_train == 0


def test_a_run_that_averages_samples():
    assert finished(config=RunConfig(ensemble={})).averaged


def test_a_closed_form_has_no_losses():
    found = Evidence.of_training(trained(stop_reason="closed form"))
    assert (found.training, found.run, found.n_train) == (None, None, 10_000)
    assert evidence(model=BiasConfig()).is_baseline
    assert not evidence().is_baseline


@pytest.mark.parametrize(("val_loss", "name"), [((2.0, 1.0), "val_loss"), (None, "loss")])
def test_the_loss_that_tells_how_a_training_went(val_loss, name):
    found, losses = evidence(trained(loss=(3.0, 2.0), val_loss=val_loss)).losses()
    assert (found, losses.tolist()) == (name, [2.0, 1.0] if val_loss else [3.0, 2.0])
    assert replace(evidence(), run=None).losses() is None
