import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.metrics.pairwise import laplacian_kernel, polynomial_kernel, rbf_kernel

from recsys_nn import KernelConfig
from recsys_nn.models.layers.kernel import KernelInteraction
from tests.models.contract import LayersContract


class TestKernelOfPairs(LayersContract):
    config = KernelConfig(embedding_dim=4, n_features=16)


class TestKernelOfAll(LayersContract):
    config = KernelConfig(embedding_dim=4, n_features=64, structure="joint", kernel="polynomial")


LENGTH = 1.5  # sklearn's gamma is 1/2ℓ², 1/ℓ and 1/ℓ²
EXACT = {
    "rbf": lambda x, y=None: rbf_kernel(x, y, gamma=1 / (2 * LENGTH**2)),
    "laplace": lambda x, y=None: laplacian_kernel(x, y, gamma=1 / LENGTH),
    "polynomial": lambda x, y=None: polynomial_kernel(x, y, degree=2, gamma=1 / LENGTH**2, coef0=1),
}
POINTS = np.random.default_rng(3).normal(size=(2, 40, 2))  # p and q of 40 pairs, with 2 factors


def features(kernel: str, n_features: int, structure: str = "joint", seed: int = 0) -> np.ndarray:
    import keras

    layer = KernelInteraction(kernel=kernel, structure=structure, n_features=n_features, length_scale=LENGTH, degree=2)
    keras.utils.set_random_seed(seed)
    layer.build((None, 2))
    return layer.features(*np.float32(POINTS)).numpy()


@pytest.mark.parametrize("kernel", EXACT)
class TestTheFeatures:
    def test_their_products_approach_the_kernel_as_one_over_the_root_of_their_number(self, kernel):
        exact = EXACT[kernel](np.concatenate(POINTS, axis=1))

        def error(n_features):
            found = [features(kernel, n_features, seed=seed) for seed in range(8)]
            return np.sqrt(np.mean([(phi @ phi.T - exact) ** 2 for phi in found]))

        few, many = error(64), error(4096)
        assert many < 0.02 * exact.max()
        assert few / many > 8 / 1.4  # √(4096 / 64) = 8, which evenly spread frequencies better

    def test_ridge_regression_on_them_approaches_kernel_ridge_regression(self, kernel):
        x = np.concatenate(POINTS, axis=1)
        y = np.sin(x[:, 0]) * x[:, 2] + x[:, 1]
        exact = KernelRidge(alpha=0.5, kernel="precomputed").fit(EXACT[kernel](x[:30]), y[:30])
        expected = exact.predict(EXACT[kernel](x[30:], x[:30]))

        def error(n_features):
            errors = []
            for seed in range(3):
                phi = features(kernel, n_features, seed=seed)
                ridge = Ridge(alpha=0.5, fit_intercept=False).fit(phi[:30], y[:30])
                errors.append(np.mean((ridge.predict(phi[30:]) - expected) ** 2))
            return np.sqrt(np.mean(errors))

        few, more, many = (error(n_features) for n_features in (64, 512, 4096))
        assert few > more > many
        assert many < few / 4  # 8 where it falls as 1/√m


@pytest.mark.parametrize(
    ("structure", "blocks"),
    [
        ("additive", [POINTS[:, :, 0].T, POINTS[:, :, 1].T]),
        ("difference", [(POINTS[0, :, k] - POINTS[1, :, k])[:, None] for k in (0, 1)]),
        ("joint", [np.concatenate(POINTS, axis=1)]),
    ],
)
def test_the_kernel_is_a_sum_over_the_parts_of_its_structure(structure, blocks):
    phi = features("rbf", 8192, structure)
    np.testing.assert_allclose(phi @ phi.T, sum(EXACT["rbf"](block) for block in blocks), atol=0.06)


def test_the_layer_is_the_weighted_sum_of_its_features():
    layer = KernelInteraction(n_features=8, length_scale=2.0)
    p, q = np.float32(POINTS)
    layer.build(p.shape)
    np.testing.assert_allclose(layer(p, q), layer.features(p, q) @ layer.coefficients, rtol=1e-5)
    assert layer.log_length_scale.numpy() == pytest.approx(np.log(2))


def test_the_penalty_is_the_squared_norm_of_the_coefficients():
    layer = KernelInteraction(n_features=4, penalty=0.5)
    layer.build((None, 1))
    layer.coefficients.assign([[1.0], [2.0], [3.0], [0.0]])
    layer(np.ones((1, 1), np.float32), np.ones((1, 1), np.float32), training=True)
    assert sum(map(float, layer.losses)) == pytest.approx(0.5 * 14)


def test_a_degree_of_another_kernel_is_refused():
    with pytest.raises(
        ValidationError, match="model.degree must be left out, as it has no effect on the kernel 'rbf', but is 2"
    ):
        KernelConfig(degree=2)


def test_an_odd_number_of_features_is_refused():
    with pytest.raises(ValidationError, match="multiple of 2"):
        KernelConfig(n_features=7)
