"""Training of the network of a run on the parts of a split, and what may follow: the average over its posterior."""

from __future__ import annotations

import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from rich.console import Console

from recsys_nn.cluster import fit_on_workers
from recsys_nn.config import ClusterConfig, RunConfig
from recsys_nn.data import AnySplit, Ratings
from recsys_nn.encoding import Encoder
from recsys_nn.evaluation import rmse_of
from recsys_nn.posterior import tempered
from recsys_nn.prediction import Predictor
from recsys_nn.runs import encoded
from recsys_nn.tracking import Tell
from recsys_nn.training import TrainConfig, Trainer, TrainingRun

if TYPE_CHECKING:
    import keras


def train_on_split(
    model: keras.Model,
    encoder: Encoder,
    split: AnySplit,
    training: TrainConfig,
    *,
    callbacks: Sequence[Any] = (),
    tell: Tell | None = None,
    cluster: ClusterConfig | None = None,
    checkpoints: Path | None = None,
    progress: bool,
) -> TrainingRun:
    """Trains ``model`` in place; the split has the last word on what is held out, the Trainer adds nothing to it.

    Args:
        model: a model built by :func:`build_model`.
        encoder: encoder of its ids.
        split: the parts; the test part is not looked at.
        training: settings of the training.
        callbacks: Keras callbacks beside those that the settings name.
        tell: function that is told of each epoch at its end: its number, and its figures.
        cluster: cluster whose workers train it, where there is something to train; without, this process does.
        checkpoints: a folder for the states of the training.
        progress: whether to print a line an epoch.
    """
    alone = training.model_copy(update={"validation": 0.0})
    train = encoded(encoder, split.train, checkpoints)
    validation = encoder.encode(split.validation) if len(split.validation) else None
    if cluster is not None and model.trainable_weights:
        return fit_on_workers(
            *(cluster, model, encoder, alone, train, validation),
            callbacks=callbacks,
            tell=tell,
            checkpoints=checkpoints,
            progress=progress,
        )
    if tell is not None:
        from recsys_nn.tracking import EpochTracking

        callbacks = [*callbacks, EpochTracking(tell)]
    if progress:
        from recsys_nn.cluster import ClusterHint

        callbacks = [*callbacks, ClusterHint(training.batch_size, Console())]
    trainer = Trainer(alone, callbacks=callbacks, progress=progress, checkpoints=checkpoints)
    return trainer.fit(model, train, validation)


def rates_of(run: TrainingRun) -> list[keras.callbacks.Callback]:
    """The callback that sets the learning rates of a run whose callbacks changed and logged them."""
    if "learning_rate" not in run.history:
        return []
    from recsys_nn.training import RecordedRates

    return [RecordedRates(run.history["learning_rate"].tolist())]


def averaged(
    config: RunConfig,
    run: TrainingRun,
    encoder: Encoder,
    split: AnySplit,
    chosen: Mapping[str, float] = MappingProxyType({}),
    *,
    checkpoints: Path | None,
    progress: bool,
) -> tuple[TrainingRun, Predictor, dict[str, float]]:
    """Makes the predictor of a trained network or, for an ensemble, of the average over samples of its posterior.

    Beside it the run, and the temperature that was ``chosen`` before or is now, on the validation part.
    """
    model = run.model
    if config.ensemble is not None:
        ensemble = config.ensemble.model_copy(update=chosen)
        validation = encoder.encode(split.validation) if len(split.validation) else None
        began = time.perf_counter()
        train = encoded(encoder, split.train, checkpoints)
        temperature, model = tempered(run, train, ensemble, validation, progress=progress, checkpoints=checkpoints)
        chosen = {"temperature": temperature}
        run = replace(run, seconds=run.seconds + time.perf_counter() - began)
    return run, Predictor(model, encoder, config=config.model), dict(chosen)


def check_ensemble(run: TrainingRun, average: Predictor, validation: Ratings, rmse_of_average: float) -> None:
    """Warns where the network alone is better: stopped early, it can be so in spite of too weak a penalty."""
    alone = rmse_of(Predictor(run.model, average.encoder), validation)
    if alone < rmse_of_average:
        warnings.warn(
            f"ensemble: on validation the average (RMSE {rmse_of_average:.4f}) is worse than the network alone "
            f"({alone:.4f}): raise ensemble.samples or ensemble.burn_in, or set penalties that are 0 to null, such as "
            "model.bias_l2",
            stacklevel=3,
        )
