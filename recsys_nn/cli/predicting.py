"""``recsys-nn predict``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from recsys_nn.cli.options import ManifestHash, Overwrite, RunFolder, out, with_layout

if TYPE_CHECKING:
    from recsys_nn.data.readers import TableFormat


class OnError(StrEnum):
    """What is done about a row that cannot be predicted."""

    stop = "stop"
    skip = "skip"


@with_layout("user", "item", "timestamp")
def predict(
    run: RunFolder,
    pairs: Annotated[
        Path,
        typer.Argument(
            help="A CSV, TSV or Parquet file with user and item columns, or a folder of Parquet.", metavar="PAIRS"
        ),
    ],
    output: Annotated[Path, typer.Option(help="The CSV, TSV or Parquet file to write.", metavar="FILE")],
    *,
    layout: TableFormat,
    interval: Annotated[
        float | None, typer.Option(help="Add the ends of intervals for this share of the ratings.", metavar="0.9")
    ] = None,
    on_error: Annotated[
        OnError, typer.Option(help="Rows that cannot be predicted end it, or are left out and listed beside FILE.")
    ] = OnError.stop,
    overwrite: Overwrite = False,
    manifest_sha256: ManifestHash = None,
) -> None:
    """Predict the ratings of a file of user-item pairs, whatever its size."""
    from recsys_nn.data.writers import check_output
    from recsys_nn.prediction.predictor import Predictor

    check_output(output, overwrite=overwrite)  # before TensorFlow is loaded
    predictor = Predictor.load(run, manifest_sha256=manifest_sha256)
    with _progress_bar() as progress:
        found = predictor.predict_file(
            pairs,
            output,
            layout=layout,
            interval=interval,
            on_error=on_error.value,
            overwrite=overwrite,
            progress=progress,
        )
    if found.missing:
        out.print(
            f"The pairs have no {', '.join(found.missing)}, which the model reads: they are predicted without.",
            highlight=False,
        )
    sources = ", ".join(f"{count:,} from {name}" for name, count in found.sources.items())
    out.print(
        f"{found.rows:,} predictions written to {output} ({sources or 'no pairs'})", highlight=False, soft_wrap=True
    )
    if found.skipped:
        out.print(f"{found.skipped:,} rows left out, listed in {found.skipped_file}", highlight=False, soft_wrap=True)


@contextmanager
def _progress_bar() -> Iterator[Callable[[int, float], None] | None]:
    """What shows how far it is, on the error output where that is a terminal."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_interactive:
        yield None
        return
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda rows, done: bar.update(task, completed=done, description=f"{rows:,} pairs")
