"""Functions in the space of a kernel, by random features."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import keras
import numpy as np
from keras import ops
from scipy.stats import cauchy, norm, qmc

from recsys_nn.models.layers.basic import PACKAGE, PenalisedLayer

KernelName = Literal["rbf", "laplace", "polynomial"]
Structure = Literal["additive", "difference", "joint"]


@keras.saving.register_keras_serializable(package=PACKAGE)
class KernelInteraction(PenalisedLayer):
    """g(p, q) = Σ_k w_k·φ_k(x_k), a function in the space of the kernel Σ_k κ(x_k, x'_k), with one of

        additive     x_k = (p_k, q_k), for each coordinate k (Duvenaud et al. 2011, "Additive Gaussian processes")
        difference   x_k = p_k - q_k, for each coordinate k: g depends on how far apart user and item are
        joint        x = (p, q), one kernel of all coordinates

    and with E φ(x)·φ(x') = κ(x, x'), which is

        rbf          exp(-‖x - x'‖² / 2ℓ²)
        laplace      exp(-‖x - x'‖₁ / ℓ)
        polynomial   (1 + x·x' / ℓ²)^degree

    φ of the first two has the pairs √(2/m) (cos ω·x/ℓ, sin ω·x/ℓ), with m/2 random ω from the kernel's spectral
    density, which is normal or Cauchy (Rahimi & Recht 2007, "Random features for large-scale kernel machines"), spread
    evenly over it by a scrambled Halton sequence (Yang et al. 2014, "Quasi-Monte Carlo feature maps"); of the third,
    √(1/m) Π_t ω_t·(x/ℓ, 1) over t = 1, ..., degree, with random signs ω_t (Kar & Karnick 2012, "Random feature maps
    for dot product kernels"). All ω stay as they were drawn; w and the length scale ℓ are learned.

    Args:
        kernel: name of the kernel κ.
        structure: vectors x that κ compares, as above.
        n_features: number m of features of each φ.
        length_scale: initial value of ℓ.
        degree: degree of the polynomial kernel.
        penalty: strength of the penalty Σ ‖w‖² in the training loss, the squared norm of g in the kernel's function
            space.

    Shapes: two float32 (batch, dim) -> float32 (batch, 1).
    """

    def __init__(
        self,
        *,
        kernel: KernelName = "rbf",
        structure: Structure = "additive",
        n_features: int = 32,
        length_scale: float = 1.0,
        degree: int = 3,
        penalty: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.kernel, self.structure, self.n_features, self.length_scale = kernel, structure, n_features, length_scale
        self.degree, self.penalty = degree, penalty

    def build(self, p_shape: tuple[int | None, int], q_shape: Any = None) -> None:
        k = p_shape[-1]
        groups, dim = {"additive": (k, 2), "difference": (k, 1), "joint": (1, 2 * k)}[self.structure]
        if self.kernel == "polynomial":
            draw: Callable[..., Any] = _signs
            shape: tuple[int, ...] = (self.degree, groups, dim + 1, self.n_features)
        else:
            draw, shape = partial(_frequencies, _QUANTILES[self.kernel]), (groups, dim, self.n_features // 2)
        self.frequencies = self.add_weight(name="frequencies", shape=shape, initializer=draw, trainable=False)
        start = keras.initializers.Constant(math.log(self.length_scale))
        self.log_length_scale = self.add_weight(name="log_length_scale", shape=(), initializer=start)
        self.coefficients = self.add_weight(
            name="coefficients",
            shape=(groups * self.n_features, 1),
            initializer=keras.initializers.RandomNormal(stddev=0.1),
        )

    def call(self, p: Any, q: Any, training: bool | None = None) -> Any:
        self.penalise(self.penalty, self.coefficients, training)
        return self.features(p, q) @ self.coefficients

    def features(self, p: Any, q: Any) -> Any:
        """φ, of all coordinates one after another: (batch, m) or (batch, dim · m)."""
        if self.structure == "additive":
            x = ops.stack([p, q], axis=-1)
        elif self.structure == "difference":
            x = (p - q)[:, :, None]
        else:
            x = ops.concatenate([p, q], axis=-1)[:, None, :]
        x = x * ops.exp(-self.log_length_scale)  # (batch, groups, dim of a group)
        if self.kernel == "polynomial":
            x = ops.concatenate([x, ops.ones_like(x[..., :1])], axis=-1)
            factors = ops.einsum("bgd,tgdm->tbgm", x, self.frequencies)
            features = math.prod(factors[t] for t in range(self.degree)) / math.sqrt(self.n_features)
        else:
            angles = ops.einsum("bgd,gdm->bgm", x, self.frequencies)
            features = ops.concatenate([ops.cos(angles), ops.sin(angles)], axis=-1) * math.sqrt(2 / self.n_features)
        return ops.reshape(features, (-1, features.shape[1] * self.n_features))

    def get_config(self) -> dict[str, Any]:
        names = ("kernel", "structure", "n_features", "length_scale", "degree", "penalty")
        return super().get_config() | {name: getattr(self, name) for name in names}


_QUANTILES: dict[str, Callable[[Any], Any]] = {"rbf": norm.ppf, "laplace": cauchy.ppf}
"""Of each coordinate of ω."""


def _frequencies(quantiles: Callable[[Any], Any], shape: tuple[int, int, int], dtype: Any) -> Any:
    groups, dim, n = shape
    seed = random.randrange(2**32)  # as Keras draws those of its own initializers
    uniform = [qmc.Halton(dim, rng=np.random.default_rng([seed, group])).random(n).T for group in range(groups)]
    return ops.convert_to_tensor(quantiles(np.stack(uniform)), dtype=dtype)


def _signs(shape: tuple[int, ...], dtype: Any) -> Any:
    return ops.sign(keras.initializers.RandomUniform(-1.0, 1.0)(shape, dtype=dtype))
