"""``recsys-nn predict``: predicted ratings of a file or folder of pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from recsys_nn.cli.shared import ManifestHash, Overwrite, RunFolder, out, with_layout
from recsys_nn.errors import ConfigError

if TYPE_CHECKING:
    from recsys_nn.config import ClusterConfig
    from recsys_nn.data import TableFormat
    from recsys_nn.prediction import PredictedFile, PredictedFolder


class OnError(StrEnum):
    """Choices for a row that cannot be predicted."""

    stop = "stop"
    skip = "skip"


@with_layout("user", "item", "timestamp")
def predict(
    run: RunFolder,
    pairs: Annotated[
        str,
        typer.Argument(
            help="CSV, TSV or Parquet file with user and item columns, or folder of Parquet files, also at s3://, "
            "gs:// or hdfs://.",
            metavar="PAIRS",
        ),
    ],
    output: Annotated[
        str,
        typer.Option(
            help="CSV, TSV or Parquet file to write. A name without a suffix is a folder, in which each file of PAIRS "
            "gets a file.",
            metavar="PLACE",
        ),
    ],
    *,
    layout: TableFormat,
    interval: Annotated[
        float | None,
        typer.Option(help="Share of the ratings that added prediction intervals shall cover.", metavar="0.9"),
    ] = None,
    on_error: Annotated[
        OnError,
        typer.Option(help="Action at a row that cannot be predicted: stop, or skip it and list it beside the output."),
    ] = OnError.stop,
    overwrite: Overwrite = False,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            help="Workers that predict a folder: cluster.workers=4, or cluster=null for this process alone. By default "
            "the run's config names them.",
            metavar="KEY=VALUE",
        ),
    ] = None,
    manifest_sha256: ManifestHash = None,
) -> None:
    """Predict the ratings of the user-item pairs in a file of any size, or in a folder, file by file."""
    from recsys_nn.files import check_output, is_uri
    from recsys_nn.prediction import Predictor

    as_folder = not Path(output).suffix and (is_uri(pairs) or is_uri(output) or Path(pairs).is_dir())
    cluster = _cluster_of(run, overrides or []) if as_folder else None
    if not as_folder:
        if is_uri(pairs) or is_uri(output):
            raise ConfigError(f"--output {output} must be a folder, as a remote store is read or written file by file")
        if overrides:
            raise ConfigError(
                "--set changes the workers that predict a folder into a folder: name two folders, or leave --set out"
            )
        check_output(Path(output), overwrite=overwrite)  # before TensorFlow is loaded
    predictor = Predictor.load(run, manifest_sha256=manifest_sha256)
    settings: dict[str, Any] = {
        "layout": layout,
        "interval": interval,
        "on_error": on_error.value,
        "overwrite": overwrite,
    }
    found: PredictedFile | PredictedFolder
    with _progress_bar() as progress:
        if as_folder:
            from recsys_nn.cluster import predict_folder

            found = predict_folder(predictor, pairs, output, cluster=cluster, progress=progress, **settings)
            listed: str | Path | None = f"{output}, beside their files"
        else:
            found = predictor.predict_file(pairs, output, progress=progress, **settings)
            listed = found.skipped_file
    if found.missing:
        out.print(
            f"The model predicts without {', '.join(found.missing)}, as the pairs have no such column.",
            highlight=False,
        )
    sources = ", ".join(f"{count:,} from {name}" for name, count in found.sources.items())
    out.print(
        f"{found.rows:,} predictions written to {output} ({sources or 'no pairs'})", highlight=False, soft_wrap=True
    )
    if found.skipped:
        out.print(f"{found.skipped:,} rows left out, listed in {listed}", highlight=False, soft_wrap=True)


def _cluster_of(run: Path, overrides: list[str]) -> ClusterConfig | None:
    """Makes the cluster section of a run's config, changed by what is set.

    A run may come from a stranger, and who is connected to a Ray executes what that sends: a run says how many workers,
    but names no other Ray than that of this machine.
    """
    from recsys_nn.config import ClusterConfig, validated
    from recsys_nn.files import read_yaml, with_override

    keys = [override.partition("=")[0] for override in overrides]
    if wrong := [override for override, key in zip(overrides, keys, strict=True) if key.split(".")[0] != "cluster"]:
        raise ConfigError(f"--set {wrong[0]} must change the cluster section, such as cluster.workers=4")
    file = run / "config.yaml"
    values = {"cluster": read_yaml(file).get("cluster") if file.is_file() else None}
    for override in overrides:
        values = with_override(values, override)
    if values["cluster"] is None:
        return None
    cluster = validated(ClusterConfig, values["cluster"], ("cluster",))
    if cluster.address not in (None, "auto") and not {"cluster", "cluster.address"}.intersection(keys):
        raise ConfigError(
            f"cluster.address: the run names a Ray cluster at {cluster.address!r}, which could run any code on this "
            f"machine; if it is yours, --set cluster.address={cluster.address}, else --set cluster=null"
        )
    return cluster


@contextmanager
def _progress_bar() -> Iterator[Callable[[int, float], None] | None]:
    """Opens a progress bar on the error output, where that is a terminal; its function takes pairs and share done."""
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    if not console.is_interactive:
        yield None
        return
    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda rows, done: bar.update(task, completed=done, description=f"{rows:,} pairs")
