"""``recsys-nn report``: the page of a run, or of several side by side."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys_nn.cli.shared import Overwrite, out

if TYPE_CHECKING:
    from recsys_nn.runs import ExperimentResult


def report(
    runs: Annotated[list[Path], typer.Argument(help="Run folder, or several to compare.", metavar="RUN...")],
    output: Annotated[
        Path | None,
        typer.Option(
            help="HTML file to write. By default RUN-report.html beside the run; report.html for several.",
            metavar="FILE",
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a report of a run, or of several runs side by side, as one self-contained HTML file."""
    from recsys_nn.report import build_report, default_place

    place = output or (default_place(runs[0]) if len(runs) == 1 else Path("report.html"))
    written = build_report(runs).save(place, overwrite=overwrite)
    out.print(f"Report: {os.path.relpath(written)}", highlight=False, soft_wrap=True)


def report_of(result: ExperimentResult) -> None:
    """Writes the report of a run that has just been saved: what goes wrong now is told, and the run is kept."""
    from recsys_nn.report import build_report, default_place

    assert result.path is not None
    try:
        written = build_report(result).save(default_place(result.path))
    except Exception as error:
        out.print(f"The report was not written: {error}", highlight=False, markup=False, soft_wrap=True)
        return
    out.print(f"Report: {os.path.relpath(written)}", highlight=False, soft_wrap=True)
