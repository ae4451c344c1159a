import math

import numpy as np
import pytest

from recsys_nn.advice.doctor.pitfalls import training
from recsys_nn.training.input_scales import InputScale
from tests.advice.cases import FALLING, evidence, trained

RAW = {"inputs": InputScale(column=4, mean=1425.0, std=1132.0)}


def found(pitfall, run):
    return list(pitfall(evidence(run)))


@pytest.mark.parametrize(
    "pitfall",
    [
        training.inputs_not_normalised,
        training.learning_rate_too_high,
        training.learning_rate_too_low,
        training.too_few_epochs,
        training.no_early_stopping,
    ],
)
def test_a_training_that_patience_has_ended_is_sound(pitfall):
    assert not found(pitfall, trained())


def test_inputs_that_are_not_normalised():
    (finding,) = found(training.inputs_not_normalised, trained(inputs=RAW))
    assert finding.evidence == "Column 4 of the input 'inputs' has mean 1425 and standard deviation 1132."
    assert not found(training.inputs_not_normalised, trained(inputs={"inputs": InputScale(0, 0.2, 1.1)}))


def test_a_loss_that_is_no_number():
    run = trained((2.0, 9.0, math.nan), (2.0, 9.0, math.nan), stop_reason="diverged", learning_rate=3.0)
    (finding,) = found(training.learning_rate_too_high, run)
    assert (finding.code, finding.severity) == ("learning-rate-too-high", "error")
    assert finding.evidence == "The loss was nan in epoch 3, at learning rate 3."
    assert finding.settings == {"training.learning_rate": 0.3}


def test_a_loss_that_explodes():
    (finding,) = found(training.learning_rate_too_high, trained((2.0, 1.0, 40.0), (2.0, 1.0, 40.0)))
    assert finding.evidence == "The loss rose from 1 in epoch 2 to 40 in epoch 3, at learning rate 0.01."


def test_a_loss_that_oscillates():
    losses = np.array([2.0, 1.0, 1.3, 1.0, 1.3, 1.0, 1.2, 1.0])
    (finding,) = found(training.learning_rate_too_high, trained(losses, losses))
    assert finding.evidence == "The loss rose in 3 of 7 epochs, by up to 0.3, at learning rate 0.01."


def test_a_loss_that_trembles_at_its_end_does_not_oscillate():
    losses = np.array([2.0, 1.5, 1.2, 1.1, 1.101, 1.1, 1.102, 1.1])
    assert not found(training.learning_rate_too_high, trained(losses, losses))


def test_inputs_explain_a_divergence_before_the_rate_does():
    run = trained((math.nan,), (math.nan,), stop_reason="diverged", inputs=RAW)
    assert not found(training.learning_rate_too_high, run)
    assert found(training.inputs_not_normalised, run)


def test_a_loss_that_barely_moves():
    losses = np.linspace(1.25, 1.2, 10)
    (finding,) = found(training.learning_rate_too_low, trained(losses, losses, stop_reason="epochs"))
    assert finding.evidence == "val_loss went from 1.25 to 1.2, 4.0% less, in 10 epochs at learning rate 0.01."
    assert finding.settings == {"training.learning_rate": 0.1}


def test_a_loss_that_is_stuck_even_if_patience_ends_it():
    losses = np.full(6, 1.25)
    assert found(training.learning_rate_too_low, trained(losses, losses, stop_reason="patience"))


def test_a_small_gain_that_has_come_to_its_end_is_no_low_rate():
    losses = 1.2 + 0.05 * 2.0 ** -np.arange(12)
    assert not found(training.learning_rate_too_low, trained(losses, losses, stop_reason="epochs"))


def test_too_few_epochs():
    losses = np.array([2.0, 1.8, 1.6, 1.4, 1.2])
    (finding,) = found(training.too_few_epochs, trained(losses, losses, stop_reason="epochs", epochs=5))
    assert finding.evidence == (
        "All 5 epochs were done, and the last was the best: val_loss was 1.2, 14.3% less than in epoch 4."
    )
    assert finding.settings == {"training.epochs": 100, "training.patience": 3}
    assert not found(training.learning_rate_too_low, trained(losses, losses, stop_reason="epochs", epochs=5))


def test_a_training_that_has_levelled_out_had_epochs_enough():
    assert not found(training.too_few_epochs, trained(FALLING, FALLING, stop_reason="epochs"))


def test_overfitting_without_early_stopping():
    val_loss = (*FALLING[:6], 1.1, 1.2, 1.3, 1.4, 1.5, 1.6)
    run = trained(val_loss=val_loss, stop_reason="epochs", patience=None)
    (finding,) = found(training.no_early_stopping, run)
    assert finding.evidence.startswith("val_loss was 1.031 in epoch 6 and 1.6 in epoch 12, 55% more, while")
    assert finding.settings == {"training.patience": 3}


def test_without_patience_a_loss_that_does_not_rise_is_sound():
    assert not found(training.no_early_stopping, trained(val_loss=FALLING, stop_reason="epochs", patience=None))


def test_without_patience_a_loss_that_stays_level_is_sound():
    level = (*FALLING[:6], *[1.035] * 6)
    assert not found(training.no_early_stopping, trained(val_loss=level, stop_reason="epochs", patience=None))
