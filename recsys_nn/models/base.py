"""The one interface of all model kinds: a frozen config, a builder, and a registry that joins the two.

A config class and its builder are all there is to a kind; ``models/factors.py`` has the parts that they share::

    class ProductConfig(FactorConfig):
        kind: Literal["product"] = "product"

    @register_model(ProductConfig)
    def build(config: ProductConfig, encoder: Encoder) -> keras.Model:
        parts = Parts(config, encoder)
        p, q = parts.factors()
        return parts.model(parts.biases() + keras.ops.sum(p * q, axis=-1, keepdims=True))

Builders import Keras themselves, so that configs can be read, checked and printed without TensorFlow.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel, ConfigDict

from recsys_nn.encoding import Encoder
from recsys_nn.errors import ConfigError, did_you_mean
from recsys_nn.models.backend import float32_layers, import_keras

if TYPE_CHECKING:
    import keras


class ModelConfig(BaseModel):
    """Base of all model configs: they are frozen, refuse unknown keys, and carry their ``kind``.

    Example:
        >>> config = rn.SVDConfig(embedding_dim=16)
        >>> isinstance(config, rn.ModelConfig), config.kind
        (True, 'svd')
        >>> config.model_copy(update={"embedding_dim": 4}).embedding_dim
        4
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    needs_table: ClassVar[bool] = False
    """Whether a layer learns from all training ratings before the first epoch, for which they have to be in memory."""

    kind: str


Builder = Callable[[Any, Encoder], "keras.Model"]


@dataclass(frozen=True)
class ModelKind:
    """A config class and the function that builds its models."""

    config: type[ModelConfig]
    build: Builder


_kinds: dict[str, ModelKind] = {}


def register_model(config: type[ModelConfig]) -> Callable[[Builder], Builder]:
    """Decorates a builder: its kind can then be named in a YAML, built, saved and loaded.

    Args:
        config: the kind's config class, whose field ``kind`` has the kind's name as its default.

    Raises:
        ConfigError: when the kind's name is missing or taken by another config class.

    Example:
        >>> import keras
        >>> class DistanceConfig(rn.ModelConfig):
        ...     kind: str = "distance"
        ...     embedding_dim: int = 4
        >>> @rn.register_model(DistanceConfig)
        ... def build(config, encoder):
        ...     user, item = (keras.Input((), dtype="int32", name=name) for name in ("user", "item"))
        ...     p = keras.layers.Embedding(encoder.n_users + 1, config.embedding_dim)(user)
        ...     q = keras.layers.Embedding(encoder.n_items + 1, config.embedding_dim)(item)
        ...     rating = encoder.scale[1] - keras.ops.sum((p - q) ** 2, axis=-1)
        ...     return keras.Model({"user": user, "item": item}, rating)
        >>> rn.build_model(rn.load_config({"model": {"kind": "distance"}}).model, encoder).count_params()
        188
    """
    name = config.model_fields["kind"].default
    if not isinstance(name, str):
        raise ConfigError(f'{config.__name__} must name its kind, such as with kind: Literal["mine"] = "mine"')
    taken = _kinds.get(name)
    if taken is not None and _origin(taken.config) != _origin(config):
        raise ConfigError(f"the model kind {name!r} is taken by {taken.config.__qualname__}: choose another name")

    def register(build: Builder) -> Builder:
        _kinds[name] = ModelKind(config, build)
        return build

    return register


def _origin(config: type[ModelConfig]) -> tuple[str, str]:
    return config.__module__, config.__qualname__


def model_kinds() -> dict[str, ModelKind]:
    """The registered kinds by name."""
    return dict(sorted(_kinds.items()))


def register_kinds(kinds: Iterable[ModelKind]) -> None:
    """Registers kinds that another process has sent, which may be those of a notebook."""
    for kind in kinds:
        register_model(kind.config)(kind.build)


def model_kind(name: str) -> ModelKind:
    """The kind of this name, or a ConfigError with the nearest one."""
    if name not in _kinds:
        raise ConfigError(f"there is no model kind {name!r}{did_you_mean(name, _kinds)}")
    return _kinds[name]


def build_model(config: ModelConfig, encoder: Encoder, *, seed: int = 0) -> keras.Model:
    """Builds a keras.Model for the users, items and rating scale of ``encoder``, with weights drawn from ``seed``.

    Its inputs are ``{"user": int32 (batch,), "item": int32 (batch,)}`` and, where ratings have features, those of
    ``Encoder.encode_pairs``; its output is float32 (batch,) in rating units: scaling and the rating range live inside
    the model. It computes in float32 under any global policy of Keras.

    Raises:
        ConfigError: when the config's kind is not registered.

    Example:
        >>> model = rn.build_model(rn.SVDConfig(embedding_dim=8), encoder, seed=7)
        >>> model(encoder.encode_pairs(["u0", "u1"], ["i0", "i0"])).shape
        TensorShape([2])
        >>> model.compile(optimizer="adam", loss="mse")  # as any other keras.Model
    """
    if not isinstance(config, ModelConfig) or not isinstance(encoder, Encoder):
        found = f"{type(config).__name__} and {type(encoder).__name__}"
        raise ConfigError(f"build_model takes a model config and an Encoder, not {found}")
    kind = model_kind(config.kind)
    import_keras()  # before the seed: a first import draws from ``random`` too
    with _keras_seed(seed), float32_layers():
        model = kind.build(config, encoder)
        if not model.built:  # as a subclassed keras.Model is until it is called: it would have no weights to load
            model(encoder.encode_pairs(encoder.users.ids[:1], encoder.items.ids[:1]))
    model.rating_config, model.vocabularies = config, encoder.vocabularies
    return model


@contextmanager
def _keras_seed(seed: int) -> Iterator[None]:
    """Seeds ``random``, from which Keras draws the seed of every unseeded initializer and dropout, for the block."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)
