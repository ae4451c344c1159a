"""Neural collaborative filtering: a product of factors, a tower of dense layers, or both."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field

from recsys_nn.encoding import Encoder
from recsys_nn.models.base import register_model
from recsys_nn.models.factors import FactorConfig, Parts

if TYPE_CHECKING:
    import keras

Activation = Literal["relu", "elu", "gelu", "leaky_relu", "selu", "sigmoid", "silu", "softplus", "tanh"]
MAX_NEURONS, MAX_LAYERS = 2**14, 12
Width = Annotated[int, Field(ge=1, le=MAX_NEURONS)]


class GMFConfig(FactorConfig):
    """Generalised matrix factorisation: r_ui = μ + a_u + b_i + h·(p_u ∘ q_i), h learned
    (He et al. 2017, "Neural collaborative filtering", equation 9, with biases for ratings).

    Example:
        >>> model = rn.build_model(rn.GMFConfig(embedding_dim=8), encoder)
        >>> tuple(model.get_layer("gmf_head").kernel.shape)  # h, a weight for each coordinate of the product
        (8, 1)
    """

    kind: Literal["gmf"] = "gmf"


class TowerConfig(FactorConfig):
    """Base config of the kinds with a tower of hidden layers.

    Args:
        widths: number of neurons of each hidden layer; by default ``depth`` layers that halve from 4·embedding_dim.
        depth: number of hidden layers, where ``widths`` is not given.
        activation: activation function A of the hidden layers.
        dropout: share of each hidden layer's neurons left out at random in training.
    """

    widths: tuple[Width, ...] | None = Field(default=None, max_length=MAX_LAYERS)
    depth: int = Field(default=2, ge=1, le=MAX_LAYERS)
    activation: Activation = "relu"
    dropout: float = Field(default=0.5, ge=0, lt=1)

    def tower(self) -> tuple[int, ...]:
        """The widths of the hidden layers."""
        if self.widths is not None:
            return self.widths
        return tuple(max(1, 4 * self.embedding_dim >> level) for level in range(self.depth))


class MLPConfig(TowerConfig):
    """A tower over both vectors: r_ui = μ + a_u + b_i + h·f_L, f_l = A(W_l f_{l-1} + b_l), f_0 = [p_u, q_i]
    (He et al. 2017, equation 10).

    Example:
        >>> model = rn.build_model(rn.MLPConfig(embedding_dim=8, widths=(32, 16, 8)), encoder)
        >>> [layer.units for layer in model.layers if layer.name.startswith("hidden")]
        [32, 16, 8]
    """

    kind: Literal["mlp"] = "mlp"


class NeuMFConfig(TowerConfig):
    """Product and tower side by side: r_ui = μ + a_u + b_i + h·[p_u ∘ q_i, f_L(p'_u, q'_i)], with factors of their own
    (He et al. 2017, equation 12).

    Example:
        >>> model = rn.build_model(rn.NeuMFConfig(embedding_dim=8), encoder)
        >>> [layer.name for layer in model.layers if layer.name.endswith("factors")]
        ['user_mlp_factors', 'item_mlp_factors', 'user_gmf_factors', 'item_gmf_factors']
    """

    kind: Literal["neumf"] = "neumf"


@register_model(GMFConfig)
@register_model(MLPConfig)
@register_model(NeuMFConfig)
def build(config: FactorConfig, encoder: Encoder) -> keras.Model:
    import keras

    names = {"gmf": ("gmf",), "mlp": ("mlp",), "neumf": ("gmf", "mlp")}[config.kind]
    parts = Parts(config, encoder, tables=[f"{name}_factors" for name in names])
    branches: dict[str, Any] = {}
    # A head of its own for each branch: h·[x, y] = h₁·x + h₂·y, and each starts in its own proportion.
    heads = {name: keras.layers.Dense(1, use_bias=False, name=f"{name}_head") for name in names}
    if "gmf" in names:
        p, q = parts.factors("gmf_factors")
        branches["gmf"] = p * q
    if isinstance(config, TowerConfig):
        p, q = parts.factors("mlp_factors")
        branches["mlp"] = tower(config, keras.layers.Concatenate(name="mlp_input")([p, q]))
    z = parts.biases()
    for name, branch in branches.items():
        z = z + heads[name](branch)
    if config.kind == "gmf":
        return parts.model(z, product={"user": p, "item": _times_each(heads["gmf"], q)})
    return parts.model(z)


def _times_each(head: Any, q: Any) -> Any:
    """h ∘ q (batch, dim), of the head x -> h·x."""
    from keras import ops

    return ops.squeeze(head(ops.expand_dims(q, -1) * ops.eye(q.shape[-1])), axis=-1)


def tower(config: TowerConfig, x: Any) -> Any:
    """The hidden layers over x."""
    import keras

    from recsys_nn.models.layers.dropout import Dropout

    for level, width in enumerate(config.tower(), start=1):
        x = keras.layers.Dense(width, activation=config.activation, name=f"hidden_{level}")(x)
        if config.dropout:
            x = Dropout(config.dropout, name=f"dropout_{level}")(x)
    return x
