"""``recsys-nn compare``: models side by side in a table and a plot."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text

from recsys_nn.cli.shared import Overwrite, out, read_given_ratings, with_layout
from recsys_nn.errors import ConfigError, DataError, must_be_one_of

if TYPE_CHECKING:
    from recsys_nn.data import TableFormat
    from recsys_nn.evaluation import Comparison

STARS = {"***": 0.001, "**": 0.01, "*": 0.05}


@with_layout("user", "item", "rating", "timestamp")
def compare(
    models: Annotated[
        list[str],
        typer.Argument(help="Run folders, or YAML files with the same data and seed.", metavar="RUN_OR_CONFIG"),
    ],
    kinds: Annotated[
        str | None,
        typer.Option(
            help="Model kinds to compare on the one YAML file. A kind other than the file's takes its defaults.",
            metavar="KIND,KIND",
        ),
    ] = None,
    ratings: Annotated[
        str | None,
        typer.Option(
            help="Ratings to compare runs on: a file or a named data set. By default their test part.", metavar="FILE"
        ),
    ] = None,
    *,
    layout: TableFormat,
    reference: Annotated[
        str | None,
        typer.Option(help="Model that the others are compared to. By default the best one.", metavar="NAME"),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="CSV or Parquet file to write the table to.", metavar="FILE")
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(help="Image (.png, .svg, .pdf) to write the plot to.", metavar="FILE")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Compare models on the same ratings: finished runs, or configs that are trained first."""
    from recsys_nn.config import YAML_SUFFIXES
    from recsys_nn.experiment import compare as judge
    from recsys_nn.files import check_output, write_table

    if output is not None:
        check_output(output, overwrite=overwrite)
    if plot is not None:
        _check_plot(plot, overwrite=overwrite)
    if ratings is not None and models[0].endswith(YAML_SUFFIXES):
        raise ConfigError(f"--ratings is for finished runs: leave it out, as {models[0]} names its ratings itself")
    data = read_given_ratings(ratings, models[0], layout)
    compared: Any = models if kinds is None else _of_kinds(models, kinds.split(","))
    comparison = judge(compared, data, reference=reference)
    _print_comparison(comparison)
    if output is not None:
        write_table(comparison.table, output)
    if plot is not None:
        _write_plot(comparison, plot)


def _of_kinds(models: list[str], kinds: list[str]) -> dict[str, Any]:
    """Makes the run of the one config with each of the kinds for a model."""
    from recsys_nn.config import load_config
    from recsys_nn.models import model_kinds

    if len(models) != 1:
        raise ConfigError(f"--kinds needs exactly one YAML file, not {len(models)}")
    given = load_config(models[0])
    head, known = getattr(given.model, "head", None), model_kinds()

    def of(kind: str) -> str:
        """Override that sets the kind with its defaults, and with the head of the given model where it has heads."""
        has_heads = kind in known and "head" in known[kind].config.model_fields
        return f"model={{kind: {kind}, head: {head.kind}}}" if head and has_heads else f"model={{kind: {kind}}}"

    return {
        kind: given if kind == given.model.kind else load_config(models[0], overrides=[of(kind)])
        for kind in map(str.strip, kinds)
    }


def _check_plot(file: Path, *, overwrite: bool) -> None:
    from matplotlib.backend_bases import FigureCanvasBase

    from recsys_nn.files import check_file_place

    check_file_place(file, overwrite=overwrite)
    known = FigureCanvasBase.get_supported_filetypes()
    if file.suffix.lower().removeprefix(".") not in known:
        raise DataError(must_be_one_of(f"the suffix of {file}", file.suffix, (f".{name}" for name in sorted(known))))


def _write_plot(comparison: Comparison, file: Path) -> None:
    from recsys_nn.files import atomic_file

    with atomic_file(file) as stream:
        comparison.plot().savefig(stream, format=file.suffix.lower().removeprefix("."), dpi=150)


def _print_comparison(comparison: Comparison) -> None:
    from rich.table import Table

    table = Table(title=f"{comparison.n:,} ratings of {comparison.n_users:,} users")
    to_reference = f"RMSE − {comparison.reference} [95%]"
    table.add_column("model", overflow="fold")
    for heading in ("RMSE [95%]", "MAE [95%]", to_reference):
        table.add_column(Text(heading), justify="right", overflow="fold")
    for heading in ("p", "seconds", "parameters"):
        table.add_column(heading, justify="right", no_wrap=True)
    for place, row in enumerate(comparison.table.to_dict("records")):
        compared = row["model"] != comparison.reference
        table.add_row(
            Text(row["model"]),
            _interval(row, "rmse"),
            _interval(row, "mae"),
            _interval(row, "difference", sign="+") if compared else "reference",
            _p_value(row["p_value"]) if compared else "",
            "" if math.isnan(row["seconds"]) else f"{row['seconds']:.1f}",
            f"{row['parameters']:,}",
            style="bold" if place == 0 else None,
        )
    out.print(table)
    legend = ", ".join(f"{stars} p < {level}" for stars, level in reversed(STARS.items()))
    tests = "tests are paired by user, and Holm's method corrects p but not the intervals"
    out.print(f"{legend} ({tests}). ", highlight=False, markup=False, end="")
    lines = comparison.baselines | ({} if comparison.oracle is None else {"oracle": comparison.oracle})
    out.print(f"RMSE of baselines: {', '.join(f'{name} {rmse:.4f}' for name, rmse in lines.items())}", highlight=False)


def _interval(row: Mapping[Any, Any], figure: str, *, sign: str = "-") -> Text:
    value, low, high = (f"{row[name]:{sign}.4f}" for name in (figure, f"{figure}_low", f"{figure}_high"))
    return Text(f"{value} [{low}, {high}]")


def _p_value(p: float) -> str:
    stars = next((stars for stars, level in STARS.items() if p < level), "")
    return f"{p:.2g} {stars:<3}" if p >= 1e-4 else f"<0.0001 {stars:<3}"
