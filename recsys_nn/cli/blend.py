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
    output: Annotated[Path, typer.Option(help="The run folder to write.", metavar="DIR")],
    ratings: Annotated[
        str | None,
        typer.Option(
            help="What to fit the weights on instead of the runs' validation part: a file or a data set.",
            metavar="FILE",
        ),
    ] = None,
    *,
    layout: TableFormat,
    overwrite: Overwrite = False,
) -> None:
    """Blend finished runs: a weighted sum, its weights fitted to what they predicted of held-out ratings."""
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
        "The weights were fitted on these ratings, on which the blend looks slightly better than it is; cross-fitted, "
        "every rating is predicted with weights that were fitted without it.",
        highlight=False,
    )
    assert blended.path is not None
    out.print(f"Run folder: {os.path.relpath(blended.path)}", highlight=False, soft_wrap=True)
