"""Interactions in the function space of a kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field, model_validator

from recsys_nn.encoding.encoder import Encoder
from recsys_nn.models.base import register_model
from recsys_nn.models.factors import MOST_DIMENSIONS
from recsys_nn.models.interactions import InteractionConfig, with_interaction

if TYPE_CHECKING:
    import keras


class KernelConfig(InteractionConfig):
    """z_ui = a_u + b_i + p_u·q_i + g(p_u, q_i), g in the function space of a kernel, by random features

    (Rahimi & Recht 2007, "Random features for large-scale kernel machines"; Kar & Karnick 2012, "Random feature maps
    for dot product kernels"). The kernel is of each pair (p_uk, q_ik), summed over k ("additive": Duvenaud et al. 2011,
    "Additive Gaussian processes"), of each p_uk - q_ik, summed ("difference"), or of the vector (p_u, q_i) ("joint").
    Its length scale ℓ is learned, and the penalty is the squared norm of g in its space.

    Args:
        kernel: "rbf", exp(-‖x - x'‖² / 2ℓ²); "laplace", exp(-‖x - x'‖₁ / ℓ); or "polynomial", (1 + x·x' / ℓ²)^degree.
        structure: what the kernel is of.
        n_features: random features of each kernel, an even number.
        length_scale: ℓ at the start.
        degree: of the polynomial kernel.
    """

    kind: Literal["kernel"] = "kernel"
    kernel: Literal["rbf", "laplace", "polynomial"] = "rbf"
    structure: Literal["additive", "difference", "joint"] = "additive"
    n_features: int = Field(default=32, ge=2, le=MOST_DIMENSIONS, multiple_of=2)
    length_scale: float = Field(default=1.0, gt=0)
    degree: int = Field(default=3, ge=1, le=8)

    @model_validator(mode="after")
    def _has_no_setting_without_effect(self) -> KernelConfig:
        if self.kernel != "polynomial":
            self.refuse_set("degree", f"on the kernel {self.kernel!r}")
        return self


@register_model(KernelConfig)
def build(config: KernelConfig, encoder: Encoder) -> keras.Model:
    from recsys_nn.models.interactions.kernel import KernelInteraction

    options = config.model_dump(include={"kernel", "structure", "n_features", "length_scale", "degree"})
    return with_interaction(config, encoder, KernelInteraction, **options)
