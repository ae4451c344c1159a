"""Options, console and reading of ratings that the commands share."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from recsys_nn.errors import ConfigError

if TYPE_CHECKING:
    from recsys_nn.data import Ratings, TableFormat
    from recsys_nn.runs import FinishedRun

out = Console()

ConfigFile = Annotated[Path, typer.Argument(help="YAML file that describes the run.", metavar="CONFIG")]
RunFolder = Annotated[Path, typer.Argument(help="Run folder.", metavar="RUN")]
ManifestHash = Annotated[
    str | None,
    typer.Option(
        "--manifest-sha256",
        help="Expected SHA-256 of the run's manifest.json, as sha256sum prints it. Guards against tampering.",
        metavar="HEX",
    ),
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Value to change in the config, such as training.epochs=5. May be repeated.", metavar="KEY=VALUE"
    ),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")]
Column = Annotated[
    str | None,
    typer.Option(
        help="Name of the column, or its position counted from 0. By default found by name.", metavar="COLUMN"
    ),
]
Separator = Annotated[str | None, typer.Option(help="Separator of the fields in a text file. By default detected.")]
Encoding = Annotated[
    str | None, typer.Option(help="Encoding of a text file. By default UTF-8, or what its byte order mark says.")
]
Header = Annotated[
    bool | None,
    typer.Option("--header/--no-header", help="Presence of a first line that names the columns. By default detected."),
]
READING = {"separator": Separator, "encoding": Encoding, "header": Header}


class Told(SystemExit):
    """An end of which the user has been told what is to be known."""


def with_layout(*columns: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Decorates a command whose keyword ``layout``, a TableFormat, comes from options in its place.

    They are these columns by name or by position, and how text is read.
    """
    options = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in (dict.fromkeys(columns, Column) | READING).items()
    ]

    def decorated(command: Callable[..., None]) -> Callable[..., None]:
        def called(**given: Any) -> None:
            from recsys_nn.data import TableFormat

            named = {column: _name_or_position(given.pop(column)) for column in columns}
            layout = TableFormat(**named, **{name: given.pop(name) for name in READING})
            command(layout=layout, **given)

        own = inspect.signature(command, eval_str=True, locals={"TableFormat": None}).parameters.values()
        shown = [each for one in own for each in (options if one.name == "layout" else [one])]
        called.__name__, called.__doc__ = command.__name__, command.__doc__
        called.__signature__ = inspect.Signature(shown)  # type: ignore[attr-defined]
        return called

    return decorated


def _name_or_position(column: str | None) -> str | int | None:
    return int(column) if column is not None and column.isascii() and column.isdecimal() else column


def read_given_ratings(source: str | None, run: str, layout: TableFormat) -> Ratings | None:
    """Reads the ratings that --ratings names for this run; without it there are none, and no layout either."""
    from recsys_nn.runs import FinishedRun

    if source is not None:
        return read_test_ratings(source, FinishedRun.load(Path(run)), layout)
    check_layout_is_unused(layout, "--ratings")
    return None


def check_layout_is_unused(layout: TableFormat, option: str) -> None:
    """Raises a ConfigError where it is said how a file is laid out that this option would name."""
    from recsys_nn.data import RECOGNISED

    if given := [name for name, value in layout if value != getattr(RECOGNISED, name)]:
        raise ConfigError(
            f"--{given[0]} describes the file that {option} names: give {option} too, or leave --{given[0]} out"
        )


def read_test_ratings(source: str, run: FinishedRun, layout: TableFormat) -> Ratings:
    """Reads a named data set, or a file of this layout, its ids and ratings taken as training's were."""
    from recsys_nn.data import is_dataset, load_ratings, read_ratings

    if is_dataset(source):
        return run.as_trained(load_ratings(source))
    encoder = run.predictor.encoder
    return run.as_trained(read_ratings(source, layout, id_types=encoder.id_types, context=encoder.context_columns))


def print_test_figures(metrics: dict[str, float]) -> None:
    """Prints the errors on the test part, where there is one."""
    if "rmse" in metrics:
        out.print(
            f"Test part, {metrics['n']:,.0f} ratings: RMSE {metrics['rmse']:.4f}, MAE {metrics['mae']:.4f} "
            f"(bias baseline RMSE {metrics['bias_rmse']:.4f})",
            highlight=False,
        )
