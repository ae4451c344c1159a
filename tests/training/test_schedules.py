import math

import pytest

from recsys_nn.training.config import CosineSchedule, ExponentialSchedule, TrainConfig


def rate_at(schedule, epoch, *, steps=10, epochs=20):
    return float(schedule.build(0.1, steps, epochs)(epoch * steps))


@pytest.mark.parametrize("epoch", [0, 5, 10, 20])
def test_cosine_falls_from_the_rate_to_its_final_share(epoch):
    expected = 0.1 * (0.2 + 0.8 * (1 + math.cos(math.pi * epoch / 20)) / 2)
    assert rate_at(CosineSchedule(final=0.2), epoch) == pytest.approx(expected, rel=1e-5)


def test_cosine_warms_up_linearly_before():
    schedule = CosineSchedule(warmup=4)
    assert rate_at(schedule, 2) == pytest.approx(0.05)
    assert rate_at(schedule, 4) == pytest.approx(0.1)
    assert rate_at(schedule, 12) == pytest.approx(0.05)
    assert rate_at(schedule, 20) == pytest.approx(0, abs=1e-8)


def test_cosine_may_end_before_the_training():
    assert rate_at(CosineSchedule(epochs=5, final=0.1), 15) == pytest.approx(0.01)


@pytest.mark.parametrize(
    "schedule", [CosineSchedule(warmup=4, final=0.1), CosineSchedule(epochs=8), ExponentialSchedule()]
)
def test_a_training_that_is_ended_sooner_has_the_same_rates_until_then(schedule):
    log = {"name": "csv_logger", "filename": "log.csv"}
    ended = TrainConfig(epochs=20, schedule=schedule, patience=3, callbacks=[log]).until(6)
    assert (ended.epochs, ended.patience, ended.callbacks) == (6, None, ())
    for epoch in range(7):
        assert rate_at(ended.schedule, epoch, epochs=6) == pytest.approx(rate_at(schedule, epoch, epochs=20))


def test_exponential_falls_by_its_factor_every_epoch():
    assert rate_at(ExponentialSchedule(decay=0.5), 3) == pytest.approx(0.1 / 8)
