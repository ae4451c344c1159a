import numpy as np
import pytest
from numpy.polynomial import hermite_e
from pydantic import ValidationError

from recsys_nn import Encoder, PolynomialConfig, SVDConfig, build_model
from recsys_nn.models.layers.polynomial import PolynomialInteraction, hermite
from tests.models.contract import LayersContract, twenty_ratings


class TestPolynomial(LayersContract):
    config = PolynomialConfig(embedding_dim=4, degree=3, cross_rank=2)


def test_the_first_degree_is_svd():
    encoder = Encoder.fit(twenty_ratings())
    inputs = encoder.encode(twenty_ratings()).inputs
    svd = build_model(SVDConfig(embedding_dim=3, init_std=0.5), encoder, seed=1)
    polynomial = build_model(PolynomialConfig(embedding_dim=3, degree=1), encoder, seed=2)
    for name in ("user_factors", "item_factors", "user_bias", "item_bias"):
        polynomial.get_layer(name).set_weights(svd.get_layer(name).get_weights())
    np.testing.assert_array_equal(polynomial(inputs), svd(inputs))


def test_the_polynomials_are_hermites_with_variance_one():
    """Against NumPy's He_n, and against the integral of h_a h_b over the normal density, 1 where a = b and else 0."""
    nodes, weights = hermite_e.hermegauss(12)
    values = hermite(nodes.astype(np.float32), 4).numpy()
    np.testing.assert_allclose(values[:, 2], hermite_e.hermeval(nodes, [0, 0, 0, 1]) / 6**0.5, rtol=1e-5, atol=1e-5)
    products = np.einsum("n,na,nb->ab", weights / weights.sum(), values, values)
    np.testing.assert_allclose(products, np.eye(4), atol=1e-5)


def test_the_second_degree_by_hand():
    """p = 2, q = 3, h_2(x) = (x² - 1)/√2: w_12 · 2 · 8/√2 + w_21 · 3/√2 · 3 + w_22 · 3/√2 · 8/√2."""
    layer = PolynomialInteraction(degree=2)
    layer.build((None, 1))
    layer.coefficients.assign([[1.0], [10.0], [100.0]])
    expected = 16 / 2**0.5 + 90 / 2**0.5 + 1200
    np.testing.assert_allclose(layer(np.float32([[2]]), np.float32([[3]])), [[expected]], rtol=1e-6)


def test_cross_terms_hold_products_of_different_coordinates():
    """With (p_1 + p_2)² and (q_1 + q_2)² alone, p_1 p_2 q_1 q_2 has the coefficient 2 w_22 of h_2 h_2."""
    layer = PolynomialInteraction(degree=2, cross_rank=1)
    layer.build((None, 2))
    for mix in (layer.user_mix, layer.item_mix):
        mix.assign([[1.0], [1.0]])
    layer.coefficients.assign(np.float32([0, 0, 0, 0, 0, 0, 0, 0, 1])[:, None])

    def f(*p):
        return layer(np.float32([p]), np.float32([[1, 1]])).numpy().item()

    mixed_difference = f(1, 1) - f(1, 0) - f(0, 1) + f(0, 0)
    assert mixed_difference == pytest.approx(2 * (2**2 - 1) / 2, rel=1e-5)


def test_a_degree_below_one_is_refused():
    with pytest.raises(ValidationError, match="greater than or equal to 1"):
        PolynomialConfig(degree=0)


def test_a_cross_rank_without_powers_is_refused():
    with pytest.raises(
        ValidationError, match="model.cross_rank must be left out, as it has no effect with degree 1, but is 2"
    ):
        PolynomialConfig(degree=1, cross_rank=2)
