"""Polynomial interactions of the factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from recsys_nn.encoding.encoder import Encoder
from recsys_nn.models.base import register_model
from recsys_nn.models.factors import MOST_DIMENSIONS
from recsys_nn.models.interactions import InteractionConfig, with_interaction

if TYPE_CHECKING:
    import keras


class PolynomialConfig(InteractionConfig):
    """z_ui = a_u + b_i + p_u·q_i + Σ_k Σ_(a,b)≠(1,1) w_kab h_a(x_uk) h_b(y_ik), a and b from 1 to the degree,

    with h_a the normalised Hermite polynomial of degree a, and x = [p, pA], y = [q, qB]: the factors and learned
    combinations of them (Blondel et al. 2016, "Polynomial networks and factorization machines", for low-rank powers).
    Degree 1 is the svd model, with its factors in units of √s.

    Args:
        degree: the highest power of each factor.
        cross_rank: columns of A and B; 0 leaves products of different coordinates out.
    """

    kind: Literal["polynomial"] = "polynomial"
    degree: int = Field(default=2, ge=1, le=8)
    cross_rank: int = Field(default=0, ge=0, le=MOST_DIMENSIONS)

    @model_validator(mode="after")
    def _has_no_setting_without_effect(self) -> PolynomialConfig:
        for name in ("cross_rank", "interaction_l2"):
            if self.degree == 1:
                self.refuse_set(name, "with degree 1")
        return self


@register_model(PolynomialConfig)
def build(config: PolynomialConfig, encoder: Encoder) -> keras.Model:
    from recsys_nn.models.interactions.polynomial import PolynomialInteraction

    if config.degree == 1:
        return with_interaction(config, encoder, None)
    options = {"degree": config.degree, "cross_rank": config.cross_rank}
    return with_interaction(config, encoder, PolynomialInteraction, **options)
