"""Figures as lines of text, so that a snapshot holds all that a reader of one sees."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from operator import itemgetter
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Normalize, to_hex
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.legend import Legend
from matplotlib.lines import AxLine, Line2D
from matplotlib.patches import Rectangle
from matplotlib.text import Text

COLOURS = ("color", "facecolor", "edgecolor")
LOOKS = (
    *("alpha", "linestyle", "linewidth", "hatch", "marker", "markersize", "fillstyle", "markevery", "sizes"),
    *("ha", "va", "fontsize", "rotation", "zorder"),
)


def described(figure: Figure) -> list[str]:
    """The size of a figure, its axes with what is drawn on them, and its legends."""
    width, height = figure.get_size_inches()
    legends = [line for legend in figure.legends for line in _of_legend(legend)]
    return [
        f"figure of {width:g} x {height:g} inches",
        *(line for axes in figure.axes for line in _of_axes(axes)),
        *legends,
    ]


def _of_axes(axes: Axes) -> Iterator[str]:
    if not axes.get_visible():
        yield "hidden axes"
        return
    if (bar := getattr(axes, "_colorbar", None)) is not None:
        yield f"colour bar of {bar.cmap.name}, {_norm(bar.norm)}: {axes.get_ylabel()}"
        return
    yield f"axes: {axes.get_title()}".rstrip() + f", on {to_hex(axes.get_facecolor())}"
    for name, axis, limits in (("x", axes.xaxis, axes.get_xlim()), ("y", axes.yaxis, axes.get_ylim())):
        yield f"  {name}: {axis.label.get_text()!r}, {axis.get_scale()}, {_told(limits)}{_ticks(axis)}{_grid(axis)}"
    drawn = [(_look(artist), data) for artist in axes.get_children() if (data := _data(axes, artist)) is not None]
    for look, alike in groupby(drawn, key=itemgetter(0)):
        yield f"  {look}"
        yield f"    {' '.join(_told(data) for _, data in alike)}"
    if (legend := axes.get_legend()) is not None:
        yield from _of_legend(legend)


def _ticks(axis: Any) -> str:
    labels = axis.get_ticklabels()
    size, rotation = (labels[0].get_fontsize(), labels[0].get_rotation()) if labels else (0, 0)
    texts = [text.get_text().replace("\n", " ") for text in labels]
    return f", ticks of size {size:g} at {rotation:g}° {texts}" if labels else ""


def _grid(axis: Any) -> str:
    lines = [line for line in axis.get_gridlines() if line.get_visible()]
    return f", grid {to_hex(lines[0].get_color())} of alpha {lines[0].get_alpha()}" if lines else ""


def _data(axes: Axes, artist: Artist) -> Any:
    """Where an artist is; None of the axes' own parts."""
    match artist:
        case AxLine():
            return [artist._xy1, artist._slope]
        case Line2D():
            return artist.get_xydata()
        case LineCollection():
            return artist.get_segments()
        case PolyCollection():
            return [path.vertices for path in artist.get_paths()]
        case Rectangle() if artist is not axes.patch:
            return artist.get_bbox().get_points()
        case Text() if artist.get_text() and artist.get_text() != axes.get_title():
            return [artist.get_position(), artist.get_text()]
        case AxesImage():
            return np.ma.filled(artist.get_array(), np.nan)
        case _ if hasattr(artist, "get_offsets"):
            return [f"{len(artist.get_paths()[0].vertices)} corners", artist.get_offsets()]
    return None


def _look(artist: Artist) -> str:
    label = str(artist.get_label())
    parts = [type(artist).__name__.removeprefix("FillBetween"), "" if label.startswith("_") else label]
    for name in COLOURS:
        if hasattr(artist, f"get_{name}"):
            colours = getattr(artist, f"get_{name}")()
            parts.append(f"{name} {to_hex(colours) if _is_one(colours) else [to_hex(each) for each in colours]}")
    for name in LOOKS:
        value = getattr(artist, f"get_{name}", lambda: None)()
        if value is not None:
            parts.append(f"{name} {_told(value)}")
    if isinstance(artist, AxesImage):
        parts += [artist.get_cmap().name, _norm(artist.norm)]
    return ", ".join(part for part in parts if part)


def _is_one(colours: Any) -> bool:
    return isinstance(colours, str) or np.ndim(colours) == 1


def _norm(norm: Normalize) -> str:
    power = f" {norm.gamma:g}" if hasattr(norm, "gamma") else ""
    return f"{type(norm).__name__}{power} from {_told(norm.vmin)} to {_told(norm.vmax)}"


def _of_legend(legend: Legend) -> Iterator[str]:
    texts = legend.get_texts()
    size = texts[0].get_fontsize()
    yield f"legend at {legend._loc_real}, {legend._ncols} columns, size {size:g}: {[text.get_text() for text in texts]}"


def _told(value: Any) -> str:
    """Numbers to four digits, in lists as they stand."""
    if isinstance(value, str) or value is None:
        return str(value)
    if isinstance(value, list | tuple) or np.ndim(value):
        return f"[{' '.join(_told(each) for each in value)}]"
    return f"{round(float(value), 9) + 0.0:.4g}"
