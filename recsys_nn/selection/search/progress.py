"""Progress of a search: in a terminal a live table, else a line for each trial that ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from recsys_nn.config import SearchConfig

if TYPE_CHECKING:
    from types import TracebackType

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
