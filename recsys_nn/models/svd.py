"""The latent-factor model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from recsys_nn.encoding import Encoder
from recsys_nn.models.base import register_model
from recsys_nn.models.factors import MAX_DIMENSIONS, FactorConfig, Parts

if TYPE_CHECKING:
    import keras


class SVDConfig(FactorConfig):
    """r_ui = μ + a_u + b_i + p_u·q_i, trained to minimise

        (1/|Ω|) Σ_Ω (r_ui - μ - a_u - b_i - p_u·q_i)² + λ (Σ_u ‖p_u‖² + Σ_i ‖q_i‖²)

    with Ω the training ratings and μ their mean (Koren, Bell & Volinsky 2009, "Matrix factorization techniques
    for recommender systems", equation 5, biases unpenalised).

    The model holds the factors in units of the ratings' standard deviation s (p = √s p', a = s a'), so that
    one learning rate serves every rating scale; the objective is the same. λ left out is 12 s / |Ω|, the
    maximum-a-posteriori rule: λ |Ω| is the noise's variance over the factors', which does not grow with the table, so
    a fixed λ is too weak for small tables and too strong for large ones.

    Args:
        embedding_dim: length of p_u and q_i.
        init_std: standard deviation of the initial factors.

    Example:
        >>> model = rn.build_model(rn.SVDConfig(embedding_dim=4), encoder)
        >>> [tuple(weight.shape) for weight in model.trainable_weights]  # of 30 users and 15 items, and of unknown ones
        [(31, 4), (16, 4), (31, 1), (16, 1)]
    """

    prior = 12.0
    bilinear = True
    kind: Literal["svd"] = "svd"
    embedding_dim: int = Field(default=16, ge=1, le=MAX_DIMENSIONS)
    init_std: float = Field(default=0.05, gt=0)


@register_model(SVDConfig)
def build(config: SVDConfig, encoder: Encoder) -> keras.Model:
    parts = Parts(config, encoder)
    return parts.product(*parts.factors())
