"""Autoencoders of a user's or an item's ratings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from recsys_nn.encoding import Encoder
from recsys_nn.models.base import register_model
from recsys_nn.models.factors import MAX_DIMENSIONS, FactorConfig, Parts
from recsys_nn.models.ncf import Activation

if TYPE_CHECKING:
    import keras


class AutoRecConfig(FactorConfig):
    """Autoencoder of ratings, where an item is known by its ratings, a user by what they make of them: item-based

        r_ui = μ + a_u + b_i + V_u·g(c + |U(i)|^(-1/2) Σ_{v ∈ U(i)} (r_vi - μ)/s W_v)

    and user-based with users and items exchanged (Sedhain et al. 2015, "AutoRec: autoencoders meet collaborative
    filtering", equation 1, with biases of both sides and sums normalised). U(i) are the ratings of item i in the
    training part alone. The hidden values of all items are worked out once a step, so steps should be large, as those
    of :class:`SVDPPConfig`.

    Args:
        side: side whose ratings are encoded, ``item`` (the better choice in the paper) or ``user``.
        embedding_dim: number of neurons of the hidden layer.
        activation: activation function g of the hidden layer.
        set_l2: the penalty on W. None: the rule for ``l2``.

    Example:
        >>> for side in ("item", "user"):
        ...     model = rn.build_model(rn.AutoRecConfig(side=side, embedding_dim=32), encoder)
        ...     print(side, tuple(model.get_layer(f"{side}_set").weights[0].shape))  # W, a row a user or an item
        item (31, 32)
        user (16, 32)
    """

    needs_table = True
    kind: Literal["autorec"] = "autorec"
    side: Literal["item", "user"] = "item"
    embedding_dim: int = Field(default=64, ge=1, le=MAX_DIMENSIONS)
    activation: Activation = "sigmoid"
    set_l2: float | None = Field(default=None, ge=0)


@register_model(AutoRecConfig)
def build(config: AutoRecConfig, encoder: Encoder) -> keras.Model:
    import keras

    from recsys_nn.models.layers.basic import Offset

    parts = Parts(config, encoder)
    l2 = parts.strength(config.set_l2)
    encoded = parts.rated_set(config.side, l2=l2, init_std=config.init_std, of_ratings=True)
    hidden = Offset(name="hidden_offset")(parts.with_features(encoded, config.side))
    hidden = keras.layers.Activation(config.activation, name="hidden")(hidden)
    decoder = parts.factors_of("user" if config.side == "item" else "item")
    return parts.product(decoder, hidden) if config.side == "item" else parts.product(hidden, decoder)
