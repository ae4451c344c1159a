"""``recsys-nn cross-validate`` and ``recsys-nn tune``: choosing a model by ratings that it was not trained on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from recsys_nn.cli.options import ConfigFile, Overrides, Overwrite, Told, out

if TYPE_CHECKING:
    from recsys_nn.selection import CrossValidation, SearchResult


def cross_validate(
    config: ConfigFile,
    overrides: Overrides = None,
    folds: Annotated[int, typer.Option(help="How many parts the ratings are cut into.", min=2)] = 5,
    workers: Annotated[int, typer.Option(help="Processes that folds are trained in.", min=1)] = 1,
    refit: Annotated[
        bool, typer.Option("--refit", help="Then train on all rows, judge on the test part, and save the run.")
    ] = False,
    output: Annotated[
        Path | None, typer.Option(help="The run folder of the refit; the config's own by default.", metavar="DIR")
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Train once for each fold, on the others, and judge on that one; the test part is left alone."""
    from recsys_nn.config import load_config
    from recsys_nn.errors import ConfigError
    from recsys_nn.prediction import check_place
    from recsys_nn.selection import cross_validate as validate
    from recsys_nn.selection import refit as train_on_all

    if output is not None and not refit:
        raise ConfigError("--output: it is for the run of --refit")
    resolved = load_config(config, overrides=overrides or [])
    if output is not None:
        resolved = resolved.model_copy(update={"output": str(output)})
    if refit:
        if resolved.output is None:
            raise ConfigError("output: say where the run of --refit is kept (--output DIR)")
        check_place(resolved.output, overwrite=overwrite)
    result = validate(resolved, folds=folds, workers=workers)
    _print_folds(result)
    if refit:
        _print_figures(train_on_all(result, overwrite=overwrite).metrics)
        out.print(f"Run folder: {os.path.relpath(resolved.output or '')}", highlight=False, soft_wrap=True)


def tune(
    config: ConfigFile,
    overrides: Overrides = None,
    output: Annotated[
        Path | None,
        typer.Option(help="The folder of the search; the config's output with -search behind.", metavar="DIR"),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Remove the search that stands there first.")] = False,
) -> None:
    """Search the space of a YAML file's search section; a search that was ended goes on."""
    from recsys_nn.config import load_config
    from recsys_nn.errors import ConfigError
    from recsys_nn.selection import SUFFIX
    from recsys_nn.selection import tune as search

    resolved = load_config(config, overrides=overrides or [])
    if output is None and resolved.output is None:
        raise ConfigError("output: say where the search is kept (--output DIR)")
    try:
        result = search(resolved, output=output, overwrite=overwrite)
    except KeyboardInterrupt:
        place = os.path.relpath(output or f"{resolved.output}{SUFFIX}")
        told = f"Interrupted: the trials are kept in {place}; the same command goes on."
        out.print(told, highlight=False, soft_wrap=True)
        raise Told(130) from None
    _print_search(result)


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


def _print_search(result: SearchResult) -> None:
    assert result.path is not None
    counts = result.trials["state"].value_counts()
    best = result.trials[result.trials["state"] == "complete"].sort_values("rmse", kind="stable").iloc[0]
    assert result.config.search is not None
    out.print(
        f"{', '.join(f'{n} {state}' for state, n in counts.items())}; the best is trial {best['trial']}, with RMSE "
        f"{result.score:.4f} of held-out ratings:",
        highlight=False,
    )
    for key in result.config.search.space:
        out.print(f"  {key}: {best[key]}", highlight=False)
    _print_figures(result.metrics)
    out.print(
        f"Search: {os.path.relpath(result.path)} (winner, best.yaml, trials.csv, search.png)",
        highlight=False,
        soft_wrap=True,
    )


def _print_figures(metrics: dict[str, float]) -> None:
    """Prints the figures of the test part, where there is one."""
    if "rmse" in metrics:
        out.print(
            f"Test part, {metrics['n']:,.0f} ratings: RMSE {metrics['rmse']:.4f}, MAE {metrics['mae']:.4f} "
            f"(bias baseline RMSE {metrics['bias_rmse']:.4f})",
            highlight=False,
        )
