"""Kinds with an interaction beyond the dot product, each with a Keras layer of its own: polynomial, splines, kernel.

z_ui = a_u + b_i + p_u·q_i + g(p_u, q_i)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, model_validator

from recsys_nn.encoding import Encoder
from recsys_nn.errors import ConfigError
from recsys_nn.models.base import register_model
from recsys_nn.models.factors import MAX_DIMENSIONS, FactorConfig, Parts

if TYPE_CHECKING:
    import keras


class InteractionConfig(FactorConfig):
    """Base config of the kinds whose interaction has coefficients of its own.

    Args:
        interaction_l2: the penalty on these coefficients. None: a tenth of the rule for ``l2``.
    """

    interaction_l2: float | None = Field(default=None, ge=0)

    def refuse_set(self, name: str, where: str) -> None:
        """Raises a ConfigError where a setting that has no effect there is neither its default nor 0."""
        value = getattr(self, name)
        if value and value != type(self).model_fields[name].default:
            raise ConfigError(f"model.{name} must be left out, as it has no effect {where}, but is {value:g}")


def with_interaction(config: InteractionConfig, encoder: Encoder, layer: Any, **options: Any) -> keras.Model:
    """Builds the model with an interaction beside its dot product.

    Args:
        config: config of the kind to build.
        encoder: encoder of the ids and features that the model is for.
        layer: makes the interaction's layer; None for the dot product alone.
        options: further arguments of the layer.
    """
    from keras import ops

    parts = Parts(config, encoder)
    p, q = parts.factors()
    if layer is None:
        return parts.product(p, q)
    z = parts.biases() + ops.sum(p * q, axis=-1, keepdims=True)
    return parts.model(
        z + layer(penalty=parts.strength(config.interaction_l2, 0.1), name="interaction", **options)(p, q)
    )


class PolynomialConfig(InteractionConfig):
    """z_ui = a_u + b_i + p_u·q_i + Σ_k Σ_(a,b)≠(1,1) w_kab h_a(x_uk) h_b(y_ik), a and b from 1 to the degree,

    with h_a the normalised Hermite polynomial of degree a, and x = [p, pA], y = [q, qB]: the factors and learned
    combinations of them (Blondel et al. 2016, "Polynomial networks and factorization machines", for low-rank powers).
    Degree 1 is the svd model, with its factors in units of √s.

    Args:
        degree: the highest power of each factor.
        cross_rank: columns of A and B; 0 leaves products of different coordinates out.

    Example:
        >>> [rn.build_model(rn.PolynomialConfig(degree=degree), encoder).count_params() for degree in (1, 2, 3)]
        [517, 541, 581]
    """

    kind: Literal["polynomial"] = "polynomial"
    degree: int = Field(default=2, ge=1, le=8)
    cross_rank: int = Field(default=0, ge=0, le=MAX_DIMENSIONS)

    @model_validator(mode="after")
    def _has_no_setting_without_effect(self) -> PolynomialConfig:
        for name in ("cross_rank", "interaction_l2"):
            if self.degree == 1:
                self.refuse_set(name, "with degree 1")
        return self


@register_model(PolynomialConfig)
def build_polynomial(config: PolynomialConfig, encoder: Encoder) -> keras.Model:
    from recsys_nn.models.layers.polynomial import PolynomialInteraction

    if config.degree == 1:
        return with_interaction(config, encoder, None)
    options = {"degree": config.degree, "cross_rank": config.cross_rank}
    return with_interaction(config, encoder, PolynomialInteraction, **options)


class BSplineConfig(InteractionConfig):
    """z_ui = a_u + b_i + p_u·q_i + Σ_k Σ_r s_kr(p_uk) t_kr(q_ik), of "factors", or

    z_ui = a_u + b_i + p_u·q_i + Σ_k s_k(p_uk q_ik), of the "product", with learned B-splines s and t of uniform
    knots, linear outside them, and a penalty on their roughness (Eilers & Marx 1996, "Flexible smoothing with
    B-splines and penalties"). A sum of splines of factors alone would be a bias.

    Args:
        of: argument of the splines, each of the factors or their product.
        rank: number of products of splines for each coordinate, of "factors".
        degree: degree of the splines' polynomials.
        n_intervals: number of intervals between the knots.
        bound: the knots reach from -bound to bound.

    Example:
        >>> model = rn.build_model(rn.BSplineConfig(of="product", n_intervals=6, degree=3), encoder)
        >>> tuple(model.get_layer("interaction").weights[0].shape)  # 8 coordinates, each with 6 + 3 splines
        (8, 9, 1)
    """

    kind: Literal["bspline"] = "bspline"
    of: Literal["factors", "product"] = "factors"
    rank: int = Field(default=4, ge=1, le=MAX_DIMENSIONS)
    degree: int = Field(default=3, ge=1, le=5)
    n_intervals: int = Field(default=8, ge=1, le=MAX_DIMENSIONS)
    bound: float = Field(default=2.0, gt=0)

    @model_validator(mode="after")
    def _has_no_setting_without_effect(self) -> BSplineConfig:
        if self.of == "product":
            self.refuse_set("rank", "on splines of the product")
        return self


@register_model(BSplineConfig)
def build_bspline(config: BSplineConfig, encoder: Encoder) -> keras.Model:
    from recsys_nn.models.layers.bspline import BSplineInteraction

    options = config.model_dump(include={"of", "rank", "degree", "n_intervals", "bound"})
    return with_interaction(config, encoder, BSplineInteraction, **options)


class KernelConfig(InteractionConfig):
    """z_ui = a_u + b_i + p_u·q_i + g(p_u, q_i), g in the function space of a kernel, by random features

    (Rahimi & Recht 2007, "Random features for large-scale kernel machines"; Kar & Karnick 2012, "Random feature maps
    for dot product kernels"). The kernel is of each pair (p_uk, q_ik), summed over k ("additive": Duvenaud et al. 2011,
    "Additive Gaussian processes"), of each p_uk - q_ik, summed ("difference"), or of the vector (p_u, q_i) ("joint").
    Its length scale ℓ is learned, and the penalty is the squared norm of g in its space.

    Args:
        kernel: "rbf", exp(-‖x - x'‖² / 2ℓ²); "laplace", exp(-‖x - x'‖₁ / ℓ); or "polynomial", (1 + x·x' / ℓ²)^degree.
        structure: vectors that the kernel compares, as above.
        n_features: random features of each kernel, an even number.
        length_scale: initial value of ℓ.
        degree: degree of the polynomial kernel.

    Example:
        >>> config = rn.KernelConfig(embedding_dim=8)
        >>> config.kernel, config.structure
        ('rbf', 'additive')
        >>> layer = rn.build_model(config, encoder).get_layer("interaction")
        >>> [tuple(weight.shape) for weight in layer.trainable_weights]  # ℓ, and 32 features of 8 kernels
        [(), (256, 1)]
    """

    kind: Literal["kernel"] = "kernel"
    kernel: Literal["rbf", "laplace", "polynomial"] = "rbf"
    structure: Literal["additive", "difference", "joint"] = "additive"
    n_features: int = Field(default=32, ge=2, le=MAX_DIMENSIONS, multiple_of=2)
    length_scale: float = Field(default=1.0, gt=0)
    degree: int = Field(default=3, ge=1, le=8)

    @model_validator(mode="after")
    def _has_no_setting_without_effect(self) -> KernelConfig:
        if self.kernel != "polynomial":
            self.refuse_set("degree", f"on the kernel {self.kernel!r}")
        return self


@register_model(KernelConfig)
def build_kernel(config: KernelConfig, encoder: Encoder) -> keras.Model:
    from recsys_nn.models.layers.kernel import KernelInteraction

    options = config.model_dump(include={"kernel", "structure", "n_features", "length_scale", "degree"})
    return with_interaction(config, encoder, KernelInteraction, **options)
