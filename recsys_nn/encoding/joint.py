"""One encoder for models that were trained on the same ratings, but with other features."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.encoding.encoder import Encoder
from recsys_nn.errors import DataError, Where, row_number


@dataclass(frozen=True, eq=False)
class JointEncoder(Encoder):
    """Encoder that gives the inputs of several encoders: those of member k (from 1 on) as ``"name_k"``.

    ``user`` and ``item`` are rows of the first member, as are counts and baselines.
    """

    members: tuple[Encoder, ...] = ()

    @classmethod
    def of(cls, encoders: Mapping[str, Encoder]) -> JointEncoder:
        """Joins encoders, which are given by the names of their models.

        Raises:
            DataError: naming one that was not fitted on the ratings of the first.
        """
        first_name, *others = encoders
        first = encoders[first_name]
        for name in others:
            if difference := _difference(encoders[name], first):
                raise DataError(
                    f"{name} and {first_name} were trained on different ratings: {difference}; train them on the same "
                    "data with the same seed"
                )
        of_first = {part.name: getattr(first, part.name) for part in fields(Encoder)}
        return cls(**of_first, members=tuple(encoders.values()))

    @property
    def context_columns(self) -> tuple[str, ...]:
        """The columns that features of ratings are read from, by any of the members."""
        return tuple(dict.fromkeys(name for member in self.members for name in member.context_columns))

    def encode_pairs(
        self, users: Any, items: Any, *, context: pd.DataFrame | None = None, where: Where = row_number
    ) -> dict[str, npt.NDArray[Any]]:
        """Inputs for pairs: ``user`` and ``item`` of the first member, and ``"name_k"`` for every input of member k.

        Args:
            users: raw ids of n users.
            items: raw ids of n items.
            context: table with n rows and the :attr:`context_columns`, as for :meth:`Encoder.encode_pairs`.
            where: names a pair in error messages.
        """
        inputs: dict[str, npt.NDArray[Any]] = {}
        for place, member in enumerate(self.members, start=1):
            of_member = member.encode_pairs(users, items, context=context, where=where)
            inputs |= {input_of(name, place): values for name, values in of_member.items()}
        return {"user": inputs[input_of("user", 1)], "item": inputs[input_of("item", 1)], **inputs}


def input_of(name: str, place: int) -> str:
    """Name of a member's input among the inputs of all; ``place`` counts members from 1."""
    return f"{name}_{place}"


def _difference(encoder: Encoder, first: Encoder) -> str:
    """A difference between the training parts of two encoders, as a clause of an error; empty where none is seen."""
    for name, what in (("id_types", "types of ids"), ("scale", "rating scale"), ("n_ratings", "number of ratings")):
        if (found := getattr(encoder, name)) != (expected := getattr(first, name)):
            return f"its {what} {found} is not {expected}"
    if not math.isclose(encoder.rating_mean, first.rating_mean, rel_tol=1e-9, abs_tol=1e-9):
        return f"its mean rating {encoder.rating_mean:g} is not {first.rating_mean:g}"
    for side, counts in first.counts.items():
        ids = first.vocabularies[side].ids[counts[1:] > 0]
        if not np.array_equal(encoder.counts[side][encoder.vocabularies[side].lookup(ids)], counts[counts > 0]):
            return f"its ratings by {side} are others"
    return ""
