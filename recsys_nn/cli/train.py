"""``recsys-nn train``: a run from its YAML file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from recsys_nn.cli.evaluate import print_evaluation
from recsys_nn.cli.report import report_of
from recsys_nn.cli.shared import ConfigFile, Overrides, Overwrite, Told, out


def train(
    config: ConfigFile,
    overrides: Overrides = None,
    output: Annotated[
        Path | None, typer.Option(help="Run folder to write. By default the config's output.", metavar="DIR")
    ] = None,
    overwrite: Overwrite = False,
    resume: Annotated[bool, typer.Option("--resume", help="Resume an unfinished training, if there is one.")] = False,
) -> None:
    """Train, evaluate and save the model of a YAML file."""
    from recsys_nn.config import load_config
    from recsys_nn.experiment import run_experiment

    resolved = load_config(config, overrides=overrides or [])
    if output is not None:
        resolved = resolved.model_copy(update={"output": str(output)})
    result = run_experiment(resolved, overwrite=overwrite, resume=resume)
    run = result.run
    if run.stop_reason == "interrupted":
        out.print(
            f"Interrupted: the best epoch so far, {run.best_epoch}, is kept. Resume the training with --resume.",
            highlight=False,
        )
    out.print(
        f"{result.config.model.kind}: best epoch {run.best_epoch} of {len(run.history)}, "
        f"stopped by {run.stop_reason}, {run.seconds:.1f} s ({run.engine})",
        highlight=False,
    )
    if result.config.ensemble is not None:
        out.print(
            f"Predictions are averaged over {result.predictor.model.n_members} samples of the weights.", highlight=False
        )
    if result.evaluation is not None:
        print_evaluation(result.evaluation)
    if result.path is not None:
        out.print(f"Run folder: {os.path.relpath(result.path)}", highlight=False, soft_wrap=True)
        report_of(result)
    if run.stop_reason == "interrupted":
        raise Told(130)
