"""Neural collaborative filtering: a product of factors, a tower of dense layers, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from recsys_nn.data.encoding import Encoder
from recsys_nn.models.base import ModelConfig, register_model

if TYPE_CHECKING:
    import keras

Activation = Literal["relu", "elu", "gelu", "leaky_relu", "selu", "sigmoid", "silu", "softplus", "tanh"]
Width = Annotated[int, Field(ge=1)]


class GMFConfig(ModelConfig):
    """Generalised matrix factorisation: r_ui = μ + a_u + b_i + h·(p_u ∘ q_i), h learned
    (He et al. 2017, "Neural collaborative filtering", equation 9, with biases for ratings).

    Args:
        embedding_dim: length of p_u and q_i.
        l2: λ of the penalty λ (Σ_u ‖p_u‖² + Σ_i ‖q_i‖²) on all factor tables, beside the mean squared error.
            None: 10 s² / n, with n training ratings of standard deviation s, so that its strength depends neither
            on the size of the table nor on the rating scale.
        init_std: standard deviation of the initial factors.
    """

    kind: Literal["gmf"] = "gmf"
    embedding_dim: int = Field(8, ge=1)
    l2: float | None = Field(None, ge=0)
    init_std: float = Field(0.1, gt=0)


class MLPConfig(GMFConfig):
    """A tower over both vectors: r_ui = μ + a_u + b_i + h·f_L, f_l = A(W_l f_{l-1} + b_l), f_0 = [p_u, q_i]
    (He et al. 2017, equation 10).

    Args:
        widths: neurons of each hidden layer; by default ``depth`` layers that halve from 4·embedding_dim.
        depth: number of hidden layers, where ``widths`` is not given.
        activation: A.
        dropout: share of each hidden layer's neurons left out at random in training.
    """

    kind: Literal["mlp"] = "mlp"  # type: ignore[assignment]
    widths: tuple[Width, ...] | None = None
    depth: int = Field(2, ge=1, le=12)
    activation: Activation = "relu"
    dropout: float = Field(0.5, ge=0, lt=1)

    def tower(self) -> tuple[int, ...]:
        """The widths of the hidden layers."""
        if self.widths is not None:
            return self.widths
        return tuple(max(1, 4 * self.embedding_dim >> level) for level in range(self.depth))


class NeuMFConfig(MLPConfig):
    """Both side by side: r_ui = μ + a_u + b_i + h·[p_u ∘ q_i, f_L(p'_u, q'_i)], each with its own factors
    (He et al. 2017, equation 12)."""

    kind: Literal["neumf"] = "neumf"  # type: ignore[assignment]


@register_model(GMFConfig)
@register_model(MLPConfig)
@register_model(NeuMFConfig)
def build(config: GMFConfig, encoder: Encoder) -> keras.Model:
    import keras

    from recsys_nn.models import layers

    inputs = layers.id_inputs()
    branches: dict[str, Any] = {}
    if config.kind in ("gmf", "neumf"):
        p, q = _factors(config, inputs, encoder, "gmf_factors")
        branches["gmf"] = p * q
    if isinstance(config, MLPConfig):
        p, q = _factors(config, inputs, encoder, "mlp_factors")
        branches["mlp"] = _tower(config, keras.layers.Concatenate(name="mlp_input")([p, q]))
    a, b = layers.embedded(inputs, encoder, "bias", 1, init_std=0.0)
    z = a + b
    for name, branch in branches.items():
        # A head of its own for each branch: h·[x, y] = h₁·x + h₂·y, and each starts in its own proportion.
        z = z + keras.layers.Dense(1, use_bias=False, name=f"{name}_head")(branch)
    return keras.Model(inputs, layers.rating_output(z, encoder), name=config.kind)


def _factors(config: GMFConfig, inputs: dict[str, Any], encoder: Encoder, name: str) -> tuple[Any, Any]:
    from recsys_nn.models import layers

    l2 = 10 * encoder.rating_std**2 / encoder.n_ratings if config.l2 is None else config.l2
    return layers.embedded(inputs, encoder, name, config.embedding_dim, l2=l2, init_std=config.init_std)


def _tower(config: MLPConfig, x: Any) -> Any:
    import keras

    from recsys_nn.models.dropout import Dropout

    for level, width in enumerate(config.tower(), start=1):
        x = keras.layers.Dense(width, activation=config.activation, name=f"hidden_{level}")(x)
        if config.dropout:
            x = Dropout(config.dropout, name=f"dropout_{level}")(x)
    return x
