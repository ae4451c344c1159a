"""``recsys-nn suggest``: a commented config for a table of ratings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recsys_nn.cli.options import Overrides, with_layout
from recsys_nn.errors import ConfigError

if TYPE_CHECKING:
    from recsys_nn.data.readers import TableFormat


@with_layout("user", "item", "rating", "timestamp")
def suggest(
    ratings: Annotated[str, typer.Argument(help="A file of ratings, or a named data set.", metavar="RATINGS")],
    *,
    layout: TableFormat,
    kind: Annotated[str | None, typer.Option(help="Of the model; the best affordable one by default.")] = None,
    overrides: Overrides = None,
) -> None:
    """Print a complete config for a table of ratings, with the reason of each line.

    What you know of the data is told with --set: data.scale=[1,5], data.duplicates=last, data.liked=4, seed=3, ...
    """
    from recsys_nn.advice.suggesting import suggest as suggested
    from recsys_nn.config import load_config
    from recsys_nn.run_data import load_whole
    from recsys_nn.strict_yaml import with_override

    values: dict[str, Any] = {"output": f"runs/{Path(ratings).name.split('.')[0]}", "data": {"source": ratings}}
    if given := layout.model_dump(exclude_defaults=True):
        values["data"]["format"] = given
    for override in overrides or []:
        if override.partition(".")[0].partition("=")[0] not in ("seed", "output", "data"):
            raise ConfigError(f"--set {override}: it is for seed, output and data; change the others in the YAML")
        values = with_override(values, override)
    config = load_config(values)
    suggestion = suggested(load_whole(config.data), kind=kind, data=config.data, seed=config.seed, output=config.output)
    print(suggestion.to_yaml(), end="")
