import keras
import numpy as np
import pytest

from recsys_nn import RangeTest, Tensors, TrainConfig, TrainingError, range_test
from recsys_nn.training.config import CosineSchedule
from tests.figures import described

SLOPE = 2.0
CURVATURE = 2 * SLOPE**2  # of the loss (SLOPE w)²
SGD = TrainConfig(optimizer="sgd", batch_size=1)


def parabola() -> tuple[keras.Model, Tensors]:
    """A model whose loss is (SLOPE w)², with w = 1."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    return model, Tensors(np.array([[SLOPE]]), np.array([0.0]))


def test_losses_are_those_of_gradient_descent_with_a_rising_rate():
    model, data = parabola()
    found = range_test(model, data, SGD, lowest=0.01, highest=0.1, steps=5)
    np.testing.assert_allclose(found.rates, [0.01, 0.01 * 10**0.25, 0.01 * 10**0.5, 0.01 * 10**0.75, 0.1])
    weights = np.cumprod([1.0, *(1 - CURVATURE * found.rates[:-1])])
    np.testing.assert_allclose(found.losses, (SLOPE * weights) ** 2, rtol=1e-5)


def test_the_limit_is_where_gradient_descent_on_a_parabola_stops_gaining():
    model, data = parabola()
    found = range_test(model, data, SGD, lowest=0.01, highest=1.0, steps=101)
    step = 100 ** (1 / 100)
    assert 2 / CURVATURE / step**6 < found.limit < 2 / CURVATURE * step  # the window reaches five steps ahead


def test_the_rate_is_a_quarter_of_the_limit_to_one_digit():
    rates = np.geomspace(0.01, 1, 41)
    losses = np.abs(np.log(rates / rates[25]))
    found = RangeTest(rates, losses)
    assert found.limit == pytest.approx(0.178, abs=0.001)
    assert found.rate == 0.04


def test_noise_of_single_batches_is_smoothed_away():
    rates = np.geomspace(1e-4, 1, 100)
    losses = np.abs(np.arange(100) - 70) / 70
    noisy = losses.copy()
    noisy[3] = -0.5  # one lucky batch
    assert RangeTest(rates, noisy).limit == pytest.approx(RangeTest(rates, losses).limit)


def test_a_smoothed_loss_is_the_mean_of_it_and_its_five_neighbours_on_either_side():
    losses = np.zeros(20)
    losses[[0, 10]] = 11  # the first is its own neighbour, five times
    smoothed = RangeTest(np.geomspace(0.01, 1, 20), losses).smoothed
    np.testing.assert_allclose(smoothed, [6, 5, 4, 3, 2, 2, *[1] * 10, 0, 0, 0, 0], atol=1e-12)


def test_it_ends_where_the_loss_explodes():
    model, data = parabola()
    found = range_test(model, data, SGD, lowest=1.0, highest=10.0, steps=50)
    assert len(found.losses) == len(found.rates) == 2  # (1 - 8)² = 49 times the first
    assert found.losses[1] == pytest.approx(49 * found.losses[0])


@pytest.mark.parametrize(("rate", "n_steps"), [(0.525, 2), (0.51, 3)])
def test_it_ends_with_the_first_loss_that_is_more_than_ten_times_the_first(rate, n_steps):
    """(1 - 8 · 0.525)² is 10.24, and (1 - 8 · 0.51)² is 9.49, squared once more in the step after."""
    model, data = parabola()
    assert len(range_test(model, data, SGD, lowest=rate, highest=rate * 1.001, steps=5).losses) == n_steps


def test_infinite_losses_are_left_out():
    model, data = parabola()
    found = range_test(model, data, SGD, lowest=1e30, highest=1e31, steps=50)
    assert np.isfinite(found.losses).all()
    assert found.limit == pytest.approx(1e30)


def test_the_model_keeps_its_weights_and_the_test_can_be_repeated():
    model, _ = parabola()
    x = np.random.default_rng(1).normal(size=(60, 1))
    data, settings = Tensors(x, 3 * x[:, 0]), TrainConfig(seed=5, batch_size=8)
    before = model.get_weights()
    first, second = (range_test(model, data, settings, steps=20) for _ in range(2))
    np.testing.assert_array_equal(first.losses, second.losses)
    for kept, weights in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(kept, weights)


def test_batches_follow_one_another_through_the_epochs():
    model, _ = parabola()
    data = Tensors(np.array([[1.0], [2.0], [3.0]]), np.zeros(3))
    settings = TrainConfig(optimizer="sgd", batch_size=2, shuffle=False)
    found = range_test(model, data, settings, lowest=1e-9, highest=1e-8, steps=4)  # rates that move nothing
    np.testing.assert_allclose(found.losses, [2.5, 9.0, 2.5, 9.0], rtol=1e-5)


def test_smoothed_is_the_mean_over_five_neighbours_on_either_side():
    losses = np.arange(12.0) ** 2
    first = (6 * 0 + 1 + 4 + 9 + 16 + 25) / 11  # the first loss stands for those before it
    assert RangeTest(np.arange(12.0), losses).smoothed[[0, 5]] == pytest.approx([first, np.mean(losses[:11])])


def test_the_plot_shows_losses_limit_and_rate(snapshot):
    rates = np.geomspace(0.01, 1, 21)
    assert described(RangeTest(rates, np.abs(np.log(rates / rates[12]))).plot()) == snapshot


def test_a_loss_that_is_no_number_from_the_first_tells_no_rate():
    model, data = parabola()
    model.set_weights([np.array([[np.inf]])])
    with pytest.raises(
        TrainingError, match="^the loss is inf before the first step: look for extreme values in inputs and targets$"
    ):
        range_test(model, data, SGD, steps=5)
    np.testing.assert_array_equal(model.get_weights()[0], np.inf)


def test_by_default_the_rate_rises_from_1e_4_to_1_in_a_hundred_steps_whatever_the_schedule():
    model, data = parabola()
    data = Tensors(data.inputs * 1e-4, data.targets)  # which no rate explodes
    found = range_test(model, data, SGD.model_copy(update={"schedule": CosineSchedule()}))
    np.testing.assert_allclose(found.rates, np.geomspace(1e-4, 1, 100))
