"""``recsys-nn tune``: a search for good values of a config."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys_nn.cli.shared import ConfigFile, Overrides, Told, out, print_test_figures

if TYPE_CHECKING:
    from recsys_nn.selection import SearchResult


def tune(
    config: ConfigFile,
    overrides: Overrides = None,
    output: Annotated[
        Path | None,
        typer.Option(help="Folder of the search. By default the config's output with -search appended.", metavar="DIR"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Remove a search that exists there first.")] = False,
) -> None:
    """Search for good values in the space of a YAML file's search section; resume an interrupted search."""
    from recsys_nn.config import load_config
    from recsys_nn.errors import ConfigError
    from recsys_nn.selection import SUFFIX
    from recsys_nn.selection import tune as search

    resolved = load_config(config, overrides=overrides or [])
    if output is None and resolved.output is None:
        raise ConfigError("the search needs a folder: name it with --output DIR, or as output in the config")
    try:
        result = search(resolved, output=output, overwrite=overwrite)
    except KeyboardInterrupt:
        place = os.path.relpath(output or f"{resolved.output}{SUFFIX}")
        told = f"Interrupted: the trials are kept in {place}. The same command resumes the search."
        out.print(told, highlight=False, soft_wrap=True)
        raise Told(130) from None
    _print_search(result)


def _print_search(result: SearchResult) -> None:
    assert result.path is not None
    counts = result.trials["state"].value_counts()
    best = result.trials[result.trials["state"] == "complete"].sort_values("rmse", kind="stable").iloc[0]
    assert result.config.search is not None
    out.print(
        f"{', '.join(f'{n} {state}' for state, n in counts.items())}; the best is trial {best['trial']}, with RMSE "
        f"{result.score:.4f} on held-out ratings:",
        highlight=False,
    )
    for key in result.config.search.space:
        out.print(f"  {key}: {best[key]}", highlight=False)
    print_test_figures(result.metrics)
    out.print(
        f"Search: {os.path.relpath(result.path)} (winner, best.yaml, trials.csv, search.png)",
        highlight=False,
        soft_wrap=True,
    )
