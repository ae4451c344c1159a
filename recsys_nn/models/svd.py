"""The latent-factor model."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from recsys_nn.data.encoding import Encoder
from recsys_nn.models.base import ModelConfig, register_model

if TYPE_CHECKING:
    import keras


class SVDConfig(ModelConfig):
    """r_ui = μ + a_u + b_i + p_u·q_i, trained to minimise

        (1/|Ω|) Σ_Ω (r_ui - μ - a_u - b_i - p_u·q_i)² + λ (Σ_u ‖p_u‖² + Σ_i ‖q_i‖²)

    with Ω the training ratings and μ their mean (Koren, Bell & Volinsky 2009, "Matrix factorization techniques
    for recommender systems", equation 5, biases unpenalised).

    The model holds the factors in units of the ratings' standard deviation s (p = √s p', a = s a'), so that
    one learning rate serves every rating scale; the objective is the same.

    Args:
        embedding_dim: length of p_u and q_i.
        l2: λ, in the units of the objective above. None: 12 s / |Ω|, the maximum-a-posteriori rule: λ |Ω| is the
            noise's variance over the factors', which does not grow with the table, so a fixed λ is too weak for
            small tables and too strong for large ones.
        bias_l2: the same penalty on a_u and b_i.
        init_std: standard deviation of the initial factors.
    """

    kind: Literal["svd"] = "svd"
    embedding_dim: int = Field(16, ge=1)
    l2: float | None = Field(None, ge=0)
    bias_l2: float = Field(0.0, ge=0)
    init_std: float = Field(0.05, gt=0)


@register_model(SVDConfig)
def build(config: SVDConfig, encoder: Encoder) -> keras.Model:
    import keras
    from keras import ops

    from recsys_nn.models import layers

    s = encoder.rating_std
    l2 = 12 * s / encoder.n_ratings if config.l2 is None else config.l2
    inputs = layers.id_inputs()
    p, q = layers.embedded(
        inputs, encoder, "factors", config.embedding_dim, l2=l2 * s, init_std=config.init_std / math.sqrt(s)
    )
    a, b = layers.embedded(inputs, encoder, "bias", 1, l2=config.bias_l2 * s**2, init_std=0.0)
    z = a + b + ops.sum(p * q, axis=-1, keepdims=True)
    return keras.Model(inputs, layers.rating_output(z, encoder), name=config.kind)
