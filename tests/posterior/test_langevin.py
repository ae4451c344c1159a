"""Langevin dynamics, against Gaussians whose mean and covariance are known."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_nn.posterior.langevin import Langevin

PRECISION = np.array([[4.0, 1.0], [1.0, 2.0]], np.float32)  # of the Gaussian N(mode, T PRECISION⁻¹)
MODE = np.array([1.0, -2.0], np.float32)


def chain(optimizer, *, start=MODE, steps=20_000, springs=0.0):
    """The states (steps, 2) of a chain with U(θ) = (θ - mode)ᵀ A (θ - mode) / 2, given as a loss that is U / scale."""
    state = keras.Variable(start, name="state")
    optimizer.build([state])
    optimizer.set_springs([springs])

    @tf.function
    def run():
        def step(k, states):
            slope = tf.linalg.matvec(PRECISION, state.value - MODE) / optimizer.scale
            optimizer.apply([slope], [state])
            return k + 1, states.write(k, state.value)

        states = tf.TensorArray(tf.float32, steps, element_shape=(2,))
        return tf.while_loop(lambda k, _: k < steps, step, (0, states), parallel_iterations=1)[1].stack()

    return run().numpy()


def langevin(masses=(4.0, 2.0), **options):
    return Langevin([np.array(masses, np.float32)], **{"learning_rate": 1.0, "friction": 0.5, "seed": 1} | options)


@pytest.mark.parametrize("temperature", [1.0, 0.25])
def test_the_states_have_the_mean_and_the_covariance_of_the_density(temperature):
    states = chain(langevin(temperature=temperature, scale=50.0))
    np.testing.assert_allclose(states.mean(axis=0), MODE, atol=0.05)
    np.testing.assert_allclose(np.cov(states.T), temperature * np.linalg.inv(PRECISION), rtol=0.15, atol=0.02)


def test_masses_change_the_way_but_not_the_density():
    states = chain(langevin(masses=(10.0, 2.0)))
    np.testing.assert_allclose(np.cov(states.T), np.linalg.inv(PRECISION), rtol=0.15, atol=0.02)


def test_without_temperature_it_settles_in_the_mode():
    states = chain(langevin(temperature=0.0), start=np.array([5.0, 5.0], np.float32), steps=300)
    np.testing.assert_allclose(states[-1], MODE, atol=1e-4)


def test_springs_add_to_the_precision():
    springs = np.array([2.0, 0.0], np.float32)
    states = chain(langevin(masses=(6.0, 2.0)), springs=springs)
    stiffer = PRECISION + np.diag(springs)
    np.testing.assert_allclose(states.mean(axis=0), np.linalg.solve(stiffer, PRECISION @ MODE), atol=0.05)
    np.testing.assert_allclose(np.cov(states.T), np.linalg.inv(stiffer), rtol=0.15, atol=0.02)


def test_begun_anew_it_has_neither_momenta_nor_springs():
    optimizer = langevin()
    chain(optimizer, steps=10, springs=np.array([2.0, 0.0], np.float32))
    optimizer.restart([np.array([9.0, 9.0], np.float32)], 0.25)
    np.testing.assert_array_equal(optimizer._momenta[0], 0)
    np.testing.assert_array_equal(optimizer._springs[0], 0)
    assert float(optimizer.learning_rate) == 0.25


def test_what_has_an_infinite_mass_stays_where_it_is():
    states = chain(langevin(masses=(4.0, np.inf)), steps=50)
    assert (states[:, 1] == MODE[1]).all()
    assert states[:, 0].std() > 0


def test_the_seed_decides_the_noise():
    first, again, other = (chain(langevin(seed=seed), steps=50) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.allclose(first, other)


def test_each_variable_and_each_step_has_noise_of_its_own():
    optimizer = Langevin([np.ones(4000, np.float32)] * 2, friction=1.0)
    variables = [keras.Variable(np.zeros(4000, np.float32), name=name) for name in "ab"]
    noise = []
    for _ in range(2):
        optimizer.apply([tf.zeros(4000)] * 2, variables)
        noise += [momentum.numpy() for momentum in optimizer._momenta]  # with friction 1 nothing else
    correlations = np.corrcoef(noise)[np.triu_indices(4, 1)]
    assert np.abs(correlations).max() < 4 / np.sqrt(4000)
