"""``recsys-nn doctor``: diagnosis of what is wrong with a run, or will be."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys_nn.cli.shared import Overrides, check_layout_is_unused, out, with_layout
from recsys_nn.errors import ConfigError

if TYPE_CHECKING:
    from recsys_nn.data import TableFormat


@with_layout("user", "item", "timestamp")
def doctor(
    run: Annotated[Path, typer.Argument(help="Run folder, or YAML file of a run to come.", metavar="RUN_OR_CONFIG")],
    overrides: Overrides = None,
    pairs: Annotated[
        Path | None,
        typer.Option(help="File of user-item pairs to predict. The doctor checks that their ids are known."),
    ] = None,
    *,
    layout: TableFormat,
) -> None:
    """Diagnose a run before or after it: the cause and evidence of each problem, and the config line to change."""
    from recsys_nn.advice import diagnose
    from recsys_nn.config import YAML_SUFFIXES, load_config
    from recsys_nn.data import read_pairs
    from recsys_nn.runs import FinishedRun

    planned = run.suffix in YAML_SUFFIXES
    if overrides and not planned:
        raise ConfigError(
            f"--set changes a YAML file: leave it out, as {run} is a finished run with a config of its own"
        )
    if pairs is not None and planned:
        raise ConfigError(f"--pairs needs a finished run: leave it out, as {run} is a YAML file")
    if pairs is None:
        check_layout_is_unused(layout, "--pairs")
    if planned:
        found = diagnose(load_config(run, overrides=overrides or []))
    else:
        finished = FinishedRun.load(run)
        encoder = finished.predictor.encoder
        asked = None
        if pairs is not None:
            asked, _ = read_pairs(pairs, layout, encoder.id_types, context=encoder.context_columns)
        found = diagnose(finished, pairs=asked)
    out.print(str(found), highlight=False, markup=False, soft_wrap=True)
