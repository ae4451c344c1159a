"""Figures as SVG that stands in a page: text as text, names of its own, and a text alternative."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

WIDTH, HEIGHT = 3.8, 2.7
"""Size in inches, of 96 pixels on a page: a chart is about as wide as a phone, so that its text is as large as the
page's."""
_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "recsys_nn",
    "text.parse_math": False,
    "font.family": "sans-serif",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.45",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "0.9",
    "legend.frameon": False,
    "legend.fontsize": 9,
}


class Chart:
    """A chart of a page.

    Args:
        name: unique on the page, of letters.
        title: title above the chart.
        text: what it shows, in words and numbers, for who cannot see it.
        caption: text below it that says how to read it.
    """

    svg: str

    def __init__(self, name: str, title: str, text: str, caption: str) -> None:
        self.name, self.title, self.text, self.caption = name, title, text, caption

    @contextmanager
    def drawn(self, *, xlabel: str, ylabel: str, height: float = HEIGHT) -> Iterator[Axes]:
        """Opens axes to draw on; at the end of the block the chart has its SVG."""
        from matplotlib import rc_context
        from matplotlib.figure import Figure

        with rc_context(_STYLE):
            figure = Figure(figsize=(WIDTH, height), layout="constrained")
            axes = figure.subplots()
            axes.set(xlabel=xlabel, ylabel=ylabel)
            yield axes
            if axes.get_legend_handles_labels()[0]:
                figure.legend(loc="outside upper left", ncols=2)
            self.svg = self._inline(figure)

    def _inline(self, figure: Any) -> str:
        stream = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.get_layout_engine().execute(figure)  # labels change with the room they leave; saving lays out again
        figure.savefig(stream, format="svg", metadata=nothing)
        text = stream.getvalue()
        text = text[text.index("<svg") :]
        text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
        text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{self.name}-", text)
        head, _, body = text.partition(">")
        box = re.search(r'viewBox="[^"]+"', head)
        assert box is not None
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" {box.group()} '
            f'role="img" aria-label="{escape(self.text)}">{body}'
        )
