"""``recsys-nn suggest``: a commented config for a table of ratings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys_nn.cli.shared import with_layout
from recsys_nn.errors import ConfigError

if TYPE_CHECKING:
    from recsys_nn.data import TableFormat


@with_layout("user", "item", "rating", "timestamp")
def suggest(
    ratings: Annotated[str, typer.Argument(help="File of ratings, or named data set.", metavar="RATINGS")],
    *,
    layout: TableFormat,
    kind: Annotated[
        str | None, typer.Option(help="Kind of the model. By default the most accurate that is affordable.")
    ] = None,
    known: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Known value of the data section, such as data.scale=[1,5]. May be repeated.",
            metavar="KEY=VALUE",
        ),
    ] = None,
) -> None:
    """Print a complete config for a table of ratings, with the reason for each line.

    The config keeps the values that --set gives: data.scale=[1,5], data.duplicates=last, data.liked=4, data.options,
    data.split, seed and output.
    """
    from recsys_nn.advice import suggest as suggested
    from recsys_nn.config import load_config
    from recsys_nn.files import with_override
    from recsys_nn.runs import load_whole

    values: dict[str, Any] = {"output": f"runs/{Path(ratings).name.split('.')[0]}", "data": {"source": ratings}}
    if given := layout.model_dump(exclude_defaults=True):
        values["data"]["format"] = given
    for told in known or []:
        if told.partition(".")[0].partition("=")[0] not in ("seed", "output", "data"):
            raise ConfigError(f"--set {told} must change seed, output or data: change other keys in the printed YAML")
        values = with_override(values, told)
    config = load_config(values)
    suggestion = suggested(load_whole(config.data), kind=kind, data=config.data, seed=config.seed, output=config.output)
    print(suggestion.to_yaml(), end="")
