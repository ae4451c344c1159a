"""One trial of a search, carried out in any process: an ordinary run, ended early where it is a bad one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import keras
import optuna

from recsys_nn.config import RunConfig
from recsys_nn.data.splits import Split, kfold
from recsys_nn.errors import RecsysError, TrainingError
from recsys_nn.experiment import run_on_split
from recsys_nn.experiment_result import ExperimentResult

STUDY = "search"
State = Literal["complete", "pruned", "diverged", "failed"]


@dataclass(frozen=True)
class Outcome:
    """How a trial ended.

    Attributes:
        number: of the trial.
        state: ``"complete"``; ``"pruned"``, ended early since it was worse than others; ``"diverged"``, with a loss
            that is no number; ``"failed"``, where a config cannot be carried out, for whatever reason.
        score: RMSE of the held-out ratings, of folds the mean over them; infinite where it diverged.
        best_epoch: of the training, of folds of the first.
        epochs: that were carried out, over all folds.
        seconds: that it took.
        message: of the error, where there was one.
    """

    number: int
    state: State
    score: float
    best_epoch: int = 0
    epochs: int = 0
    seconds: float = 0.0
    message: str = ""


@dataclass(frozen=True)
class Trial:
    """A trial that can be carried out anywhere where its study can be opened.

    Attributes:
        number: of the trial in its study.
        id: of the trial in the study's storage.
        storage: the URL of Optuna's storage.
        config: the run.
        pruner: judges at the end of each epoch; None lets every trial come to its end.
    """

    number: int
    id: int
    storage: str
    config: RunConfig
    pruner: optuna.pruners.BasePruner | None

    def carried_out(self, split: Split, folds: int | None) -> Outcome:
        """The run on a split, or the runs on ``folds`` folds of its training part, and how that ended.

        It is pruned on the split, or in the first fold. Whatever goes wrong in it is told, and the search goes on.
        """
        try:
            return self._scored(split, folds)
        except TrainingError as error:
            return Outcome(self.number, "diverged", float("inf"), message=str(error))
        except RecsysError as error:
            return Outcome(self.number, "failed", float("nan"), message=str(error))
        except Exception as error:  # whatever Keras and TensorFlow raise
            return Outcome(self.number, "failed", float("nan"), message=f"{type(error).__name__}: {error}")

    def _scored(self, split: Split, folds: int | None) -> Outcome:
        storage = opened_storage(self.storage)
        try:
            judge = _Judge(self, storage)
            if folds is None:
                return self._outcome([self._run(self.config, split, [judge])], pruned=judge.pruned)
            done: list[ExperimentResult] = []
            for number, part in enumerate(kfold(split.train, folds, seed=self.config.seed), 1):
                assert self.config.output is not None
                config = self.config.below(self.config.output, f"fold-{number}")
                done.append(self._run(config, Split(part.train, part.test), [] if done else [judge]))
                if judge.pruned:
                    break
            return self._outcome(done, pruned=judge.pruned)
        finally:
            storage.remove_session()

    def _run(self, config: RunConfig, split: Split, callbacks: list[keras.callbacks.Callback]) -> ExperimentResult:
        result = run_on_split(config, split, callbacks=callbacks)
        if result.run.stop_reason == "interrupted":
            raise KeyboardInterrupt
        return result

    def _outcome(self, done: list[ExperimentResult], *, pruned: bool) -> Outcome:
        return Outcome(
            self.number,
            "pruned" if pruned else "complete",
            _mean_score(done),
            done[0].run.best_epoch,
            sum(len(result.run.history) for result in done),
            sum(result.metrics["seconds"] for result in done),
        )


class _Judge(keras.callbacks.Callback):
    """Tells the study of the validation RMSE of each epoch and ends a training that the pruner finds bad.

    What reports none (``binary`` heads, metrics of one's own) comes to its end: other errors would not compare.
    """

    def __init__(self, trial: Trial, storage: optuna.storages.RDBStorage) -> None:
        super().__init__()
        self.pruned = False
        self._trial, self._storage = trial, storage
        self._study = optuna.load_study(study_name=STUDY, storage=storage)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        if "val_rmse" not in (logs := logs or {}):
            return
        self._storage.set_trial_intermediate_value(self._trial.id, epoch + 1, float(logs["val_rmse"]))
        if self._trial.pruner is not None:
            self.pruned = self._trial.pruner.prune(self._study, self._storage.get_trial(self._trial.id))
        if self.pruned:
            self.model.stop_training = True


def opened_storage(url: str) -> optuna.storages.RDBStorage:
    """A storage in which processes wait for each other's writing."""
    return optuna.storages.RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 60}})


def _mean_score(done: list[ExperimentResult]) -> float:
    return sum(result.metrics["validation_rmse"] for result in done) / len(done)
