import numpy as np
import pytest
import tensorflow as tf

from recsys_nn import Encoder, SVDConfig, TrainConfig, Trainer, build_model
from tests.models.contract import NetworkContract, twenty_ratings


class TestSVD(NetworkContract):
    config = SVDConfig(embedding_dim=8, l2=0.01, bias_l2=0.02)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.fit(twenty_ratings())


def test_the_prediction_is_mean_plus_biases_plus_inner_product(encoder):
    model = build_model(SVDConfig(embedding_dim=3), encoder, seed=0)
    rng = np.random.default_rng(1)
    for name in ("user_factors", "item_factors", "user_bias", "item_bias"):
        table = model.get_layer(name).embeddings
        table.assign(rng.normal(0, 0.2, table.shape))
    p, q, a, b = (
        model.get_layer(name).embeddings.numpy() for name in ("user_factors", "item_factors", "user_bias", "item_bias")
    )
    users, items = np.array([1, 2, 5, 0], dtype=np.int32), np.array([6, 1, 3, 2], dtype=np.int32)
    z = a[users, 0] + b[items, 0] + np.sum(p[users] * q[items], axis=1)
    expected = np.clip(encoder.rating_mean + encoder.rating_std * z, 1, 5)
    np.testing.assert_allclose(model({"user": users, "item": items}), expected, rtol=1e-5)


def test_an_epoch_of_batches_averages_to_the_full_objective(encoder):
    """mean over ratings of (squared error + batch penalty) = (1/n) Σ e² + λ (Σ‖p‖² + Σ‖q‖²) + λ_b (Σa² + Σb²)."""
    config = SVDConfig(embedding_dim=3, l2=0.07, bias_l2=0.05, init_std=0.5)
    model = build_model(config, encoder, seed=2)
    tensors = encoder.encode(twenty_ratings())
    for name in ("user_bias", "item_bias"):
        table = model.get_layer(name).embeddings
        table.assign(np.r_[[[0.0]], np.random.default_rng(3).normal(0, 1, (table.shape[0] - 1, 1))])

    losses = []
    for batch in np.arange(20).reshape(5, 4):
        part = tensors.take(batch)
        errors = tf.square(model(part.inputs, training=True) - part.targets)
        losses.append(float(tf.reduce_mean(errors) + tf.add_n(model.losses)))

    s = encoder.rating_std
    p, q, a, b = (
        model.get_layer(name).embeddings.numpy() * unit
        for name, unit in (("user_factors", s**0.5), ("item_factors", s**0.5), ("user_bias", s), ("item_bias", s))
    )
    users, items = tensors.inputs["user"], tensors.inputs["item"]
    predicted = encoder.rating_mean + a[users, 0] + b[items, 0] + np.sum(p[users] * q[items], axis=1)
    dense = np.mean((tensors.targets - predicted) ** 2)
    dense += config.l2 * (np.sum(p**2) + np.sum(q**2)) + config.bias_l2 * (np.sum(a**2) + np.sum(b**2))
    assert np.mean(losses) == pytest.approx(dense, rel=1e-5)


@pytest.mark.parametrize("batch_size", [20, 4])
def test_row_wise_steps_follow_the_gradient_of_the_dense_penalty(encoder, batch_size):
    """An epoch of SGD at a rate η → 0 moves every weight by -η · steps · the gradient of the full objective, penalty of
    all rows included, although a step touches the rows of its batch alone."""
    config, rate = SVDConfig(embedding_dim=3, l2=0.3, init_std=0.5), 1e-4
    model, tensors = build_model(config, encoder, seed=2), encoder.encode(twenty_ratings())
    tables = [model.get_layer(f"{side}_factors").embeddings for side in ("user", "item")]
    start = [table.numpy() for table in tables]
    with tf.GradientTape() as tape:
        error = tf.reduce_mean(tf.square(model(tensors.inputs) - tensors.targets))
        dense = error + config.l2 * encoder.rating_std * tf.add_n([tf.reduce_sum(tf.square(t.value)) for t in tables])
    gradients = [tf.convert_to_tensor(g).numpy() for g in tape.gradient(dense, [table.value for table in tables])]
    settings = TrainConfig(
        optimizer="rowwise_sgd", learning_rate=rate, batch_size=batch_size, epochs=1, patience=None, validation=0
    )
    Trainer(settings, progress=False).fit(model, tensors)
    for table, before, gradient in zip(tables, start, gradients, strict=True):
        moved = (table.numpy() - before) / (-rate * 20 / batch_size)
        np.testing.assert_allclose(moved, gradient, atol=5e-3)
        assert np.abs(gradient).max() > 0.5


def test_without_a_given_penalty_its_sum_is_that_of_a_prior(encoder):
    """λ = 12 s / n; the layer holds factors in units of √s, so its own coefficient is λ s."""
    model = build_model(SVDConfig(), encoder)
    assert model.get_layer("item_factors").l2 == pytest.approx(12 * encoder.rating_std**2 / 20)


def test_the_penalty_is_no_part_of_a_validation_loss(encoder):
    model = build_model(SVDConfig(l2=1.0), encoder)
    model(encoder.encode(twenty_ratings()).inputs, training=False)
    assert [float(loss) for loss in model.losses] == []
