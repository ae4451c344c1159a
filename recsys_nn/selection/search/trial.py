"""Trial of a search, carried out in any process: an ordinary run, ended early where it is a bad one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from recsys_nn.config import RunConfig
from recsys_nn.data import Split, kfold
from recsys_nn.errors import RecsysError, TrainingError
from recsys_nn.experiment import run_on_split
from recsys_nn.runs import ExperimentResult
from recsys_nn.selection.search.judge import Judge

if TYPE_CHECKING:
    from recsys_nn.selection.search.pruning import Pruning

State = Literal["complete", "pruned", "diverged", "failed"]


@dataclass(frozen=True)
class Outcome:
    """Outcome of a trial: its state, score and cost.

    Attributes:
        number: number of the trial.
        state: ``"complete"``; ``"pruned"``, ended early since it was worse than others; ``"diverged"``, with a loss
            that is no number; ``"failed"``, where a config cannot be carried out, for whatever reason.
        score: RMSE of the held-out ratings, of folds the mean over them; infinite where it diverged.
        best_epoch: best epoch of the training, of folds that of the first.
        epochs: epochs that were carried out, over all folds.
        seconds: seconds that it took.
        message: message of the error, where there was one.
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
    """A trial that can be carried out anywhere.

    Attributes:
        number: number of the trial in its study.
        id: id of the trial in the study's storage.
        config: config of the run.
    """

    number: int
    id: int
    config: RunConfig

    def carried_out(self, split: Split, folds: int | None, judge: Judge) -> Outcome:
        """Carries out the run on a split, or on ``folds`` folds of its training part, and says how that ended.

        It is pruned on the split, or in the first fold. Whatever goes wrong in it is told, and the search goes on.
        """
        from recsys_nn.selection.search.pruning import Pruning

        try:
            with judge() as is_bad:
                return self._scored(split, folds, Pruning(self.id, is_bad))
        except TrainingError as error:
            return Outcome(self.number, "diverged", float("inf"), message=str(error))
        except RecsysError as error:
            return Outcome(self.number, "failed", float("nan"), message=str(error))
        except Exception as error:  # whatever Keras and TensorFlow raise
            return Outcome(self.number, "failed", float("nan"), message=f"{type(error).__name__}: {error}")

    def _scored(self, split: Split, folds: int | None, pruning: Pruning) -> Outcome:
        if folds is None:
            return self._outcome([self._run(self.config, split, [pruning])], pruned=pruning.pruned)
        done: list[ExperimentResult] = []
        for number, part in enumerate(kfold(split.train, folds, seed=self.config.seed), 1):
            assert self.config.output is not None
            config = self.config.below(self.config.output, f"fold-{number}")
            done.append(self._run(config, Split(part.train, part.test), [] if done else [pruning]))
            if pruning.pruned:
                break
        return self._outcome(done, pruned=pruning.pruned)

    def _run(self, config: RunConfig, split: Split, callbacks: list[Any]) -> ExperimentResult:
        result = run_on_split(config, split, callbacks=callbacks, overwrite=True)  # what a lost process has left
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


def _mean_score(done: list[ExperimentResult]) -> float:
    return sum(result.metrics["validation_rmse"] for result in done) / len(done)
