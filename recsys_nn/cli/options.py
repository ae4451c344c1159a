"""What the commands share: options, the console, the reading of ratings for a saved run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from recsys_nn.errors import ConfigError

if TYPE_CHECKING:
    from recsys_nn.data.ratings import Ratings
    from recsys_nn.data.readers import TableFormat
    from recsys_nn.finished_run import FinishedRun

out = Console()

ConfigFile = Annotated[Path, typer.Argument(help="A YAML file describing the run.", metavar="CONFIG")]
RunFolder = Annotated[Path, typer.Argument(help="A run folder.", metavar="RUN")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a value: training.epochs=5. May be repeated.", metavar="KEY=VALUE"),
]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace what stands at the output.")]
Column = Annotated[str | None, typer.Option(help="Name (or position) of the column.", metavar="COLUMN")]
Separator = Annotated[str | None, typer.Option(help="Between the fields of a text file; recognised by default.")]
Encoding = Annotated[str | None, typer.Option(help="Of a text file; UTF-8, or as its mark says, by default.")]
Header = Annotated[bool | None, typer.Option("--header/--no-header", help="Whether the first line names the columns.")]


def table_format(columns: Mapping[str, str | None], **reading: Any) -> TableFormat:
    """The layout of a file: its columns by name or by position, and how it is read."""
    from recsys_nn.data.readers import TableFormat

    named = {
        role: int(name) if name is not None and name.isascii() and name.isdecimal() else name
        for role, name in columns.items()
    }
    return TableFormat(**named, **reading)


def read_given_ratings(source: str | None, run: str, layout: TableFormat) -> Ratings | None:
    """The ratings that --ratings names, read for this run; without it, nothing, and no layout either."""
    from recsys_nn.data.readers import RECOGNISED
    from recsys_nn.finished_run import FinishedRun

    if source is not None:
        return read_test_ratings(source, FinishedRun.load(Path(run)), layout)
    if given := [name for name, value in layout if value != getattr(RECOGNISED, name)]:
        raise ConfigError(f"--{given[0]}: it is for --ratings")
    return None


def read_test_ratings(source: str, run: FinishedRun, layout: TableFormat) -> Ratings:
    """A named data set, or a file of this layout, its ids and ratings taken as training's were."""
    from recsys_nn.data.loading import is_dataset, load_ratings
    from recsys_nn.data.readers import read_ratings

    if is_dataset(source):
        return run.as_trained(load_ratings(source))
    encoder = run.predictor.encoder
    return run.as_trained(read_ratings(source, layout, id_types=encoder.id_types, context=encoder.context_columns))
