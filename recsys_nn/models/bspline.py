"""Spline interactions of the factors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from recsys_nn.encoding.encoder import Encoder
from recsys_nn.models.base import register_model
from recsys_nn.models.factors import MOST_DIMENSIONS
from recsys_nn.models.interactions import InteractionConfig, with_interaction

if TYPE_CHECKING:
    import keras


class BSplineConfig(InteractionConfig):
    """z_ui = a_u + b_i + p_u·q_i + Σ_k Σ_r s_kr(p_uk) t_kr(q_ik), of "factors", or

    z_ui = a_u + b_i + p_u·q_i + Σ_k s_k(p_uk q_ik), of the "product", with learned B-splines s and t of uniform
    knots, linear outside them, and a penalty on their roughness (Eilers & Marx 1996, "Flexible smoothing with
    B-splines and penalties"). A sum of splines of factors alone would be a bias.

    Args:
        of: what the splines are of.
        rank: number of products of splines for each coordinate, of "factors".
        degree: of the splines.
        n_intervals: number of intervals between the knots.
        bound: the knots reach from -bound to bound.
    """

    kind: Literal["bspline"] = "bspline"
    of: Literal["factors", "product"] = "factors"
    rank: int = Field(default=4, ge=1, le=MOST_DIMENSIONS)
    degree: int = Field(default=3, ge=1, le=5)
    n_intervals: int = Field(default=8, ge=1, le=MOST_DIMENSIONS)
    bound: float = Field(default=2.0, gt=0)

    @model_validator(mode="after")
    def _has_no_setting_without_effect(self) -> BSplineConfig:
        if self.of == "product":
            self.refuse_set("rank", "on splines of the product")
        return self


@register_model(BSplineConfig)
def build(config: BSplineConfig, encoder: Encoder) -> keras.Model:
    from recsys_nn.models.interactions.bspline import BSplineInteraction

    options = config.model_dump(include={"of", "rank", "degree", "n_intervals", "bound"})
    return with_interaction(config, encoder, BSplineInteraction, **options)
