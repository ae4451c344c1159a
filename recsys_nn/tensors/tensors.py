"""Arrays ready for training: what the Trainer takes, whatever the problem."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from recsys_nn.errors import DataError
from recsys_nn.tensors.aligned import aligned, aligned_empty

if TYPE_CHECKING:
    import tensorflow as tf

Inputs = npt.NDArray[Any] | dict[str, npt.NDArray[Any]]
Order = npt.NDArray[np.int32]

_RUN = 2**16


def epoch_order(n: int, *, seed: int, epoch: int, shuffle: bool = True) -> Order:
    """The order of ``n`` examples in an epoch, a function of seed and epoch alone.

    So a training that goes on at epoch 7 sees what an uninterrupted one would. (Keras's own shuffling of
    arrays replays one permutation in every epoch once a global seed is set.)
    """
    return shuffled_order(n, np.random.default_rng([seed, epoch]) if shuffle else None)


def shuffled_order(n: int, rng: np.random.Generator | None) -> Order:
    """The numbers below ``n``, in the order that ``rng`` draws; in their own without one."""
    order = aligned_empty(n, np.int32)
    for start in range(0, n, _RUN):  # np.arange(n) would stand beside it
        order[start : start + _RUN] = np.arange(start, min(start + _RUN, n))
    if rng is not None:
        rng.shuffle(order)
    return order


@dataclass(frozen=True, eq=False)
class Block:
    """Examples that are in memory together, and the order in which an epoch visits them."""

    tensors: Tensors
    order: Order


class Examples(Protocol):
    """Protocol of examples that can be taken by position and visited in blocks."""

    def __len__(self) -> int: ...

    def take(self, rows: npt.NDArray[np.int64]) -> Tensors: ...

    def blocks(self, *, batch_size: int, seed: int = 0, epoch: int = 0, shuffle: bool = False) -> Iterator[Block]: ...


@runtime_checkable
class TrainingPart(Examples, Protocol):
    """Examples as the Trainer takes them, in memory (:class:`Tensors`) or on disk."""

    def split(self, fraction: float, *, seed: int) -> tuple[TrainingPart, Tensors]: ...

    def of_worker(self, rank: int, n: int) -> Examples | None: ...


class Tensors:
    """Inputs and targets of equal length.

    Args:
        inputs: one array of shape (n, ...) or a dict of them, as the model's inputs are named. Integers are
            held as int32, other numbers as float32.
        targets: the values to be predicted, of shape (n,) or (n, k); held as float32.

    Raises:
        DataError: on unequal lengths, values that are not numbers or not finite, and integers beyond int32.

    Example:
        >>> import numpy as np
        >>> rooms, prices = np.array([[3, 1.5], [4, 2.0], [2, 1.0]]), np.array([310, 420, 180])
        >>> rn.Tensors(rooms, prices)
        Tensors(3 rows, inputs (3, 2))
        >>> rn.Tensors({"user": [1, 2], "item": [4, 4]}, [5, 3]).named_inputs["user"]
        array([1, 2], dtype=int32)
    """

    origin: object = None
    """Vocabularies that encoded the rows, equal for all parts of a training; None for arrays of one's own."""

    def __init__(self, inputs: npt.ArrayLike | Mapping[str, npt.ArrayLike], targets: npt.ArrayLike) -> None:
        self.targets = aligned(_numeric(targets, "the targets"), np.float32)
        self.inputs: Inputs
        if isinstance(inputs, Mapping) and not inputs:
            raise DataError("inputs must not be empty: give an array for each input")
        if isinstance(inputs, Mapping):
            self.inputs = {name: _numeric(values, f"the input {name!r}") for name, values in inputs.items()}
        else:
            self.inputs = _numeric(inputs, "the inputs")
        for name, values in self.named_inputs.items():
            if len(values) != len(self.targets):
                what = f"the input {name!r}" if isinstance(self.inputs, dict) else "the inputs"
                raise DataError(f"{what} must have as many rows as the targets, {len(self.targets)}, not {len(values)}")

    @classmethod
    def unchecked(cls, inputs: Inputs, targets: npt.NDArray[np.float32]) -> Tensors:
        """Tensors of arrays that are already as they would be held, for which checking them again is too slow."""
        tensors = object.__new__(cls)
        tensors.inputs, tensors.targets = inputs, targets
        return tensors

    @property
    def named_inputs(self) -> dict[str, npt.NDArray[Any]]:
        """The inputs by name; a single array is ``inputs``."""
        return self.inputs if isinstance(self.inputs, dict) else {"inputs": self.inputs}

    def __len__(self) -> int:
        return len(self.targets)

    def __repr__(self) -> str:
        names = ", ".join(self.inputs) if isinstance(self.inputs, dict) else str(self.inputs.shape)
        return f"Tensors({len(self):,} rows, inputs {names})"

    def take(self, rows: npt.NDArray[np.int64]) -> Tensors:
        """The rows at these positions."""

        def taken(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return aligned(values[rows], values.dtype)

        inputs: Inputs
        if isinstance(self.inputs, dict):
            inputs = {name: taken(values) for name, values in self.inputs.items()}
        else:
            inputs = taken(self.inputs)
        part = self.unchecked(inputs, taken(self.targets))
        part.origin = self.origin
        return part

    def blocks(self, *, batch_size: int, seed: int = 0, epoch: int = 0, shuffle: bool = False) -> Iterator[Block]:
        """The blocks of an epoch, one after the other: here a single one, as all examples are in memory.

        Args:
            batch_size: examples that a step takes; all blocks but the last hold a multiple of it.
            seed: number that, with ``epoch``, decides the order.
            epoch: number of the epoch, from 0.
            shuffle: whether the order is a new one in every epoch, or that of the table.
        """
        yield Block(self, epoch_order(len(self), seed=seed, epoch=epoch, shuffle=shuffle))

    def split(self, fraction: float, *, seed: int) -> tuple[Tensors, Tensors]:
        """A random ``fraction`` of the rows held out: (the rest, the held-out part), both in the given order."""
        held_out = held_out_of(len(self), fraction)
        order = np.random.default_rng(seed).permutation(len(self))
        return self.take(np.sort(order[held_out:])), self.take(np.sort(order[:held_out]))

    def of_worker(self, rank: int, n: int) -> None:
        """Returns None: no worker has examples of its own, as all have all of them and share each batch."""

    def to_dataset(self, batch_size: int = 512) -> tf.data.Dataset:
        """A tf.data.Dataset of (inputs, targets) batches in the given order."""
        import tensorflow as tf

        return tf.data.Dataset.from_tensor_slices((self.inputs, self.targets)).batch(batch_size)


def held_out_of(n: int, fraction: float) -> int:
    """Number of rows that a fraction of ``n`` is; DataError where it would leave a part empty."""
    held_out = round(fraction * n)
    if not 0 < held_out < n:
        raise DataError(f"{n} rows are too few to hold out a fraction of {fraction:g}: hold out another fraction")
    return held_out


def drawn_in_chunks(sizes: npt.NDArray[np.int64], n: int, rng: np.random.Generator) -> Iterator[npt.NDArray[np.int64]]:
    """Yields for each chunk the ascending positions in it of its share of ``n`` rows drawn at random."""
    quotas = np.diff(np.cumsum(sizes) * n // sizes.sum(), prepend=0)
    for size, quota in zip(sizes, quotas, strict=True):
        yield np.sort(rng.choice(size, quota, replace=False, shuffle=False))


def _numeric(values: npt.ArrayLike, name: str) -> npt.NDArray[Any]:
    array = np.asarray(values)
    if array.ndim == 0:
        raise DataError(f"{name} must be an array with a row for each example, not the single value {array.item()!r}")
    if array.dtype.kind in "biu":
        if array.size and not (array.min() >= -(2**31) and array.max() < 2**31):
            raise DataError(f"{name} must hold integers of at most 32 bits")
        return aligned(array, np.int32)
    if array.dtype.kind != "f":
        raise DataError(f"{name} must hold numbers, not {array.dtype}")
    with np.errstate(over="ignore"):
        numbers = aligned(array, np.float32)
    finite = np.isfinite(numbers)
    if not finite.all():
        place = tuple(np.argwhere(~finite)[0])
        raise DataError(f"row {place[0]}: {name} must hold finite 32-bit numbers, not {array[place]:g}")
    return numbers
