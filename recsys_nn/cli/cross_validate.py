"""``recsys-nn cross-validate``: choosing a model by ratings that it was not trained on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys_nn.cli.shared import ConfigFile, Overrides, Overwrite, out, print_test_figures

if TYPE_CHECKING:
    from recsys_nn.selection import CrossValidation


def cross_validate(
    config: ConfigFile,
    overrides: Overrides = None,
    folds: Annotated[int, typer.Option(help="Number of folds.", min=2)] = 5,
    workers: Annotated[int, typer.Option(help="Number of processes that train folds.", min=1)] = 1,
    refit: Annotated[
        bool,
        typer.Option("--refit", help="Train on all folds afterwards, evaluate on the test part, and save the run."),
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="Run folder of --refit. By default the config's output.", metavar="DIR")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Cross-validate a config: for each fold, train on the other folds and evaluate on it, without the test part."""
    from recsys_nn.config import load_config
    from recsys_nn.errors import ConfigError
    from recsys_nn.prediction import check_place
    from recsys_nn.selection import cross_validate as validate
    from recsys_nn.selection import refit as train_on_all

    if output is not None and not refit:
        raise ConfigError("--output names the run folder of --refit: add --refit, or leave --output out")
    resolved = load_config(config, overrides=overrides or [])
    if output is not None:
        resolved = resolved.model_copy(update={"output": str(output)})
    if refit:
        if resolved.output is None:
            raise ConfigError("--refit needs a run folder: name it with --output DIR, or as output in the config")
        check_place(resolved.output, overwrite=overwrite)
    result = validate(resolved, folds=folds, workers=workers)
    _print_folds(result)
    if refit:
        print_test_figures(train_on_all(result, overwrite=overwrite).metrics)
        out.print(f"Run folder: {os.path.relpath(resolved.output or '')}", highlight=False, soft_wrap=True)


def _print_folds(result: CrossValidation) -> None:
    from rich.table import Table

    columns = ("fold", "training", "validation", "RMSE", "MAE", "best epoch", "epochs", "s")
    table = Table(title=f"{len(result.folds)} folds")
    for name in columns:
        table.add_column(name, justify="right")
    for row in result.table.to_dict("records"):
        figures = (f"{row['rmse']:.4f}", f"{row['mae']:.4f}", str(row["best_epoch"]), str(row["epochs"]))
        sizes = (f"{row['training']:,}", f"{row['validation']:,}")
        table.add_row(str(row["fold"]), *sizes, *figures, f"{row['seconds']:.1f}")
    out.print(table)
    error = result.metrics
    out.print(
        f"RMSE {error['rmse']:.4f} ± {error['rmse_std']:.4f}, MAE {error['mae']:.4f} ± {error['mae_std']:.4f} "
        f"(mean and standard deviation over the folds); a refit is trained for {result.epochs} epochs",
        highlight=False,
        soft_wrap=True,
    )
