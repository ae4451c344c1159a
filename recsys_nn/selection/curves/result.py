"""Result of a curve: a table, a figure of it, and what there is to read off."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, eq=False)
class Curve:
    """Errors as something changes; in a notebook it shows its figure and its table.

    Attributes:
        table: a row a run (or an epoch of one), with what was changed, the seed and the errors.
        marks: values that the figure marks, by name, such as ``best``.
        figure: the table drawn; ``curve.figure.savefig("curve.png")`` writes it.

    Example:
        >>> key, values = "model.item_shrinkage", [100, 1]
        >>> curve = rn.validation_curve(rn.ItemMeanConfig(), ratings, key=key, values=values, seeds=1, progress=False)
        >>> curve.marks["best"], curve.table[key].tolist()
        (1, [100, 1])
        >>> curve.figure.savefig("curve.png")
    """

    table: pd.DataFrame = field(repr=False)
    marks: Mapping[str, Any]
    figure: Figure = field(repr=False)

    def _repr_html_(self) -> str:
        written = io.BytesIO()
        self.figure.savefig(written, format="png", dpi=110)
        image = base64.b64encode(written.getvalue()).decode()
        return (
            f'<img src="data:image/png;base64,{image}"/>{self.table.to_html(index=False, float_format="{:.4g}".format)}'
        )
