"""What the rungs of the interaction ladder share: r_ui = μ + s (a_u + b_i + f(p_u, q_i)), f a layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from recsys_nn.data.encoding import Encoder
from recsys_nn.models.base import ModelConfig

if TYPE_CHECKING:
    import keras


class RungConfig(ModelConfig):
    """The settings of every rung.

    Args:
        embedding_dim: length of p_u and q_i.
        l2: λ of the penalty λ (Σ_u ‖p_u‖² + Σ_i ‖q_i‖²), beside the mean squared error. None: 10 s² / n, with n
            training ratings of standard deviation s, so that its strength depends neither on the size of the table
            nor on the rating scale.
        init_std: standard deviation of the initial factors.
        penalty: of the interaction's own coefficients, in units of s² / n.
    """

    embedding_dim: int = Field(8, ge=1)
    l2: float | None = Field(None, ge=0)
    init_std: float = Field(0.1, gt=0)
    penalty: float = Field(1.0, ge=0)


def assembled(config: RungConfig, encoder: Encoder, interaction: Any, **options: Any) -> keras.Model:
    """The model of one interaction layer, made with ``options``."""
    import keras

    from recsys_nn.models import layers

    unit = encoder.rating_std**2 / encoder.n_ratings
    l2 = 10 * unit if config.l2 is None else config.l2
    inputs = layers.id_inputs()
    p, q = layers.embedded(inputs, encoder, "factors", config.embedding_dim, l2=l2, init_std=config.init_std)
    a, b = layers.embedded(inputs, encoder, "bias", 1, init_std=0.0)
    z = a + b + interaction(penalty=config.penalty * unit, name="interaction", **options)(p, q)
    return keras.Model(inputs, layers.rating_output(z, encoder), name=config.kind)
