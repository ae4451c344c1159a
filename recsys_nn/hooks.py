"""Hooks: what a layer, a model or a callback may offer beyond what Keras asks of it, and who calls it.

Whoever writes a kind of their own implements those that it needs; the package finds them by their names. Keras saves
none of a model's attributes, so a run folder builds the model anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

if TYPE_CHECKING:
    import keras
    import numpy as np
    import numpy.typing as npt


@runtime_checkable
class LearnsFromTable(Protocol):
    """A layer that sets weights from the training part before the first step, for which that has to be in memory."""

    name: str

    def before_training(self, inputs: Any, targets: npt.NDArray[np.float32]) -> None: ...


@runtime_checkable
class ChecksWeights(Protocol):
    """A layer that raises a DataError where weights that were read cannot be its own."""

    def check_weights(self) -> None: ...


@runtime_checkable
class KeepsPairs(Protocol):
    """A layer that keeps who rated what, and takes further pairs for new ids."""

    side: Any
    other: Any
    standard: bool
    """True where it reads the ratings of the pairs too."""

    def set_pairs(self, owners: Any, members: Any, ratings: Any) -> None: ...
    def add_pairs(self, owners: Any, members: Any, ratings: Any, *, to: Any) -> None: ...


@runtime_checkable
class FoldsIn(Protocol):
    """A layer that fits the rows of new ids by itself, in closed form."""

    def fold_in(self, side: Any, inputs: Mapping[str, Any], targets: npt.NDArray[np.floating]) -> None: ...


@runtime_checkable
class Coupled(Protocol):
    """A layer with vectors that one rating moves together, which the masses of a posterior chain allow for."""

    trainable_variables: Any
    coupling: float
    """The mean number of vectors that a rating's prediction moves with."""


@runtime_checkable
class HasLikelihood(Protocol):
    """A model that is trained by probabilities of the ratings (``models/heads.py``)."""

    likelihood: Any


@runtime_checkable
class HasSides(Protocol):
    """A model whose vectors and biases of users and items can be told apart (``models/sides.py``)."""

    sides: Any


@runtime_checkable
class HasConfig(Protocol):
    """A model that carries the config which it was built by."""

    rating_config: Any


@runtime_checkable
class HasIds(Protocol):
    """A model that carries the ids of the encoder which it was built with, as vocabularies by side."""

    vocabularies: Any


@runtime_checkable
class ChecksTargets(Protocol):
    """A model that raises a DataError where the targets of a part do not fit its head."""

    def check_targets(self, part: Any, name: str) -> None: ...


@runtime_checkable
class HasMembers(Protocol):
    """A model that gives the predictions of several members too, float32 (M, batch), whose spread widens intervals."""

    def each(self, inputs: Any) -> Any: ...


@runtime_checkable
class Average(HasMembers, Protocol):
    """A model that averages over members, sets of weights of one network (``models/layers/averaged.py``)."""

    member: keras.Model
    n_members: int
    stacks: Sequence[Any]

    def with_weights(self, weights: Sequence[Any], output: Any) -> Any: ...


@runtime_checkable
class Checkpointed(Protocol):
    """A callback that says itself what a checkpoint keeps of it; of others it keeps all plain attributes."""

    def checkpoint(self) -> dict[str, Any]: ...
    def restore(self, state: Mapping[str, Any]) -> None: ...


def layers_with(layers: Sequence[Any], hook: Any) -> Iterator[Any]:
    """The layers that offer a hook, in their order."""
    return (layer for layer in layers if isinstance(layer, hook))


def network_of(model: keras.Model) -> keras.Model:
    """The network of an average over members; any other model itself."""
    return model.member if isinstance(model, Average) else model


def sides_of(model: keras.Model) -> Any:
    """The :class:`~recsys_nn.models.sides.Sides` of a model; None where it has none."""
    return model.sides if isinstance(model, HasSides) else None
