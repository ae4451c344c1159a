"""Samples of the posterior, against Bayesian linear regression, whose posterior is a Gaussian in closed form."""

import re
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_nn.errors import TrainingError
from recsys_nn.posterior import chain, curvature
from recsys_nn.posterior.chain import posterior_weights
from recsys_nn.posterior.config import PosteriorConfig
from recsys_nn.posterior.langevin import Langevin
from recsys_nn.posterior.penalties import LearnedPenalties
from recsys_nn.tensors.tensors import Tensors
from recsys_nn.training.checkpoints import Checkpoints
from recsys_nn.training.config import TrainConfig
from recsys_nn.training.objective import objective_of
from recsys_nn.training.trainer import Trainer

N, NOISE, L2 = 400, 0.5, 0.01
RNG = np.random.default_rng(3)
X = RNG.normal(size=(N, 2)).astype(np.float32) @ np.array([[1.0, 0.6], [0.0, 0.8]], np.float32)
Y = (X @ np.array([1.0, -1.0], np.float32) + NOISE * RNG.normal(size=N)).astype(np.float32)
TRAIN = Tensors(X, Y)


@pytest.fixture(scope="module")
def run():
    """Ridge regression, (1/n) Σ (y - x·w)² + λ ‖w‖²."""
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False, kernel_regularizer="l2")])
    model.layers[0].kernel_regularizer = keras.regularizers.L2(L2)
    config = TrainConfig(learning_rate=0.1, batch_size=N, epochs=100, patience=None, validation=0, metrics=(), seed=5)
    return Trainer(config, progress=False).fit(model, TRAIN)


def sampled(run, temperature=1.0, *, progress=False, **options):
    settings = {"samples": 6, "burn_in": 10, "thin": 1, "penalties": "fixed"} | options
    return posterior_weights(run, TRAIN, PosteriorConfig(**settings), [temperature], progress=progress)[temperature]


@pytest.fixture(scope="module")
def six(run):
    """Samples of one epoch each."""
    return sampled(run)


def assert_bayesian_linear_regression(run, found):
    variance = float(run.history["loss"].iloc[-1])  # of the noise, as the chain takes it: the loss of the best epoch
    samples = np.array([kernel[:, 0] for (kernel,) in found])
    precision = (X.T @ X + N * L2 * np.eye(2)) / variance
    mean = np.linalg.solve(precision, X.T @ Y / variance)
    np.testing.assert_allclose(samples.mean(axis=0), mean, atol=3e-3)
    np.testing.assert_allclose(np.cov(samples.T), np.linalg.inv(precision), rtol=0.2)


@pytest.mark.slow
def test_the_samples_by_xla_are_those_of_bayesian_linear_regression(run):
    run = replace(run, config=run.config.model_copy(update={"engine": "compiled"}))
    assert_bayesian_linear_regression(run, sampled(run, samples=1500, burn_in=50, step_size=1.0, friction=0.7))


@pytest.mark.slow
def test_the_samples_are_those_of_bayesian_linear_regression_at_one_temperature_after_the_other(run):
    config = PosteriorConfig(samples=1500, burn_in=50, thin=1, penalties="fixed", step_size=1.0, friction=0.7)
    found = posterior_weights(run, TRAIN, config, [1.0, 0.1])
    assert list(found) == [1.0, 0.1]
    assert_bayesian_linear_regression(run, found[1.0])
    assert np.var(found[0.1][20:], axis=0).sum() / np.var(found[1.0], axis=0).sum() == pytest.approx(0.1, rel=0.2)


def test_as_many_samples_as_asked_from_distinct_steps_and_the_model_as_it_was(run):
    before = run.model.get_weights()
    samples = sampled(run, samples=7, burn_in=3, thin=2)
    assert len(np.unique(np.array(samples).round(7), axis=0)) == 7
    np.testing.assert_array_equal(run.model.get_weights(), before)


def test_the_same_seed_gives_the_same_samples(run, six):
    np.testing.assert_array_equal(sampled(run), six)


def test_keras_s_own_loop_makes_the_same_steps(run, six):
    by_keras = replace(run, config=run.config.model_copy(update={"engine": "keras"}))
    np.testing.assert_allclose(sampled(by_keras), six, rtol=1e-4)


def test_a_short_burn_in_learns_no_penalties(run, six):
    """They would be learned from the mode, where vectors are shrunk."""
    np.testing.assert_array_equal(sampled(run, penalties="learned"), six)


def test_a_sample_is_the_mean_over_the_epochs_from_one_to_the_next_and_a_line_is_printed_of_it(run, six, capsys):
    means = sampled(run, samples=2, thin=3, progress=True)
    first, second = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"sample 1/2  temperature 1  loss 0\.\d{4}", first)
    assert second.startswith("sample 2/2  temperature 1  loss 0.")
    np.testing.assert_allclose(np.array(means)[:, 0], np.array(six)[:, 0].reshape(2, 3, 2, 1).mean(axis=1), rtol=1e-5)


class Recorded(Langevin):
    """Notes its settings, each temperature with the step before which it was set, and the steps of new masses."""

    settings, temperatures, weighed, made = {}, [], [], None

    def __init__(self, masses, **settings):
        super().__init__(masses, **settings)
        Recorded.settings, Recorded.temperatures, Recorded.weighed, Recorded.made = settings, [], [], self

    def set_temperature(self, temperature):
        super().set_temperature(temperature)
        self.temperatures.append((self.done, temperature))

    def set_masses(self, masses):
        super().set_masses(masses)
        self.weighed.append(self.done)

    @property
    def done(self):
        return int(self.iterations.numpy())


def test_penalties_are_learned_in_the_burn_in_at_one_and_then_temperatures_follow_one_another(run, monkeypatch):
    """From 20 to 5/6 of 60 epochs at every other; then it cools, and each approach to a temperature takes ``thin``."""
    learned = []
    monkeypatch.setattr(chain, "Langevin", Recorded)
    monkeypatch.setattr(LearnedPenalties, "learn", lambda penalties: learned.append(Recorded.made.done))
    config = PosteriorConfig(samples=2, burn_in=60, thin=3)
    found = posterior_weights(run, TRAIN, config, [0.5, 0.25])
    assert learned == list(range(20, 50, 2))
    assert Recorded.weighed == [0, 10, 30, 50]  # after a sixth of the burn-in, half of it, and where it cools
    assert dict(Recorded.temperatures) == {0: 1.0, 50: 0.5, 66: 0.25}
    assert {temperature: len(samples) for temperature, samples in found.items()} == {0.5: 2, 0.25: 2}


def test_beyond_a_million_examples_the_noise_of_batches_is_a_tenth_of_the_chain_s(run, monkeypatch):
    """A batch adds h² n/batch to a step's noise of (1 - (1 - γ)²) T: h² = 0.1 (1 - (1 - γ)²) T batch/n.

    Where nothing is warm, T is taken for 1.
    """
    monkeypatch.setattr(chain, "Langevin", Recorded)
    monkeypatch.setattr(chain, "STEP_EXAMPLES", N // 4)
    for temperature, heat in ((0.5, 0.5), (0, 1)):
        sampled(run, samples=1, burn_in=1, friction=0.1, temperature=temperature)
        assert Recorded.settings["learning_rate"] == pytest.approx(np.sqrt(0.1 * (1 - 0.9**2) * heat / 4))
    assert (Recorded.settings["friction"], Recorded.settings["seed"]) == (0.1, 5)
    variance = run.history["loss"][run.best_epoch - 1]
    assert Recorded.settings["scale"] == pytest.approx(N / (2 * variance))


def test_the_curvature_is_the_sum_of_squared_slopes_of_each_loss(run, monkeypatch):
    monkeypatch.setattr(curvature, "DRAWS", 400)
    weights = run.model.get_weights()[0][:, 0]
    slopes = -2 * (Y - X @ weights)[:, None] * X  # of (y - x·w)², for each example
    of_losses = curvature.loss_slopes(objective_of(run.model, run.config))
    (found,) = curvature.fisher_diagonal(of_losses, TRAIN, seed=0)
    np.testing.assert_allclose(found[:, 0], (slopes**2).sum(axis=0), rtol=0.2)


class Coupled(keras.layers.Dense):
    coupling = 6.0


@pytest.mark.parametrize(("layer", "factor"), [(Coupled, 6 / 4), (keras.layers.Dense, 1)])
def test_masses_are_those_of_vectors_and_grow_where_more_than_four_weights_move_together(layer, factor):
    """A single example: its slopes in w are -y_j x_k, whatever the sign. Of unit loss there are two nats.

    Squares of 9 and 1 make 5, of 36 and 4 make 20; a fifth of the mean of all, and what the prior adds, come on top.
    """
    model = keras.Sequential([keras.Input((3,)), layer(2, use_bias=False, kernel_initializer="zeros")])
    part = Tensors(np.array([[1.0, 2.0, 0.0]]), np.array([[3.0, 1.0]]))
    found = curvature.Curvature(objective_of(model, TrainConfig()), part, nats=2.0)
    (masses,) = found.masses([np.tile(np.float32([[1], [2], [3]]), (1, 2))], seed=0)
    mean = 4 * (5 + 20 + 0) / 3
    rows = [factor * (4 * 5 + 0.2 * mean) + 1, factor * (4 * 20 + 0.2 * mean) + 2, np.inf]  # no example moves the last
    np.testing.assert_allclose(masses, np.tile(np.array(rows)[:, None], (1, 2)), rtol=1e-5)
    assert masses.dtype == np.float32


def test_slopes_are_summed_some_examples_at_a_time(monkeypatch):
    monkeypatch.setattr(curvature, "_ROWS", 4)
    sizes = []

    def of_some(examples, beside):
        inputs, targets = examples
        sizes.append(len(targets))
        return [tf.reduce_sum(inputs * beside[:, None], axis=0), tf.reduce_sum(targets)]

    part = Tensors(np.arange(20.0).reshape(10, 2), np.arange(10.0))
    inputs, targets = curvature.summed(of_some, part, lambda n: np.full(n, 2, np.float32))
    assert sizes == [4, 4, 2]
    np.testing.assert_array_equal(inputs, [180, 200])
    assert targets == 45


def test_a_chain_that_diverges_is_begun_anew_with_shorter_steps(run):
    with pytest.warns(
        UserWarning, match="^the chain of samples diverged at the step size 2.5: it is restarted with 1.8$"
    ):
        samples = sampled(run, samples=50, burn_in=0, step_size=2.5)
    assert len(samples) == 50
    assert np.abs(samples).max() < 3


@pytest.mark.filterwarnings("ignore:the chain of samples diverged")
def test_a_chain_that_always_diverges_says_what_to_change(run):
    with pytest.raises(
        TrainingError, match="^the chain of samples diverges: set ensemble.step_size to 58, or raise penalties$"
    ):
        sampled(run, samples=200, burn_in=0, step_size=1000.0)


class Interrupted(chain._Chain):
    """Ctrl-C in the middle."""

    after = 0

    def on_epoch_end(self, epoch, logs=None):
        super().on_epoch_end(epoch, logs)
        if epoch + 1 == self.after:
            raise KeyboardInterrupt


def test_ctrl_c_keeps_the_samples_so_far(run, monkeypatch):
    monkeypatch.setattr(chain, "_Chain", Interrupted)
    monkeypatch.setattr(Interrupted, "after", 5)
    assert len(sampled(run, samples=50, burn_in=2)) == 3
    monkeypatch.setattr(Interrupted, "after", 2)
    with pytest.raises(KeyboardInterrupt):
        sampled(run, samples=50, burn_in=2)


def test_ctrl_c_ends_a_chain_that_can_go_on(run, tmp_path, monkeypatch):
    """A run that took the samples so far would be finished, and no --resume would complete its chain."""
    monkeypatch.setattr(chain, "_Chain", Interrupted)
    monkeypatch.setattr(Interrupted, "after", 5)
    with pytest.raises(KeyboardInterrupt):
        posterior_weights(run, TRAIN, PosteriorConfig(samples=50, burn_in=2), [1.0], checkpoints=tmp_path)
    assert list(tmp_path.iterdir())


def test_the_precision_of_a_penalty_is_that_of_the_prior_that_it_is(run):
    """λ ‖w‖² is n λ ‖w‖² / σ² / 2 · 2 in nats, a normal prior of precision 2 n λ nats."""
    before = run.model.get_weights()
    (found,) = LearnedPenalties(objective_of(run.model, run.config), TRAIN, nats=3.0).precisions
    np.testing.assert_allclose(found, 2 * N * L2 * 3.0, rtol=1e-4)
    np.testing.assert_allclose(run.model.get_weights(), before, rtol=1e-6)


class Killed(BaseException):
    pass


def test_a_chain_that_was_cut_short_goes_on_to_the_same_samples(run, tmp_path, monkeypatch):
    """In the burn-in, in the first sample, after it, and in the approach to the second temperature."""
    walked = (run, TRAIN, PosteriorConfig(samples=2, burn_in=32, thin=3), [1.0, 0.5])
    save = Checkpoints.save
    for epoch in (2, 34, 37, 41):

        def killed(checkpoints, done, state, epoch=epoch):
            if done == epoch:
                raise Killed
            save(checkpoints, done, state)

        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(Checkpoints, "save", killed)
            posterior_weights(*walked, checkpoints=tmp_path)
        assert Checkpoints(tmp_path).epochs == [done for done in (epoch - 2, epoch - 1) if done > 0]
    resumed, whole = posterior_weights(*walked, checkpoints=tmp_path), posterior_weights(*walked)
    assert list(resumed) == [1.0, 0.5]
    for temperature, samples in resumed.items():
        np.testing.assert_array_equal(samples, whole[temperature])
