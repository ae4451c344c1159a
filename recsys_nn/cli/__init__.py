"""The command line: a file a command. Heavy imports stand inside the commands, so that help and errors come at once.

Exit codes: 0 done, 2 the user's input was wrong (one clear line), 130 ended by Ctrl-C (also where the best so far is
kept), 1 anything else.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from recsys_nn._version import __version__
from recsys_nn.cli.blend import blend
from recsys_nn.cli.compare import compare
from recsys_nn.cli.config import config_app
from recsys_nn.cli.cross_validate import cross_validate
from recsys_nn.cli.datasets import datasets
from recsys_nn.cli.doctor import doctor
from recsys_nn.cli.evaluate import evaluate
from recsys_nn.cli.export import export
from recsys_nn.cli.predict import predict
from recsys_nn.cli.recommend import recommend
from recsys_nn.cli.report import report
from recsys_nn.cli.serve import serve
from recsys_nn.cli.shared import Told
from recsys_nn.cli.suggest import suggest
from recsys_nn.cli.train import train
from recsys_nn.cli.tune import tune
from recsys_nn.errors import RecsysError, TrainingError

app = typer.Typer(
    name="recsys-nn",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
PANELS = {  # in the order of the work
    "Train and evaluate": (datasets, suggest, train, evaluate),
    "Predict": (predict, recommend),
    "Understand": (report, doctor, compare),
    "Choose": (cross_validate, tune, blend),
    "Deploy": (export, serve),
}
for panel, commands in PANELS.items():
    for command in commands:
        app.command(rich_help_panel=panel)(command)
app.add_typer(config_app, name="config", rich_help_panel="Configs")


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
        _fail(f"there is not enough memory: {error}", 1)
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
