"""The latent-factor model with rated-by sets both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from recsys_nn.encoding import SIDES, Encoder
from recsys_nn.models.base import register_model
from recsys_nn.models.factors import MAX_DIMENSIONS, FactorConfig, Parts

if TYPE_CHECKING:
    import keras


class SVDPPConfig(FactorConfig):
    """r_ui = μ + a_u + b_i + (p_u + |R(u)|^(-1/2) Σ_{j ∈ R(u)} y_j)·(q_i + |U(i)|^(-1/2) Σ_{v ∈ U(i)} x_v)

    where R(u) is what user u rated and U(i) who rated item i, in the training part alone. The sums over R(u) are those
    of SVD++ (Koren 2008, "Factorization meets the neighborhood", equation 15); those over U(i) are the same for items,
    the "flipped" model of Rendle, Zhang & Koren 2019, "On the difficulty of evaluating baselines".

    The sums of all users and items are worked out once a step. So a step costs at least as much as a pass over the
    training ratings, and steps should be large: with ``batch_size`` at or above their number, an epoch is one step.

    Units and objective are those of :class:`SVDConfig`, with the penalty on the set vectors y and x beside it.

    Args:
        embedding_dim: length of the vectors.
        set_l2: the penalty on y and x. None: two and a half times the rule for ``l2``.
        init_std: standard deviation of all initial vectors.

    Example:
        >>> model = rn.build_model(rn.SVDPPConfig(embedding_dim=4), encoder)
        >>> [layer.name for layer in model.layers if layer.name.endswith("set")]
        ['user_set', 'item_set']
    """

    needs_table = True
    prior = 18.0
    bilinear = True
    kind: Literal["svdpp"] = "svdpp"
    embedding_dim: int = Field(default=16, ge=1, le=MAX_DIMENSIONS)
    set_l2: float | None = Field(default=None, ge=0)
    init_std: float = Field(default=0.1, gt=0)


@register_model(SVDPPConfig)
def build(config: SVDPPConfig, encoder: Encoder) -> keras.Model:
    parts = Parts(config, encoder)
    p, q = parts.factors()
    l2, std = parts.strength(config.set_l2, 2.5), parts.init_std
    user_set, item_set = (parts.rated_set(side, l2=l2, init_std=std) for side in SIDES)
    return parts.product(p + user_set, q + item_set)
