"""The command line. Heavy imports stand inside the commands, so that help and errors come at once.

Exit codes: 0 done, 2 the user's input was wrong (one clear line), 1 anything else.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.padding import Padding

from recsys_nn._version import __version__
from recsys_nn.cli.blending import blend
from recsys_nn.cli.comparing import compare
from recsys_nn.cli.diagnosing import doctor
from recsys_nn.cli.exporting import export
from recsys_nn.cli.options import (
    ConfigFile,
    ManifestHash,
    Overrides,
    Overwrite,
    RunFolder,
    Told,
    out,
    read_test_ratings,
    with_layout,
)
from recsys_nn.cli.predicting import predict
from recsys_nn.cli.recommending import recommend
from recsys_nn.cli.reporting import report, report_of
from recsys_nn.cli.selecting import cross_validate, tune
from recsys_nn.cli.serving import serve
from recsys_nn.cli.suggesting import suggest
from recsys_nn.errors import RecsysError, TrainingError

if TYPE_CHECKING:
    from recsys_nn.data import TableFormat
    from recsys_nn.evaluation import Evaluation

app = typer.Typer(
    name="recsys-nn",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
config_app = typer.Typer(help="Look at configs.", no_args_is_help=True)
app.add_typer(config_app, name="config")
app.command()(predict)
app.command()(compare)
app.command()(blend)
app.command()(cross_validate)
app.command()(tune)
app.command()(suggest)
app.command()(doctor)
app.command()(report)
app.command()(serve)
app.command()(recommend)
app.command()(export)


def _print_version(asked: bool) -> None:
    if asked:
        print(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Rating prediction with latent-factor and neural models in Keras."""


@app.command()
def train(
    config: ConfigFile,
    overrides: Overrides = None,
    output: Annotated[Path | None, typer.Option(help="The run folder to write.", metavar="DIR")] = None,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an unfinished training, if there is one.")
    ] = False,
) -> None:
    """Train, judge and save the model of a YAML file."""
    from recsys_nn.config import load_config
    from recsys_nn.experiment import run_experiment

    resolved = load_config(config, overrides=overrides or [])
    if output is not None:
        resolved = resolved.model_copy(update={"output": str(output)})
    result = run_experiment(resolved, overwrite=overwrite, resume=resume)
    run = result.run
    if run.stop_reason == "interrupted":
        out.print(
            f"Interrupted: the best epoch so far, {run.best_epoch}, is kept; go on with --resume.", highlight=False
        )
    out.print(
        f"{result.config.model.kind}: best epoch {run.best_epoch} of {len(run.history)}, "
        f"stopped by {run.stop_reason}, {run.seconds:.1f} s ({run.engine})",
        highlight=False,
    )
    if result.config.ensemble is not None:
        out.print(f"Average over {result.predictor.model.n_members} weights of the network.", highlight=False)
    if result.evaluation is not None:
        _print_evaluation(result.evaluation)
    if result.path is not None:
        out.print(f"Run folder: {os.path.relpath(result.path)}", highlight=False, soft_wrap=True)
        report_of(result)


@app.command()
@with_layout("user", "item", "rating", "timestamp")
def evaluate(
    run: RunFolder,
    ratings: Annotated[str, typer.Argument(help="A file of ratings, or a named data set.", metavar="RATINGS")],
    *,
    layout: TableFormat,
    manifest_sha256: ManifestHash = None,
) -> None:
    """Judge a saved run on other ratings."""
    from recsys_nn.evaluation import evaluate as judge
    from recsys_nn.runs import FinishedRun

    finished = FinishedRun.load(run, manifest_sha256=manifest_sha256)
    _print_evaluation(judge(finished.predictor, read_test_ratings(ratings, finished, layout)))


@app.command()
def datasets() -> None:
    """List the named data sets."""
    from recsys_nn.data import dataset_names, get_dataset

    for name in dataset_names():
        dataset = get_dataset(name)
        out.print(f"[bold]{name}[/bold]  {dataset.title}", highlight=False)
        out.print(Padding(dataset.licence, (0, 0, 1, 4)), highlight=False)


@config_app.command()
def show(config: ConfigFile, overrides: Overrides = None) -> None:
    """Print the resolved config of a run, defaults included."""
    from recsys_nn.config import load_config

    print(load_config(config, overrides=overrides or []).to_yaml(), end="")


@config_app.command()
def schema() -> None:
    """Print the JSON schema of the YAML files."""
    import json

    from recsys_nn.config import config_schema

    print(json.dumps(config_schema(), indent=2))


def main() -> None:
    """Runs the command line: errors of the user's become one line and exit code 2."""
    try:
        app()
    except TrainingError as error:
        _fail(error, 1)
    except RecsysError as error:
        _fail(error, 2)
    except Exception as error:
        if not _of_memory(error):
            raise
        _fail(f"the memory does not suffice: {error}", 1)
    except SystemExit as exit_:
        if exit_.code == 130 and not isinstance(exit_, Told):  # Typer ends with it on Ctrl-C, without a word
            _fail("interrupted", 130)
        raise


def _of_memory(error: Exception) -> bool:
    """Tells whether memory ran out, by Python's, NumPy's and Arrow's error or by the name of TensorFlow's."""
    return isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError"


def _fail(error: Exception | str, code: int) -> None:
    print(f"recsys-nn: {error}", file=sys.stderr)
    sys.exit(code)


def _print_evaluation(evaluation: Evaluation) -> None:
    from rich.table import Table

    summary = Table("predictor", "RMSE", title=f"{evaluation.n:,} ratings")
    for name, rmse in evaluation.summary.itertuples(index=False):
        summary.add_row(name, f"{rmse:.4f}", style="bold" if name == "model" else None)
    out.print(summary)
    relation = "below" if evaluation.lift >= 0 else "above"
    out.print(
        f"MAE {evaluation.mae:.4f}, R² {evaluation.r2:.4f}, RMSE {abs(evaluation.lift):.1%} {relation} "
        f"the best baseline ({evaluation.best_baseline})",
        highlight=False,
    )
    if evaluation.of_probabilities:
        found = ", ".join(
            f"{name.replace('_', ' ')} {value:.4f}" for name, value in evaluation.of_probabilities.items()
        )
        out.print(f"Of probabilities: {found}", highlight=False)
    columns = ["side", "rated in training", "ratings", "RMSE", "MAE", "bias RMSE"]
    if evaluation.interval is not None:
        out.print(
            f"{evaluation.interval:.0%} intervals: {evaluation.coverage:.1%} of the ratings lie in theirs, "
            f"mean width {evaluation.width:.2f}",
            highlight=False,
        )
        columns += ["coverage", "width"]
    segments = Table(*columns, title="By segment")
    for side, times, n, *figures in evaluation.segments.itertuples(index=False):
        if n:
            segments.add_row(side, times, f"{n:,}", *(f"{figure:.4f}" for figure in figures))
    out.print(segments)
