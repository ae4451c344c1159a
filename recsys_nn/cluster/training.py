"""Work that all workers of a cluster carry out together, by Ray Train."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from recsys_nn.cluster.ray_session import connected, like_this_process
from recsys_nn.cluster_config import ClusterConfig
from recsys_nn.errors import ArtifactError, ConfigError, DataError, RecsysError, TrainingError

if TYPE_CHECKING:
    from recsys_nn.training.workers import Workers

Work = Callable[["Workers | None"], None]
_ERRORS = "wrong-*.json"
_KINDS = {kind.__name__: kind for kind in (ConfigError, DataError, TrainingError, ArtifactError, RecsysError)}


def on_workers(cluster: ClusterConfig, work: Work, *, folder: Path) -> None:
    """Has all workers carry out ``work``, each in a process of its own, and all of them anew where one was lost.

    They are like this process (:func:`like_this_process`). What each prints is shown here and kept by Ray.

    Args:
        cluster: the workers.
        work: what they are sent; it takes the worker's :class:`Workers`, or None where there is one alone.
        folder: that all of them see; what Ray keeps there goes at the end.

    Raises:
        RecsysError: what one of them has found wrong, which is not tried anew; and where workers were lost more often
            than is allowed.
        ConfigError: where there is no Ray.
    """
    with connected(cluster):
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.tensorflow import TensorflowTrainer
        from ray.train.v2.api.exceptions import TrainingFailedError

        place = folder / "ray"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        trainer = TensorflowTrainer(
            partial(_carried_out, cluster, work, place, like_this_process(cluster)),
            scaling_config=ScalingConfig(
                num_workers=cluster.workers,
                use_gpu=cluster.gpu,
                resources_per_worker={"CPU": cluster.cpus} | ({"GPU": 1} if cluster.gpu else {}),
            ),
            run_config=RunConfig(
                name="train", storage_path=str(place), failure_config=FailureConfig(max_failures=cluster.max_failures)
            ),
        )
        try:
            trainer.fit()
        except TrainingFailedError as error:
            _raise_what_is_wrong(place)
            raise RecsysError(
                f"cluster.max_failures: more than {cluster.max_failures} times workers were lost, or failed otherwise; "
                f"the run can go on (--resume). At last: {error}"
            ) from error
        _raise_what_is_wrong(place)
        shutil.rmtree(place, ignore_errors=True)


def _carried_out(cluster: ClusterConfig, work: Work, place: Path, begin: Callable[[Path], None]) -> None:
    """What each worker does.

    What one finds wrong is written down, and its failure ends the others; Ray then begins anew with all of them, which
    read it and come to their end.
    """
    begin(place)
    if any(place.glob(_ERRORS)):
        return
    from recsys_nn.training.workers import Workers

    workers = Workers() if cluster.workers > 1 else None
    try:
        work(workers)
    except RecsysError as error:
        rank = 0 if workers is None else workers.rank
        found = next(name for name, known in _KINDS.items() if isinstance(error, known))
        text = json.dumps({"kind": found, "message": str(error)})
        (place / _ERRORS.replace("*", f"{rank:06d}")).write_text(text)
        raise


def _raise_what_is_wrong(place: Path) -> None:
    for file in sorted(place.glob(_ERRORS)):
        found = json.loads(file.read_text())
        raise _KINDS[found["kind"]](found["message"])
