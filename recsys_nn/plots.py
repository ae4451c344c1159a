"""Drawing of curves in one style for all, told apart by colour, marker and line alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Floats = npt.NDArray[np.float64]

# Okabe and Ito's colours, which readers with any colour vision tell apart.
BLUE, VERMILLION, GREEN, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9"
PURPLE, GREY = "#CC79A7", "0.45"
COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, SKY)
LINES: dict[str, dict[str, Any]] = {
    "training": {"color": BLUE, "linestyle": "-", "marker": "o"},
    "validation": {"color": VERMILLION, "linestyle": "--", "marker": "s"},
    "bias baseline": {"color": GREY, "linestyle": ":", "marker": "^"},
}
_MAX_TICKS = 12
_MAX_MARKERS = 20


@contextmanager
def new_figure(title: str, xlabel: str, ylabel: str) -> Iterator[tuple[Figure, Axes]]:
    """An empty figure with its axes. At the end what has a label gets a legend below, and the figure is closed: a
    notebook that is given it would show it twice.
    """
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(7, 4.4), layout="constrained")
    axes.set(title=title, xlabel=xlabel, ylabel=ylabel)
    try:
        yield figure, axes
        if axes.get_legend_handles_labels()[0]:
            figure.legend(loc="outside lower center", ncols=3, fontsize="small")
    finally:
        plt.close(figure)


class Scale:
    """Horizontal axis on which values stand linearly, by their logarithms or side by side.

    Numbers that rise or fall throughout stand in proportion, or in that of their logarithms, where their steps are then
    more alike; all else, and numbers of very unlike steps, side by side. Numbers that fall run from left to right too,
    so that the last value is always at the right.

    Args:
        values: values in the order in which they stand.
    """

    def __init__(self, values: Sequence[Any]) -> None:
        self._values = list(values)
        numbers = all(isinstance(value, Real) and not isinstance(value, bool) for value in self._values)
        linear = _unlikeness(self._values) if numbers else np.inf
        logarithmic = _unlikeness(np.log(self._values)) if numbers and min(self._values) > 0 else np.inf
        self._numeric = min(linear, logarithmic) < 1
        self._logarithmic = self._numeric and logarithmic < linear
        self._falls = self._numeric and self._values[-1] < self._values[0]

    @property
    def positions(self) -> Floats:
        """Positions of the values on the axis, (n,)."""
        return np.asarray(self._values if self._numeric else np.arange(len(self._values)), dtype=float)

    def apply(self, axes: Axes) -> None:
        """Sets the scale and the ticks of the horizontal axis for the values."""
        from matplotlib.ticker import MaxNLocator, NullLocator

        if self._logarithmic:
            axes.set_xscale("log")
        if self._falls:
            axes.invert_xaxis()
        every = -(-len(self._values) // _MAX_TICKS)
        if self._numeric and not self._logarithmic and every > 1:
            whole = all(float(value).is_integer() for value in self._values)
            axes.xaxis.set_major_locator(MaxNLocator(integer=whole, steps=[1, 2, 5, 10]))
            return
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xticks(self.positions[::every], [label(value) for value in self._values[::every]])


def label(value: Any) -> str:
    """Text of a value at an axis: numbers short, lists as 64-32-16."""
    if isinstance(value, Real) and not isinstance(value, bool):
        return f"{value:g}"
    return "-".join(map(label, value)) if isinstance(value, list | tuple) else str(value)


def draw_lines(axes: Axes, scale: Scale, table: pd.DataFrame, by: str, lines: Mapping[str, str]) -> None:
    """Draws each of the ``lines`` (style's name to column) as its mean over the rows of each value of ``by``.

    A band reaches from the least to the greatest of them.
    """
    positions = scale.positions
    for name, column in lines.items():
        rows = table.groupby(by, sort=False)[column]
        every = max(1, len(positions) // _MAX_MARKERS)
        axes.plot(positions, rows.mean(), markevery=every, markersize=5, label=name, **LINES[name])
        if (rows.min() < rows.max()).any():
            axes.fill_between(positions, rows.min(), rows.max(), color=LINES[name]["color"], alpha=0.2, linewidth=0)
    scale.apply(axes)
    axes.grid(alpha=0.3)


def draw_layers(axes: Axes, scale: Scale, layers: Mapping[str, Floats]) -> None:
    """Draws areas (n,) on top of each other, told apart by colour and hatching."""
    positions = scale.positions
    below = np.zeros(len(positions))
    looks = zip((SKY, ORANGE, GREEN), ("", "///", "..."), strict=True)
    for (name, layer), (color, hatch) in zip(layers.items(), looks, strict=True):
        above = below + layer
        axes.fill_between(
            positions,
            below,
            above,
            facecolor=color,
            alpha=0.75,
            hatch=hatch,
            edgecolor="0.25",
            linewidth=0.3,
            label=name,
        )
        below = above
    scale.apply(axes)
    axes.margins(x=0.02)


def draw_heat_map(axes: Axes, values: pd.DataFrame, *, missing: str, unit: str) -> None:
    """Draws a table as coloured cells with their figures in them, the least framed.

    Args:
        axes: axes to draw on, on which the table's rows run from the top.
        values: one figure a cell, NaN where there is none.
        missing: text of a cell without a figure.
        unit: unit of the values, at the colour bar.
    """
    from matplotlib.colors import PowerNorm
    from matplotlib.patches import Rectangle

    grid = values.to_numpy(dtype=float)
    found = grid[np.isfinite(grid)]
    axes.set_facecolor("0.85")
    axes.set_xticks(range(grid.shape[1]), [label(value) for value in values.columns])
    axes.set_yticks(range(grid.shape[0]), [label(value) for value in values.index])
    axes.set(xlim=(-0.5, grid.shape[1] - 0.5), ylim=(grid.shape[0] - 0.5, -0.5))
    if len(found):
        # Finer towards the least, where the differences count.
        norm = PowerNorm(0.5, vmin=found.min(), vmax=max(found.max(), found.min() + 1e-12))
        image = axes.imshow(grid, cmap="cividis", norm=norm, aspect="auto")
        axes.figure.colorbar(image, ax=axes, label=unit)
        row, column = np.unravel_index(np.nanargmin(grid), grid.shape)
        axes.add_patch(
            Rectangle((column - 0.48, row - 0.48), 0.96, 0.96, fill=False, edgecolor=VERMILLION, linewidth=3)
        )
    for (row, column), value in np.ndenumerate(grid):
        written, color = missing, "0.2"
        if np.isfinite(value):
            written, color = f"{value:.4f}", "white" if norm(value) < 0.5 else "black"
        axes.text(column, row, written, ha="center", va="center", color=color, fontsize=9)


def _unlikeness(values: Any) -> float:
    """Unlikeness of the steps of numbers: standard deviation over mean, or infinite where they turn round."""
    steps = np.diff(np.asarray(values, dtype=float))
    if not ((steps > 0).all() or (steps < 0).all()):
        return np.inf
    return float(steps.std() / abs(steps.mean())) if len(steps) else 0.0
