"""``recsys-nn blend``: a weighted sum of finished runs as a run of its own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from recsys_nn.cli.shared import Overwrite, out, read_given_ratings, with_layout

if TYPE_CHECKING:
    from recsys_nn.data import TableFormat
    from recsys_nn.experiment import Blend


@with_layout("user", "item", "rating", "timestamp")
def blend(
    runs: Annotated[list[str], typer.Argument(help="Run folders, trained on the same ratings.", metavar="RUN")],
    output: Annotated[Path, typer.Option(help="Run folder to write.", metavar="DIR")],
    ratings: Annotated[
        str | None,
        typer.Option(
            help="Ratings to fit the weights on: a file or a named data set. By default the runs' validation part.",
            metavar="FILE",
        ),
    ] = None,
    *,
    layout: TableFormat,
    overwrite: Overwrite = False,
) -> None:
    """Blend finished runs into a weighted sum of their predictions, with weights fitted on held-out ratings."""
    from recsys_nn.experiment import blend as fit

    blended = fit(runs, read_given_ratings(ratings, runs[0], layout), output=output, overwrite=overwrite)
    _print_blend(blended)


def _print_blend(blended: Blend) -> None:
    from rich.table import Table

    table = Table(title=f"{blended.n:,} ratings for validation")
    table.add_column("run", overflow="fold")
    for heading in ("weight", "RMSE"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, weight, error in blended.table.itertuples(index=False):
        table.add_row(Text(name), f"{weight:.4f}", f"{error:.4f}")
    table.add_section()
    table.add_row("blend", "", f"{blended.rmse:.4f}")
    table.add_row("blend, cross-fitted", "", f"{blended.cross_fitted_rmse:.4f}", style="bold")
    out.print(table)
    out.print(
        "The weights were fitted on these ratings, so the RMSE of the blend is slightly too low. For the cross-fitted "
        "RMSE, each rating is predicted with weights that were fitted without it.",
        highlight=False,
    )
    assert blended.path is not None
    out.print(f"Run folder: {os.path.relpath(blended.path)}", highlight=False, soft_wrap=True)
