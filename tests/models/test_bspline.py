import numpy as np
import pytest
from pydantic import ValidationError
from scipy.interpolate import BSpline

from recsys_nn import BSplineConfig
from recsys_nn.models.layers.bspline import BSplineInteraction, bspline_basis
from tests.models.contract import LayersContract


class TestBSplineOfFactors(LayersContract):
    config = BSplineConfig(embedding_dim=4)


class TestBSplineOfTheProduct(LayersContract):
    config = BSplineConfig(embedding_dim=8, of="product", degree=2)


def scipys(degree: int, n_intervals: int, bound: float) -> BSpline:
    """All basis splines at once: the spline with a unit matrix for its coefficients."""
    h = 2 * bound / n_intervals
    knots = -bound + h * np.arange(-degree, n_intervals + degree + 1)
    return BSpline(knots, np.eye(n_intervals + degree), degree)


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
@pytest.mark.parametrize(("n_intervals", "bound"), [(1, 1.0), (8, 2.0), (16, 3.0)])
class TestTheBasis:
    def test_is_scipys_between_the_knots(self, degree, n_intervals, bound):
        x = np.linspace(-bound, bound, 401, dtype=np.float32)
        expected = scipys(degree, n_intervals, bound)(x.astype(float))
        np.testing.assert_allclose(bspline_basis(x, degree, n_intervals, bound), expected, atol=1e-6)

    def test_goes_on_along_the_tangent_outside(self, degree, n_intervals, bound):
        spline = scipys(degree, n_intervals, bound)
        for end, beyond in ((-bound, -0.7), (bound, 0.7)):
            inner = end * (1 - 1e-9)
            expected = spline(inner) + beyond * spline(inner, nu=1)
            found = bspline_basis(np.float32([end + beyond]), degree, n_intervals, bound)[0]
            np.testing.assert_allclose(found, expected, atol=1e-4)

    def test_sums_to_one_everywhere(self, degree, n_intervals, bound):
        x = np.linspace(-2 * bound, 2 * bound, 50, dtype=np.float32)
        sums = bspline_basis(x, degree, n_intervals, bound).numpy().sum(axis=1)
        np.testing.assert_allclose(sums, 1, atol=1e-4)


def test_the_gradient_is_the_slope_of_the_spline_inside_and_outside():
    import tensorflow as tf

    x, c = tf.constant([-3.0, -1.2, 0.3, 1.99, 2.5]), np.random.default_rng(1).normal(size=11)
    with tf.GradientTape() as tape:
        tape.watch(x)
        total = tf.reduce_sum(bspline_basis(x, 3, 8, 2.0) * c.astype(np.float32))
    spline = scipys(3, 8, 2.0)
    expected = spline(np.clip(x.numpy().astype(float), -2, 2), nu=1) @ c
    np.testing.assert_allclose(tape.gradient(total, x), expected, atol=1e-5)


@pytest.mark.parametrize("of", ["factors", "product"])
def test_the_layer_is_the_sum_of_its_splines(of):
    layer = BSplineInteraction(of=of, rank=2, bound=2.0)
    layer.build((None, 3))
    p, q = np.random.default_rng(2).normal(size=(2, 7, 3))
    basis = scipys(3, 8, 2.0)
    coefficients = [weights.numpy() for weights in layer.coefficients]

    def splines(x, c):
        inside = np.clip(x, -2, 2)
        values = basis(inside) + (x - inside)[..., None] * basis(inside, nu=1)
        return np.einsum("bkn,knr->bkr", values, c)

    if of == "factors":
        own = splines(p, coefficients[0]) * splines(q, coefficients[1])
    else:
        own = splines(p * q, coefficients[0])
    np.testing.assert_allclose(layer(np.float32(p), np.float32(q))[:, 0], own.sum(axis=(1, 2)), atol=1e-5)


def test_the_penalty_is_that_of_second_differences():
    """c = 0, 1, 4, 9, 16 has the second differences 2, 2, 2; a straight line has none."""
    layer = BSplineInteraction(of="product", degree=1, n_intervals=4, penalty=0.5)
    layer.build((None, 1))
    for values, expected in (([0, 1, 4, 9, 16], 0.5 * 12), ([0, 1, 2, 3, 4], 0)):
        layer.coefficients[0].assign(np.float32(values)[None, :, None])
        layer(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32), training=True)
        assert sum(map(float, layer.losses)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"degree": 0}, "greater than or equal to 1"),
        ({"bound": 0}, "greater than 0"),
        ({"of": "user"}, "'factors'"),
        (
            {"of": "product", "rank": 2},
            r"model.rank must be left out, as it has no effect on splines of the product, but is 2",
        ),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValidationError, match=message):
        BSplineConfig(**settings)
