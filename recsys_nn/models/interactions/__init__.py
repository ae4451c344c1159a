"""Interactions g(p_u, q_i) beyond the dot product, a Keras layer each, and what the kinds around them share:

z_ui = a_u + b_i + p_u·q_i + g(p_u, q_i)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import Field

from recsys_nn.encoding.encoder import Encoder
from recsys_nn.errors import ConfigError
from recsys_nn.models.factors import FactorConfig, Parts

if TYPE_CHECKING:
    import keras


class InteractionConfig(FactorConfig):
    """What the kinds share whose interaction has coefficients of its own.

    Args:
        interaction_l2: the penalty on these coefficients. None: a tenth of the rule for ``l2``.
    """

    interaction_l2: float | None = Field(default=None, ge=0)

    def refuse_set(self, name: str, where: str) -> None:
        """A ConfigError where a setting that has no effect there is neither its default nor 0."""
        value = getattr(self, name)
        if value and value != type(self).model_fields[name].default:
            raise ConfigError(f"model.{name}: {value:g} has no effect {where}; leave it out")


def with_interaction(config: InteractionConfig, encoder: Encoder, layer: Any, **options: Any) -> keras.Model:
    """The model with an interaction beside its dot product.

    Args:
        config: of the kind.
        encoder: whose ids and features the model is for.
        layer: makes the interaction's layer; None for the dot product alone.
        options: of the layer.
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
