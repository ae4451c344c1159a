import numpy as np
import pytest
from pydantic import ValidationError

from recsys_nn import Encoder, GMFConfig, MLPConfig, NeuMFConfig, build_model
from tests.models.contract import LayersContract, NetworkContract, twenty_ratings


class TestGMF(NetworkContract):
    config = GMFConfig(embedding_dim=8)


class TestMLP(NetworkContract):
    config = MLPConfig(embedding_dim=8, depth=2, activation="tanh", dropout=0.0)


class TestNeuMF(LayersContract):
    config = NeuMFConfig(embedding_dim=8, widths=(16, 8), activation="elu", dropout=0.0)


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return Encoder.fit(twenty_ratings())


def test_towers_halve_from_the_width_of_their_input():
    assert MLPConfig(embedding_dim=32, depth=3).tower() == (128, 64, 32)
    assert MLPConfig(embedding_dim=1, depth=4).tower() == (4, 2, 1, 1)
    assert MLPConfig(widths=(10, 3)).tower() == (10, 3)


def test_neumf_is_the_sum_of_its_branches_and_biases(encoder):
    """z = a_u + b_i + h·[p_u ∘ q_i, A(W [p'_u, q'_i] + c)], by hand for one hidden layer."""
    model = build_model(NeuMFConfig(embedding_dim=2, widths=(3,), init_std=0.5), encoder, seed=4)
    tables = {layer.name: layer.embeddings.numpy() for layer in model.layers if hasattr(layer, "embeddings")}
    users, items = np.array([1, 4, 0], dtype=np.int32), np.array([2, 6, 3], dtype=np.int32)
    product = tables["user_gmf_factors"][users] * tables["item_gmf_factors"][items]
    joined = np.concatenate([tables["user_mlp_factors"][users], tables["item_mlp_factors"][items]], axis=1)
    kernel, offset = model.get_layer("hidden_1").get_weights()
    hidden = np.maximum(joined @ kernel + offset, 0)
    (h,), (g,) = (model.get_layer(f"{name}_head").get_weights() for name in ("gmf", "mlp"))
    z = product @ h + hidden @ g
    expected = np.clip(encoder.rating_mean + encoder.rating_std * z[:, 0], 1, 5)
    np.testing.assert_allclose(model({"user": users, "item": items}), expected, rtol=1e-5)


def test_without_a_given_penalty_its_strength_depends_on_neither_size_nor_scale(encoder):
    """λ = 10 s² / n: of the 20 ratings here."""
    model = build_model(GMFConfig(), encoder)
    assert model.get_layer("user_gmf_factors").l2 == pytest.approx(10 * encoder.rating_std**2 / 20)


def test_dropout_acts_in_training_alone(encoder):
    model = build_model(MLPConfig(dropout=0.5, init_std=1.0), encoder, seed=0)
    inputs = encoder.encode(twenty_ratings()).inputs
    np.testing.assert_array_equal(model(inputs, training=False), model(inputs, training=False))
    assert not np.array_equal(model(inputs, training=True), model(inputs, training=True))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"widths": [0]}, "greater than or equal to 1"),
        ({"dropout": 1.0}, "less than 1"),
        ({"activation": "rleu"}, "relu"),
        ({"embedding_dims": 3}, "embedding_dims"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        NeuMFConfig(**settings)
