"""The doctor, who finds what is wrong with a run, why, and which line to change."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_nn.advice.doctor.evidence import Evidence
from recsys_nn.advice.doctor.finding import Diagnosis
from recsys_nn.advice.doctor.pitfalls import PITFALLS
from recsys_nn.config import YAML_SUFFIXES, RunConfig, as_run_config
from recsys_nn.data import Ratings, Split
from recsys_nn.errors import ConfigError, TrainingError, must_be
from recsys_nn.models import ModelConfig
from recsys_nn.runs import Concluded, FinishedRun, load_parts
from recsys_nn.training import TrainingRun

Patient = TrainingRun | FinishedRun | Concluded | TrainingError | RunConfig | ModelConfig | str | Path


def diagnose(
    run: Patient,
    data: Split | Ratings | None = None,
    *,
    pairs: pd.DataFrame | Ratings | Iterable[tuple[Any, Any]] | None = None,
) -> Diagnosis:
    """Diagnoses a run, before it or after it: each finding has its cause, evidence and fix.

    Args:
        run: a config or its file; a run folder or what ``rn.run_experiment`` gave; a TrainingRun of any network, or the
            TrainingError of one that diverged.
        data: for a config, ratings in memory or a split of them, as in ``rn.run_experiment``.
        pairs: pairs that a finished run shall predict, as in ``Predictor.predict``, to see whether their ids are known.

    Raises:
        ConfigError: where there is nothing to be diagnosed, or data or pairs that do not belong to it.
        RecsysError: of a config or a run folder that cannot be used.

    Example:
        >>> rn.diagnose("run.yaml")  # before it: the settings, and the data that they name
        Diagnosis()
        >>> rn.diagnose(rn.BiasConfig(), ratings)  # or ratings in memory
        Diagnosis()
        >>> rn.diagnose("runs/svd", pairs=[("new", "i0")])  # after it: also the training, and what it shall predict
        Diagnosis(unknown-ids)
        >>> rn.diagnose(rn.run_experiment(rn.BiasConfig(), split, progress=False)).codes
        []
    """
    subject = _opened(run)
    planned = isinstance(subject, RunConfig)
    if data is not None and not planned:
        raise ConfigError("data must be left out, as a finished run has its own")
    if pairs is not None and not isinstance(subject, FinishedRun):
        raise ConfigError("pairs must be left out, as they need a finished run")
    if isinstance(subject, RunConfig):
        evidence = Evidence.planned(subject, load_parts(subject.data, subject.seed, data))
    elif isinstance(subject, TrainingRun):
        evidence = Evidence.of_training(subject)
    else:
        evidence = Evidence.of_run(subject)
        if pairs is not None:
            evidence = evidence.with_pairs(subject.predictor.predict(pairs))
    return Diagnosis([finding for pitfall in PITFALLS for finding in pitfall(evidence)])


def _opened(run: Patient) -> RunConfig | TrainingRun | FinishedRun:
    if isinstance(run, str | Path):
        return as_run_config(run) if str(run).endswith(YAML_SUFFIXES) else FinishedRun.load(Path(run))
    if isinstance(run, RunConfig | ModelConfig):
        return as_run_config(run)
    if isinstance(run, TrainingError) and run.run is not None:
        return run.run
    if isinstance(run, Concluded):
        return run.finished
    if isinstance(run, TrainingRun | FinishedRun):
        return run
    raise ConfigError(
        must_be(
            "run",
            "a config or its file, a run folder, a result of rn.run_experiment or Trainer.fit, or the TrainingError "
            "of a training that diverged",
            run,
        )
    )
