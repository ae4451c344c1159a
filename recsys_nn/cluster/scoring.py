"""Prediction of folders of pairs by this process, or by the workers of a cluster, by Ray Data."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from recsys_nn.cluster.jobs import answered_here
from recsys_nn.cluster.messages import as_raised, as_told
from recsys_nn.cluster.ray_session import Setting, connected
from recsys_nn.config import ClusterConfig, validated
from recsys_nn.data import TableFormat
from recsys_nn.errors import ConfigError, RecsysError
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
    """
    scoring = FolderScoring(Folder.at(pairs), Folder.at(output), TableFormat.of(layout), interval, on_error)
    if isinstance(cluster, Mapping):
        cluster = validated(ClusterConfig, cluster, ("cluster",))
    names = scoring.checked(overwrite=overwrite)
    with connected(cluster, spare=1):
        files: Iterator[PredictedFile]
        if cluster is None:
            files = map(partial(scoring.carry_out, predictor), names)
        else:
            _check_room(cluster)
            files = _on_workers(predictor, scoring, names, cluster)
        scoring.begin()
        return scoring.conclude(_watched(files, len(names), progress))


def _watched(
    files: Iterator[PredictedFile], n: int, progress: Callable[[int, float], None] | None
) -> Iterator[PredictedFile]:
    rows = 0
    for done, file in enumerate(files, 1):
        rows += file.rows
        if progress is not None:
            progress(rows, done / n)
        yield file


def _check_room(cluster: ClusterConfig) -> None:
    """Checks that the workers leave a CPU to Ray Data's own tasks, without which the pool stands still."""
    import ray

    for name, each in cluster.resources.items():
        there = ray.cluster_resources().get(name, 0) - (name == "CPU")
        if cluster.workers * each > there:
            raise ConfigError(
                f"cluster.workers: {cluster.workers} with {each:g} {name} each are more than the cluster has for them, "
                f"{max(0, there):g} {name} (one CPU is Ray's own); there can be {max(0, int(there // each))}"
            )


def _on_workers(
    predictor: Predictor, scoring: FolderScoring, names: list[str], cluster: ClusterConfig
) -> Iterator[PredictedFile]:
    import ray

    logging.getLogger("ray.data").setLevel(logging.CRITICAL)  # what fails is said by the error
    quiet = ray.data.DataContext.get_current().copy()
    quiet.enable_progress_bars = False
    pool = min(cluster.workers, len(names))
    with answered_here(_counting) as begun:
        with ray.data.DataContext.current(quiet):
            asked = ray.data.from_items([{"name": name} for name in names], override_num_blocks=len(names))
        predicted = asked.map(
            _Worker,
            fn_constructor_args=(ray.put(predictor), Setting(cluster.cpus), scoring, begun, pool, cluster.max_failures),
            compute=ray.data.ActorPoolStrategy(size=pool, max_tasks_in_flight_per_actor=1),
            num_cpus=cluster.cpus,
            num_gpus=int(cluster.gpu),
        )
        for row in predicted.iter_rows():
            found = json.loads(row["found"])
            if "wrong" in found:
                raise as_raised(found["wrong"])
            yield PredictedFile(**found | {"output": Path(found["output"]), "missing": tuple(found["missing"])})


@contextmanager
def _counting() -> Iterator[Callable[[], int]]:
    numbers = count(1)
    yield lambda: next(numbers)


class _Worker:
    """An actor of Ray's that predicts files; what is wrong it returns, for Ray would try it again.

    One that is lost Ray replaces without end: so each asks how many there have been, and one too many predicts nothing.
    """

    def __init__(
        self,
        predictor: Any,
        setting: Setting,
        scoring: FolderScoring,
        begun: Callable[[], int],
        pool: int,
        max_failures: int,
    ) -> None:
        import ray

        self._wrong: RecsysError | None = None
        try:
            if begun() > pool + max_failures:
                raise RecsysError(
                    f"cluster.max_failures: more than {max_failures} times a worker was lost; the files that are done "
                    "are whole"
                )
            scoring.check_begun()
            setting.enter()
            self._scoring, self._predictor = scoring, ray.get(predictor)
        except RecsysError as error:
            self._wrong = error

    def __call__(self, row: Mapping[str, Any]) -> dict[str, str]:
        found: dict[str, Any]
        try:
            if self._wrong is not None:
                raise self._wrong
            found = asdict(self._scoring.carry_out(self._predictor, row["name"]))
        except RecsysError as error:
            found = {"wrong": as_told(error)}
        return {"found": json.dumps(found, default=str)}
