"""Distance of a network's inputs from mean 0 and standard deviation 1."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from recsys_nn.tensors import TrainingPart

if TYPE_CHECKING:
    import keras

SAMPLE = 10_000
"""Examples that are looked at, evenly spaced."""
FARTHEST = 10.0
"""The largest mean, in magnitude, or standard deviation of a column that still passes for standardised."""


@dataclass(frozen=True)
class InputScale:
    """The column of an input that is farthest from being standardised.

    Attributes:
        column: position of the column.
        mean: mean of its values.
        std: standard deviation of its values.
    """

    column: int
    mean: float
    std: float

    @property
    def standardised(self) -> bool:
        """True where the column may pass for standardised."""
        return self.size <= FARTHEST

    @property
    def size(self) -> float:
        """The larger of the mean's magnitude and the standard deviation."""
        return max(abs(self.mean), self.std)


def input_scales(model: keras.Model, train: TrainingPart) -> dict[str, InputScale]:
    """Scale of each input of floats, by name; integers are rows of a table, an input without a name is called inputs.

    Empty where the model has a layer which normalises.
    """
    if any(type(layer).__name__.endswith("Normalization") for layer in model.layers):
        return {}
    rows = np.linspace(0, len(train) - 1, min(len(train), SAMPLE)).astype(np.int64)
    return {
        name: _farthest(values.reshape(len(values), -1).astype(np.float64))
        for name, values in train.take(rows).named_inputs.items()
        if values.dtype.kind == "f"
    }


def _farthest(values: np.ndarray) -> InputScale:
    columns = (
        InputScale(column, float(mean), float(std))
        for column, (mean, std) in enumerate(zip(values.mean(axis=0), values.std(axis=0), strict=True))
    )
    return max(columns, key=lambda column: column.size)
