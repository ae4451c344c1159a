"""Training by all workers of a cluster together, by Ray Train."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.cluster.messages import as_raised, as_told, told_here
from recsys_nn.cluster.ray_session import Setting, check_seen, connected, ctrl_c_as_before, storage
from recsys_nn.config import ClusterConfig
from recsys_nn.encoding import Encoder
from recsys_nn.errors import RecsysError, TrainingError
from recsys_nn.models import ModelConfig, build_model
from recsys_nn.tensors import TrainingPart
from recsys_nn.tracking import Tell
from recsys_nn.training import TrainConfig, Trainer, TrainingRun

if TYPE_CHECKING:
    import keras

    from recsys_nn.training import Workers

_ERRORS = "wrong-*.json"


@dataclass(frozen=True, eq=False)
class _Job:
    """Job that each worker is sent; it has the model as its config and the variables to begin with."""

    model: ModelConfig
    variables: list[npt.NDArray[Any]]
    encoder: Encoder
    config: TrainConfig
    train: TrainingPart
    validation: TrainingPart | None
    callbacks: tuple[Any, ...]
    checkpoints: Path | None
    progress: bool


@dataclass(frozen=True, eq=False)
class _Trained:
    """Result that the first worker brings back; where the training has diverged, with the error's message."""

    weights: list[npt.NDArray[Any]]
    history: pd.DataFrame
    record: dict[str, Any]
    diverged: str | None


def fit_on_workers(
    cluster: ClusterConfig,
    model: keras.Model,
    encoder: Encoder,
    config: TrainConfig,
    train: TrainingPart,
    validation: TrainingPart | None,
    *,
    callbacks: Sequence[Any] = (),
    tell: Tell | None = None,
    checkpoints: Path | None = None,
    progress: bool = True,
) -> TrainingRun:
    """Trains ``model`` in place, as ``Trainer.fit`` does, on the workers of a cluster.

    Each of them is a process of its own, which knows the kinds of models that are registered here and the folder that
    this process is in. Where one is lost all of them begin anew, after the last epoch that was saved. What they print
    is shown here and kept by Ray.

    Args:
        cluster: the workers, and how often they may be lost.
        model: a model built by :func:`build_model`.
        encoder: encoder of its ids.
        config: settings of the Trainer.
        train: what the model is trained on. Tensors are sent to each worker; of streamed ones each reads its part.
        validation: what it is judged by; None where nothing is held out.
        callbacks: Keras callbacks beside those that the config names; each worker gets its own.
        tell: function that is told of each epoch at its end, in this process: its number from 1, and its figures.
        checkpoints: a folder for the states of the training, which all workers see.
        progress: whether the first worker prints a line an epoch.

    Raises:
        RecsysError: what one of them has found wrong, which is not tried anew; and where workers were lost more often
            than is allowed.
        ConfigError: where there is no Ray.
        KeyboardInterrupt: by Ctrl-C, after which it can go on from the last epoch that was saved.
    """
    with connected(cluster), storage(checkpoints and checkpoints.parent) as place, told_here(tell) as told:
        import ray
        from ray.train import FailureConfig, RunConfig, ScalingConfig
        from ray.train.v2.api.data_parallel_trainer import DataParallelTrainer
        from ray.train.v2.api.exceptions import TrainingFailedError

        from recsys_nn.cluster.addresses import Addresses

        variables = [np.asarray(each) for each in model.variables]
        job = _Job(
            *(model.rating_config, variables, encoder, config, train, validation, tuple(callbacks)),
            *(checkpoints and checkpoints.absolute(), progress),
        )
        sent, setting = ray.put(job), Setting(cluster.cpus)
        trainer = DataParallelTrainer(
            lambda: _carried_out(sent, setting, cluster.workers, place, told),
            backend_config=Addresses(),
            scaling_config=ScalingConfig(
                num_workers=cluster.workers, use_gpu=cluster.gpu, resources_per_worker=cluster.resources
            ),
            run_config=RunConfig(
                name="train", storage_path=str(place), failure_config=FailureConfig(max_failures=cluster.max_failures)
            ),
        )
        try:
            with ctrl_c_as_before():
                found = trainer.fit().return_value
        except SystemExit:  # Ray's answer to Ctrl-C, once it has ended the workers
            raise KeyboardInterrupt from None
        except TrainingFailedError as error:
            _raise_what_is_wrong(place)
            raise RecsysError(
                f"cluster.max_failures: more than {cluster.max_failures} times workers were lost, or failed otherwise; "
                f"the run can go on (--resume). At last: {error}"
            ) from error
        _raise_what_is_wrong(place)
    model.set_weights(found.weights)
    run = TrainingRun.recorded(model, found.history, config, found.record)
    if found.diverged is not None:
        wrong = TrainingError(found.diverged)
        wrong.run = run
        raise wrong
    return run


def _carried_out(sent: Any, setting: Setting, n: int, place: Path, told: Tell | None) -> _Trained | None:
    """Trains in a worker; the first of them returns the result.

    What one finds wrong is written down, and its failure ends the others; Ray then begins anew with all of them, which
    read it and come to their end. A loss that is no number all of them find in the same epoch.
    """
    check_seen(place)
    if any(place.glob(_ERRORS)):
        return None
    setting.enter()
    import ray

    from recsys_nn.training import Workers

    workers = Workers() if n > 1 else None  # before TensorFlow computes anything
    try:
        return _trained(ray.get(sent), workers, told)
    except RecsysError as error:
        rank = 0 if workers is None else workers.rank
        (place / _ERRORS.replace("*", f"{rank:06d}")).write_bytes(json.dumps(as_told(error)).encode())
        raise


def _trained(job: _Job, workers: Workers | None, told: Tell | None) -> _Trained | None:
    model = build_model(job.model, job.encoder)
    for variable, value in zip(model.variables, job.variables, strict=True):
        variable.assign(value)
    leads, callbacks = workers is None or workers.leads, list(job.callbacks)
    if leads and told is not None:
        from recsys_nn.tracking import EpochTracking

        callbacks.append(EpochTracking(told))
    trainer = Trainer(
        job.config, callbacks=callbacks, progress=job.progress, checkpoints=job.checkpoints, workers=workers
    )
    diverged = None
    try:
        run = trainer.fit(model, job.train, job.validation)
    except TrainingError as error:
        if error.run is None:
            raise
        run, diverged = error.run, str(error)
    return _Trained(model.get_weights(), run.history, run.record, diverged) if leads else None


def _raise_what_is_wrong(place: Path) -> None:
    for file in sorted(place.glob(_ERRORS)):
        raise as_raised(json.loads(file.read_bytes()))
