"""Cross-validation, and the training on all rows that it is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import cycle
from pathlib import Path
from statistics import median_low
from typing import TYPE_CHECKING, Any

import pandas as pd

from recsys_nn.config import RandomSplitConfig, RunConfig, as_run_config
from recsys_nn.data import Ratings, Split, kfold
from recsys_nn.errors import ConfigError, must_be
from recsys_nn.evaluation import mae, rmse
from recsys_nn.experiment import refit_on_split, run_on_split
from recsys_nn.models import ModelConfig
from recsys_nn.plots import COLOURS, GREY, new_figure
from recsys_nn.prediction import check_place
from recsys_nn.runs import ExperimentResult, Findings, load_split
from recsys_nn.selection.processes import in_order
from recsys_nn.tracking import tracked

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TABLE = "cross_validation.csv"


@dataclass(frozen=True, eq=False)
class Fold:
    """A training on all folds but one, judged on that one.

    Attributes:
        number: number of the fold, from 1.
        training: the number of ratings that it was trained on.
        findings: findings of the held-out fold; the network is gone.
    """

    number: int
    training: int
    findings: Findings = field(repr=False)

    @property
    def row(self) -> dict[str, Any]:
        """The fold's row of :attr:`CrossValidation.table`."""
        run, held_out = self.findings.run, self.findings.held_out
        assert held_out is not None
        judged = held_out["rating"], held_out["prediction"]
        return {
            "fold": self.number,
            "training": self.training,
            "validation": len(held_out),
            "rmse": rmse(*judged),
            "mae": mae(*judged),
            "best_epoch": run.best_epoch,
            "epochs": len(run.history),
            "stop_reason": run.stop_reason,
            "seconds": self.findings.seconds,
        }


@dataclass(frozen=True, eq=False)
class CrossValidation:
    """Result of a cross-validation, fold by fold.

    Attributes:
        config: config of the run.
        split: what was cut into folds, as its training part, and the test part, on which nothing was judged.
        folds: the folds in their order.

    Example:
        >>> result = rn.cross_validate(rn.ItemMeanConfig(), ratings, folds=3, progress=False)
        >>> result.table[["fold", "training", "validation"]]
           fold  training  validation
        0     1       200         100
        1     2       200         100
        2     3       200         100
        >>> result.plot().savefig("folds.png")
    """

    config: RunConfig
    split: Split = field(repr=False)
    folds: tuple[Fold, ...]

    @property
    def table(self) -> pd.DataFrame:
        """Table with a row for each fold.

        Its columns are fold, training and validation (numbers of ratings), rmse, mae, best_epoch, epochs, stop_reason,
        seconds.
        """
        return pd.DataFrame([fold.row for fold in self.folds])

    @property
    def epochs(self) -> int:
        """Number of epochs of a refit: the median of the folds' best epochs, the lower of the middle two."""
        return self._median.findings.run.best_epoch

    @property
    def metrics(self) -> dict[str, float]:
        """The means of ``rmse`` and ``mae`` over the folds, their standard deviations (``_std``), and ``epochs``."""
        errors = self.table[["rmse", "mae"]]
        figures = pd.concat([errors.mean(), errors.std(ddof=1).add_suffix("_std")])
        return {**dict(zip(figures.index, figures.tolist(), strict=True)), "epochs": float(self.epochs)}

    @property
    def findings(self) -> Findings:
        """Findings that a refit rests on.

        They are the training of the fold whose best epoch is the median, the median temperature of an ensemble, and the
        predictions of each fold without it.
        """
        all_of = [fold.findings for fold in self.folds]
        temperatures = [found.chosen["temperature"] for found in all_of if found.chosen]
        return Findings(
            run=self._median.findings.run,
            chosen={"temperature": median_low(temperatures)} if temperatures else {},
            held_out=pd.concat([found.held_out for found in all_of], ignore_index=True),
            means=f"{len(self.folds)} folds",
            seconds=sum(found.seconds for found in all_of),
        )

    @property
    def _median(self) -> Fold:
        best = [fold.findings.run.best_epoch for fold in self.folds]
        return self.folds[best.index(median_low(best))]

    def plot(self) -> Figure:
        """Plots the validation loss of each fold by epoch, their best epochs and the median of these."""
        from matplotlib.ticker import MaxNLocator

        error, loss = self.metrics, self._median.findings.run.loss
        title = f"{len(self.folds)} folds: RMSE {error['rmse']:.4f} ± {error['rmse_std']:.4f}"
        with new_figure(title, "epoch", f"validation loss ({loss})") as (figure, axes):
            for fold, colour in zip(self.folds, cycle(COLOURS)):
                run = fold.findings.run
                epochs, losses = run.history["epoch"], run.history["val_loss"]
                axes.plot(epochs, losses, linewidth=1, color=colour, label=f"fold {fold.number}")
                axes.plot(run.best_epoch, losses[run.best_epoch - 1], "o", color=colour)
            axes.axvline(self.epochs, color=GREY, linestyle="--", label=f"epochs of a refit ({self.epochs})")
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
            axes.grid(alpha=0.3)
        return figure

    def _repr_html_(self) -> str:
        error = self.metrics
        caption = f"RMSE {error['rmse']:.4f} ± {error['rmse_std']:.4f}; {self.epochs} epochs for a refit"
        return self.table.style.format(precision=4).hide(axis="index").set_caption(caption).to_html()


def cross_validate(
    config: RunConfig | ModelConfig | str | Path | Mapping[str, Any],
    data: Ratings | Split | None = None,
    *,
    folds: int = 5,
    overrides: Sequence[str] = (),
    workers: int = 1,
    progress: bool = True,
) -> CrossValidation:
    """Trains a model once for each of ``folds`` parts of the ratings, on all other parts, and judges it on that one.

    The ratings are cut at random. The fold that is left out also stops its training early, as a validation part does.

    Args:
        config: a RunConfig, a mapping, the path of a YAML file, or a model's config with defaults for all else.
        data: ratings in memory, all of which are cut into folds; or a split, whose test part is left alone and whose
            other parts are. Without them, those that the config names, in the same way.
        folds: number of the folds.
        overrides: ``"training.epochs=5"`` and the like, for a mapping or a file.
        workers: the processes that folds are trained in.
        progress: whether to print a line a fold.

    Raises:
        DataError: where there are fewer ratings than folds.
        RecsysError: as :func:`run_experiment` does.

    Example:
        >>> config = {"model": {"kind": "svd"}, "training": {"epochs": 2}}
        >>> result = rn.cross_validate(config, ratings, folds=2, progress=False)
        >>> sorted(result.metrics)  # mean and spread over the folds, and the epochs to train for
        ['epochs', 'mae', 'mae_std', 'rmse', 'rmse_std']
        >>> predictor = rn.refit(result, progress=False).predictor  # trained on all ratings
    """
    config = as_run_config(config, overrides=overrides)
    of_data = config.data
    if isinstance(data, Ratings):
        of_data = of_data.model_copy(update={"split": RandomSplitConfig(validation=0.0, test=0.0)})
    split = load_split(of_data, config.seed, data).without_validation()
    return cross_validated(config, split, folds=folds, workers=workers, progress=progress)


def cross_validated(
    config: RunConfig, split: Split, *, folds: int, workers: int = 1, progress: bool = False
) -> CrossValidation:
    """Cross-validates a config on the training part of a split."""
    parts = enumerate(kfold(split.train, folds, seed=config.seed), 1)
    done = in_order(partial(_fold, config), parts, told=partial(_told, folds), workers=workers, progress=progress)
    return CrossValidation(config, split, tuple(done))


def refit(
    result: CrossValidation, *, output: str | Path | None = None, overwrite: bool = False, progress: bool = True
) -> ExperimentResult:
    """Trains the model of a cross-validation on all rows, for the number of epochs that the folds have found.

    Nothing is held out for validation, and the run folder says so. Intervals are calibrated on what each fold was
    predicted without it. Where there is a test part, it is judged on.

    Args:
        result: result of the cross-validation.
        output: the run folder to write; the config's own by default.
        overwrite: whether a run that already stands there is replaced.
        progress: whether to print a line an epoch.

    Raises:
        RecsysError: as :func:`run_experiment` does.

    Example:
        >>> result = rn.cross_validate(rn.BiasConfig(), split, folds=2, progress=False)  # leaves the test part alone
        >>> final = rn.refit(result, output="runs/final", progress=False)
        >>> len(final.split.train), final.evaluation.n
        (240, 60)
    """
    if not isinstance(result, CrossValidation):
        raise ConfigError(must_be("result", "a CrossValidation, which rn.cross_validate returns", result))
    place = result.config.output if output is None else str(output)
    if place is not None:
        check_place(place, overwrite=overwrite)
    config = result.config.model_copy(update={"output": place, "refit": True})
    documents = {TABLE: result.table.to_csv(index=False, lineterminator="\n")}
    with tracked(config, result.split) as tracking:
        refitted = refit_on_split(
            config, result.split, result.findings, documents=documents, overwrite=overwrite, progress=progress
        )
        tracking.conclude(refitted.run, refitted.metrics, refitted.path)
    return refitted


def _fold(config: RunConfig, numbered: tuple[int, Split]) -> Fold:
    """Trains on all folds but one, in any process: what comes back has no network."""
    number, part = numbered
    alone = config.model_copy(update={"output": None, "tracking": None, "refit": False})
    split = Split(part.train, validation=part.test)
    findings = run_on_split(alone, split).findings
    if findings.run.stop_reason == "interrupted":
        raise KeyboardInterrupt
    return Fold(number, len(split.train), replace(findings, run=replace(findings.run, model=None)))


def _told(folds: int, _: tuple[int, Split], fold: Fold) -> str:
    row = fold.row
    return (
        f"fold {fold.number} of {folds}: RMSE {row['rmse']:.4f}, best epoch {row['best_epoch']} of {row['epochs']}, "
        f"{row['seconds']:.1f} s"
    )
