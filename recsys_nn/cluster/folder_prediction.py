"""Prediction of folders of pairs by this process, or by the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from recsys_nn.cluster.jobs import jobs_on_workers
from recsys_nn.cluster.ray_session import connected
from recsys_nn.config import ClusterConfig, validated
from recsys_nn.data import TableFormat
from recsys_nn.errors import RecsysError
from recsys_nn.files import Folder
from recsys_nn.prediction import FolderScoring, OnError, PredictedFile, PredictedFolder, Predictor


def predict_folder(
    predictor: Predictor,
    pairs: str | Path,
    output: str | Path,
    *,
    cluster: ClusterConfig | Mapping[str, Any] | None = None,
    layout: TableFormat | Mapping[str, Any] | None = None,
    interval: float | None = None,
    on_error: OnError = "stop",
    overwrite: bool = False,
    progress: Callable[[int, float], None] | None = None,
) -> PredictedFolder:
    """Predicts a folder of Parquet, each file into one of its name, as :meth:`Predictor.predict_file` does.

    Each file of the output is there whole or not at all. That all of them are there its ``_predictions.json`` says:
    ``finished`` is true, and what was counted stands beside it. What fails in between leaves the files that are done.

    Args:
        predictor: the predictor, of which each worker has a copy.
        pairs: the folder: a path, or a URI of a file system that pyarrow knows (``s3://``, ``gs://``, ``hdfs://``).
            What begins with a dot or an underscore is left out.
        output: the folder to write, likewise.
        cluster: the cluster, whose workers predict a file each at a time, and one that is lost is replaced,
            ``max_failures`` times in all; without, this process predicts one after the other. On several machines,
            folders that are paths lie on storage that all of them see.
        layout: how the files are laid out, where that is not recognised.
        interval: share of the ratings that shall lie in the intervals, as in :meth:`Predictor.predict`.
        on_error: what is done about rows that cannot be predicted, as in :meth:`Predictor.predict_file`; the list of
            rows that are left out stands beside their file.
        overwrite: whether predictions that stand at the output are removed first.
        progress: called after each file with the number of pairs so far and the share of the files that is done.

    Raises:
        DataError: as of :meth:`Predictor.predict_file`; where the output must not be written.
        ArtifactError: where a disk refuses, or a worker does not see the output.
        ConfigError: where there is no Ray, or it has too few CPUs or GPUs for the workers.
        RecsysError: where workers were lost too often.

    Example:
        >>> from pathlib import Path
        >>> Path("pairs").mkdir()
        >>> split.test.frame.to_parquet("pairs/monday.parquet")
        >>> split.validation.frame.to_parquet("pairs/tuesday.parquet")
        >>> rn.predict_folder(predictor, "pairs", "predicted").rows
        108
    """
    scoring = FolderScoring(Folder.at(pairs), Folder.at(output), TableFormat.of(layout), interval, on_error)
    if isinstance(cluster, Mapping):
        cluster = validated(ClusterConfig, cluster, ("cluster",))
    names = scoring.checked(overwrite=overwrite)
    work, done, rows = partial(scoring.carry_out, predictor), list[PredictedFile](), 0

    def ended(file: PredictedFile) -> None:
        nonlocal rows
        rows += file.rows
        done.append(file)
        if progress is not None:
            progress(rows, len(done) / len(names))

    with connected(cluster):
        scoring.begin()
        if cluster is None:
            for name in names:
                ended(work(name))
        else:
            lost = partial(_lost, count(1), cluster.max_failures)
            jobs_on_workers(cluster, work, names, ended=ended, lost=lost, check=scoring.check_begun)
        return scoring.conclude(done)


def _lost(losses: Iterator[int], most: int, *_: Any) -> None:
    """Has a file begun anew, unless that is one lost worker too many in all."""
    if next(losses) > most:
        raise RecsysError(
            f"cluster.max_failures: more than {most} times a worker was lost; the files that are done are whole"
        )
