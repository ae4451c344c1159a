"""The two sides of a model apart: what is known of users, and of items, each as a vector and a bias."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from recsys_nn.encoding import Side
from recsys_nn.models.backend import float32_layers

if TYPE_CHECKING:
    import keras

    from recsys_nn.models.layers.basic import FactorEmbedding


@dataclass(frozen=True, eq=False)
class Sides:
    """The values inside a model from which its latent value z_ui = a_u + b_i + f(p_u, q_i) is put together.

    A built model carries it as the attribute ``sides``; Keras does not save it.

    Attributes:
        inputs: inputs of the model, by name.
        vectors: p and q, their features included, (batch, dim); of kinds with several tables a side, theirs in a row.
        biases: a and b, features and drift included, (batch, 1).
        latent: latent value z, (batch, 1).
        is_product: whether f(p_u, q_i) = p_u·q_i.
        ranks: whether the rating is an increasing function of z.
        tables: the layers in which each user, or item, has a row of its own.
    """

    inputs: Mapping[str, Any]
    vectors: Mapping[Side, Any]
    biases: Mapping[Side, Any]
    latent: Any
    is_product: bool
    ranks: bool
    tables: Mapping[Side, Sequence[FactorEmbedding]]

    @cached_property
    def networks(self) -> dict[Side, keras.Model]:
        """Networks from the model's inputs to the vectors and biases of each side."""
        return {side: self._network((self.vectors[side], self.biases[side])) for side in self.vectors}

    @cached_property
    def latent_network(self) -> keras.Model:
        """Network from the model's inputs to the latent value z."""
        return self._network(self.latent)

    def _network(self, outputs: Any) -> keras.Model:
        import keras

        with float32_layers():
            return keras.Model(dict(self.inputs), outputs)
