"""Result of a run, in memory or from the folder where it was carried out before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_nn.config import RunConfig
from recsys_nn.data import AnySplit
from recsys_nn.evaluation import Evaluation, evaluate, rmse
from recsys_nn.prediction import MANIFEST, Predictor, check_place
from recsys_nn.runs.finished import FinishedRun
from recsys_nn.runs.unfinished import digest
from recsys_nn.training import TrainingRun


@dataclass(frozen=True, eq=False)
class Findings:
    """Findings of validation about how to train, on which a refit rests.

    Attributes:
        run: the training whose best epoch is taken; its network may be gone.
        chosen: of an ensemble, its ``temperature``.
        held_out: predictions of the held-out ratings (``prediction/held_out.py``); None where there are none.
        means: in words, what they were held out by.
        seconds: the seconds that all of it took.
    """

    run: TrainingRun
    chosen: dict[str, float]
    held_out: pd.DataFrame | None = field(repr=False)
    means: str
    seconds: float

    @property
    def metrics(self) -> dict[str, float]:
        """The RMSE of the held-out ratings, ``validation_rmse``, and what was chosen."""
        if self.held_out is None:
            return dict(self.chosen)
        return {**self.chosen, "validation_rmse": rmse(self.held_out["rating"], self.held_out["prediction"])}


@dataclass(frozen=True, eq=False)
class ExperimentResult:
    """Result of a run: its training, predictor and figures.

    Attributes:
        config: config of the run, defaults resolved.
        split: the parts that it was trained and judged on.
        run: the training of its network.
        predictor: predictor that takes raw ids.
        evaluation: errors on the test part; None where there is none.
        metrics: flat: the test part's ``rmse``, ``mae``, ``r2``, ``lift`` and baselines, the validation part's
            ``validation_rmse``, an ensemble's ``temperature``, and ``best_epoch``, ``seconds``.
        path: the run folder, where one was asked for.
        findings: what validation has found out.
        finished: the run as its folder records it, also where there is none.

    Example:
        >>> result = rn.run_experiment("run.yaml", resume=True, progress=False)  # finished before, so it is read
        >>> len(result.split.train), result.evaluation.n, result.path.name
        (192, 60, 'svd')
        >>> result.metrics["rmse"] < result.metrics["bias_rmse"]
        True
    """

    config: RunConfig
    split: AnySplit = field(repr=False)
    run: TrainingRun
    predictor: Predictor = field(repr=False)
    evaluation: Evaluation | None
    metrics: dict[str, float] = field(repr=False)
    path: Path | None
    findings: Findings = field(repr=False)
    finished: FinishedRun = field(repr=False)


def run_before(output: str, of_run: Mapping[str, Any], *, overwrite: bool) -> FinishedRun | None:
    """Loads the run in a folder, if it is this one.

    Raises:
        ArtifactError: where it is another, which is not to be replaced.
    """
    folder = Path(output).expanduser()
    if not (folder / MANIFEST).exists():
        return None
    finished = FinishedRun.load(folder)
    if finished.data.get("run") == digest(of_run):
        return finished
    check_place(folder, overwrite=overwrite)
    return None


def as_result(config: RunConfig, split: AnySplit, finished: FinishedRun) -> ExperimentResult:
    """Makes the result of a run that has been carried out before."""
    run, metrics = finished.training, finished.metrics
    assert run is not None
    chosen = {name: metrics[name] for name in ("temperature",) if name in metrics}
    findings = Findings(run, chosen, finished.held_out, by_part(split), finished.seconds)
    split = split.without_validation() if config.refit else split
    evaluation = evaluate(finished.predictor, split.test) if len(split.test) else None
    return ExperimentResult(
        config, split, run, finished.predictor, evaluation, metrics, finished.folder, findings, finished
    )


def by_part(split: AnySplit) -> str:
    return f"a validation part of {len(split.validation):,} ratings"
