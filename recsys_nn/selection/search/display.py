"""A search, shown: while it runs by a live table in a terminal, else by a line a trial; at its end by a plot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from recsys_nn.config import SearchConfig
from recsys_nn.plots import BLUE, GREY, VERMILLION

if TYPE_CHECKING:
    from types import TracebackType

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from recsys_nn.selection.search.study import Study
    from recsys_nn.selection.search.trial import Outcome

SHOWN = 12


class SearchProgress:
    """Shows the trials of a study, for the time of a ``with``.

    Args:
        search: the search whose keys are shown.
        study: the study whose trials are shown.
        enabled: whether anything is shown.
    """

    def __init__(self, search: SearchConfig, study: Study, *, enabled: bool) -> None:
        self._search, self._study = search, study
        self._console = Console(quiet=not enabled)
        self._live = Live(console=self._console, transient=False, auto_refresh=False)

    def __enter__(self) -> SearchProgress:
        n_kept = int((self._study.table["rmse"].notna()).sum())
        if n_kept:
            self._console.print(f"{n_kept} trials are kept from before", highlight=False)
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()

    def update(self, outcome: Outcome) -> None:
        """Shows that a trial has ended."""
        table = self._study.table
        if self._console.is_terminal:
            self._live.update(self._as_table(table), refresh=True)
            return
        row = table.iloc[outcome.number]
        told = outcome.message or f"RMSE {row['rmse']:.4f}, epoch {row['best_epoch']} of {row['epochs']}"
        best = table.loc[table["state"] == "complete", "rmse"].min()
        values = ", ".join(f"{short(key)} {shown(row[key])}" for key in self._search.space)
        self._console.print(
            f"trial {outcome.number}: {outcome.state}, {told}, {row['seconds']:.1f} s; best {best:.4f}; {values}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )

    def _as_table(self, trials: Any) -> Table:
        best = trials.sort_values("rmse", kind="stable").head(SHOWN)
        ended, most = int((trials["state"] != "running").sum()), self._search.most_trials
        title = f"{ended} trials" if most is None else f"{ended} of {most} trials"
        table = Table(title=f"{title}, the best {len(best)} first" if ended > SHOWN else title)
        for name in ("trial", "state", "RMSE", "epochs", "s"):
            table.add_column(name, justify="left" if name == "state" else "right")
        for key in self._search.space:
            table.add_column(short(key), justify="right", overflow="fold")
        for place, row in enumerate(best.to_dict("records")):
            table.add_row(
                str(row["trial"]),
                row["state"],
                f"{row['rmse']:.4f}" if row["rmse"] == row["rmse"] else "",
                str(row["epochs"] or ""),
                f"{row['seconds']:.1f}" if row["seconds"] else "",
                *(Text(shown(row[key])) for key in self._search.space),
                style="bold" if place == 0 and row["state"] == "complete" else None,
            )
        return table


def short(key: str) -> str:
    """The last part of a dotted key."""
    return key.rsplit(".", 1)[-1]


def shown(value: Any) -> str:
    """Writes a value of a trial, floats to three digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


ABOUT = ["trial", "state", "rmse", "best_epoch", "epochs", "seconds", "message"]
"""The columns of a table of trials beside its keys."""
_COLUMNS, _DECADE, _FEW = 3, 20.0, 6


def plotted(trials: pd.DataFrame) -> Figure:
    """Plots the RMSE of each trial by its number, with the best so far, and by the value of each key.

    Args:
        trials: table of a search's trials.
    """
    from matplotlib import pyplot as plt
    from matplotlib.ticker import MaxNLocator

    keys = [name for name in trials.columns if name not in ABOUT]
    ended = trials[trials["state"].isin(["complete", "pruned"])]
    columns = min(_COLUMNS, 1 + len(keys))
    rows = -(-(1 + len(keys)) // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(4.2 * columns, 3.4 * rows), layout="constrained", sharey=True, squeeze=False
    )
    panels = axes.ravel()
    _points(panels[0], ended, ended["trial"])
    complete = ended[ended["state"] == "complete"].sort_values("trial")
    best = complete["rmse"].cummin()
    panels[0].step(complete["trial"], best, where="post", color=VERMILLION, label="best so far")
    panels[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    panels[0].set(xlabel="trial")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize="small")
    for panel, key in zip(panels[1:], keys, strict=False):
        _by_value(panel, ended, key)
    for panel in panels[1 + len(keys) :]:
        panel.set_visible(False)
    for place, panel in enumerate(panels):
        panel.grid(alpha=0.3)
        if place % columns == 0:
            panel.set_ylabel("RMSE of held-out ratings")
    _focus(panels[0], ended["rmse"])
    plt.close(figure)
    return figure


def _points(panel: Axes, ended: pd.DataFrame, x: pd.Series) -> None:
    for state, marker, colour in (("pruned", "x", GREY), ("complete", "o", BLUE)):
        chosen = ended["state"] == state
        if chosen.any():
            errors = ended.loc[chosen, "rmse"]
            panel.scatter(x[chosen], errors, marker=marker, color=colour, s=28, label=state, zorder=3)
    complete = ended["state"] == "complete"
    best = complete & (ended["rmse"] == ended.loc[complete, "rmse"].min())
    panel.scatter(x[best], ended.loc[best, "rmse"], marker="*", color=VERMILLION, s=160, label="best", zorder=4)


def _by_value(panel: Axes, ended: pd.DataFrame, key: str) -> None:
    """Plots a key's numbers in proportion, or as logarithms; a few whole ones, and other choices, side by side."""
    from matplotlib.ticker import NullFormatter

    values = ended[key]
    if values.dtype.kind == "f" or (values.dtype.kind == "i" and values.nunique() > _FEW):
        places = values.astype(float)
        if places.min() > 0 and places.max() / places.min() >= _DECADE:
            panel.set_xscale("log")
            panel.xaxis.set_minor_formatter(NullFormatter())  # they would overlap
    else:
        levels = sorted(values.unique(), key=lambda value: (str(type(value)), value))
        names = [str(level) for level in levels]
        places = values.map(levels.index)
        panel.set_xticks(range(len(levels)), names, rotation=20 if max(map(len, names), default=0) > 6 else 0)
        panel.set_xlim(-0.5, len(levels) - 0.5)
    _points(panel, ended, places)
    panel.set(xlabel=short(key))


def _focus(panel: Axes, errors: pd.Series) -> None:
    """Limits the view to the good half of the trials: a few that went wrong would press them onto a line."""
    if len(errors) > 3:
        low, middle = errors.min(), errors.quantile(0.75)
        spread = max(middle - low, 1e-6)
        panel.set_ylim(low - 0.1 * spread, min(errors.max(), middle + spread) + 0.1 * spread)
