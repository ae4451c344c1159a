"""Penalties learned from tables, against the Gamma distribution of a precision and tables whose spread is known."""

import keras
import numpy as np
import pytest

from recsys_nn import Encoder, SVDConfig, TrainConfig, Trainer, build_model, load_ratings
from recsys_nn.posterior.chain import posterior_weights
from recsys_nn.posterior.config import PosteriorConfig
from recsys_nn.posterior.penalties import LearnedPenalties
from recsys_nn.tensors.tensors import Tensors
from recsys_nn.training.objective import objective_of

RNG = np.random.default_rng(0)


def penalised(regularizer, *, inputs=5, units=2, n=50):
    model = keras.Sequential([keras.Input((inputs,)), keras.layers.Dense(units, kernel_regularizer=regularizer)])
    model.layers[0].kernel.assign(RNG.normal(size=(inputs, units)) * [1.0, 3.0])
    train = Tensors(RNG.normal(size=(n, inputs)), RNG.normal(size=(n, units)))
    return model, LearnedPenalties(objective_of(model, TrainConfig()), train, nats=2.0)


def test_each_dimension_of_a_table_has_the_mean_of_its_gamma_distribution():
    model, penalties = penalised(keras.regularizers.L2(0.1))
    penalties.learn()
    precision = 2 * 0.1 * 50 * 2.0  # of the prior that 0.1 Σ w² is, n = 50 examples at 2 nats
    table = model.layers[0].kernel.numpy()
    expected = (5 + 10) / (precision * (table**2).sum(axis=0) + 10)
    np.testing.assert_allclose(penalties.factors[0], expected, rtol=1e-4)
    np.testing.assert_allclose(penalties.precisions[0], np.tile(precision * expected, (5, 1)), rtol=1e-4)
    np.testing.assert_allclose(penalties.beyond[0], precision * (expected - 1), rtol=1e-3)


def test_rows_that_are_not_in_use_do_not_count():
    model, penalties = penalised(keras.regularizers.L2(0.1))
    kernel = model.layers[0].kernel
    kernel.assign(np.where(np.arange(5)[:, None] < 3, kernel, 0))
    penalties.learn()
    squares = (kernel.numpy() ** 2).sum(axis=0)
    np.testing.assert_allclose(penalties.factors[0], (3 + 10) / (20 * squares + 10), rtol=1e-4)


@pytest.mark.parametrize("regularizer", [None, keras.regularizers.L1(0.1), keras.regularizers.OrthogonalRegularizer()])
def test_what_is_no_sum_of_squares_is_left_as_it_is(regularizer):
    _, penalties = penalised(regularizer)
    penalties.learn()
    assert penalties.factors[0].tolist() == 1  # one for all its dimensions
    np.testing.assert_array_equal(penalties.beyond[0], 0)


def test_forgotten_they_are_the_objective_s_again():
    _, penalties = penalised(keras.regularizers.L2(0.1))
    penalties.learn()
    penalties.forget()
    np.testing.assert_array_equal(penalties.beyond[0], 0)


@pytest.mark.slow
def test_a_chain_finds_the_dimensions_that_the_ratings_have():
    """Two of six, which noise fills where the penalties stay as they are."""
    ratings = load_ratings(
        "synthetic", n_users=150, n_items=100, n_ratings=9_000, embedding_dim=2, noise=0.05, step=None
    )
    encoder = Encoder.fit(ratings)
    settings = TrainConfig(epochs=100, learning_rate=0.03, batch_size=10_000, patience=None, validation=0)
    model = build_model(SVDConfig(embedding_dim=6), encoder, seed=1)
    run = Trainer(settings, progress=False).fit(model, encoder.encode(ratings))

    def spread(penalties):
        config = PosteriorConfig(samples=4, thin=10, burn_in=150, penalties=penalties)
        (samples,) = posterior_weights(run, encoder.encode(ratings), config, [0.3]).values()
        names = [variable.path.split("/")[0] for variable in model.trainable_variables]
        p, q = (
            np.mean([sample[names.index(f"{side}_factors")] for sample in samples], axis=0) for side in ("user", "item")
        )
        return np.sort(p.std(axis=0) * q.std(axis=0))[::-1]

    learned, fixed = spread("learned"), spread("fixed")
    assert learned[1] > 20 * learned[2]
    assert fixed[1] < 2 * fixed[2]


def test_the_prior_of_a_factor_is_worth_ten_rows():
    """A precision of 20, five rows: squares that sum to 5 give 15 / 110, and those that sum to 1/5 give 15 / 14."""
    model, penalties = penalised(keras.regularizers.L2(0.1))
    model.layers[0].kernel.assign(np.tile([1.0, 0.2], (5, 1)))
    penalties.learn()
    np.testing.assert_allclose(penalties.factors[0], [15 / 110, 15 / 14], rtol=1e-4)
