"""Comparison of several predictors on the same ratings: which is better, by how much, and how surely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data import Ratings
from recsys_nn.evaluation.evaluate import check_scale, evaluate
from recsys_nn.evaluation.paired import (
    ErrorSums,
    Intervals,
    Pair,
    bootstrap,
    clustered_t_test,
    holm,
    rmse_differences,
)
from recsys_nn.prediction import Predictor

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_FIGURES = ("rmse", "rmse_low", "rmse_high", "mae", "mae_low", "mae_high")
_DIFFERENCE = ["difference", "difference_low", "difference_high", "p_value"]


@dataclass(frozen=True, eq=False)
class Comparison:
    """The errors of several models on the same ratings, with 95% intervals and paired tests (``evaluation/paired.py``).

    Attributes:
        table: a row a model, best first: model, rmse, rmse_low, rmse_high, mae, mae_low, mae_high, difference (its RMSE
            minus the reference's), difference_low, difference_high, p_value (of equal mean squared errors), seconds (of
            training, where known), parameters (learnt numbers). The reference has no difference and no p-value.
        pairs: the same for every pair: model, other (the reference, or the better of the two), difference,
            difference_low, difference_high, p_value.
        reference: the model to which the table's differences are.
        baselines: RMSE of the closed-form predictors of the reference's training part, by name.
        oracle: RMSE of the best possible predictor, where the data are generated and it is known.
        n, n_users: numbers of ratings and of users.
        predictors: the models by name.

    The p-values are Holm's: in ``pairs`` corrected for the number of pairs, and so in ``table`` where the reference is
    the best, which only the errors tell; where it was named, for the number of models beside it.

    Example:
        >>> items = rn.run_experiment(rn.ItemMeanConfig(), split, progress=False).predictor
        >>> comparison = rn.compare({"svd": predictor, "item means": items}, split.test, progress=False)
        >>> comparison.reference, comparison.n, comparison.n_users
        ('svd', 60, 25)
        >>> bool(comparison.table["difference_low"][1] > 0)  # the ratings suffice to tell them apart
        True
        >>> comparison.plot().savefig("comparison.png")
    """

    table: pd.DataFrame = field(repr=False)
    pairs: pd.DataFrame = field(repr=False)
    reference: str
    baselines: dict[str, float]
    oracle: float | None
    n: int
    n_users: int
    predictors: dict[str, Predictor] = field(repr=False)

    def plot(self) -> Figure:
        """Plots RMSE and its difference to the reference with 95% intervals, best first, beside the best baseline."""
        from matplotlib import pyplot as plt

        height = 1.9 + 0.35 * len(self.table)
        figure, (left, right) = plt.subplots(1, 2, figsize=(10, height), sharey=True, layout="constrained")
        _draw_intervals(left, self.table, "rmse")
        best = min(self.baselines, key=self.baselines.__getitem__)
        left.axvline(self.baselines[best], color="0.35", linestyle="--", label=f"{best} baseline")
        if self.oracle is not None:
            left.axvline(self.oracle, color="0.35", linestyle=":", label="oracle (best possible)")
        others = self.table["model"] != self.reference
        _draw_intervals(right, self.table[others], "difference")
        right.axvline(0, color="0.35", linewidth=1)
        right.plot(0, int(np.flatnonzero(~others)[0]), "D", color="black", markersize=5, label="reference")
        left.set(xlabel="RMSE", title=f"{self.n:,} ratings of {self.n_users:,} users, 95% intervals")
        left.set_yticks(self.table.index, self.table["model"])
        left.invert_yaxis()
        right.set(xlabel=f"RMSE − RMSE of {self.reference}", title="Paired differences, 95% intervals")
        for axes in (left, right):
            axes.grid(axis="x", alpha=0.3)
            axes.margins(y=0.1)
            axes.locator_params(axis="x", nbins=6)
        figure.legend(loc="outside lower center", ncols=3, fontsize="small")
        plt.close(figure)  # a notebook shows the returned figure; left open it would show it twice
        return figure

    def _repr_html_(self) -> str:
        formats = dict.fromkeys((*_FIGURES, *_DIFFERENCE), "{:.4f}".format)
        formats |= {"p_value": "{:.2g}".format, "seconds": "{:.1f}".format, "parameters": "{:,}".format}
        return self.table.to_html(index=False, formatters=formats, na_rep="")


def compare_predictors(
    predictors: Mapping[str, Predictor],
    ratings: Ratings,
    *,
    reference: str | None = None,
    resamples: int = 2000,
    seed: int = 0,
    seconds: Mapping[str, float] | None = None,
) -> Comparison:
    """Judges two or more predictors on ratings that none of them was trained on.

    Memory: two numbers a user for each model and one for each pair; predictions are held for one model at a time.

    Args:
        predictors: two predictors or more by name.
        ratings: ratings of two users or more.
        reference: the name of the one to which differences are told; the best by default.
        resamples: number of resamples of users, for the intervals.
        seed: seed of the resamples.
        seconds: duration of each training, by name, where known.

    Raises:
        DataError: where the ratings are of fewer than two users, or their ids or scale are not those of a training.
    """
    for predictor in predictors.values():
        check_scale(ratings, predictor.encoder.scale)
    sums = _error_sums(predictors, ratings)
    table, pairs = compare_errors(list(predictors), sums, reference=reference, resamples=resamples, seed=seed)
    named = table["model"][0] if reference is None else reference
    table["seconds"] = [(seconds or {}).get(name, np.nan) for name in table["model"]]
    table["parameters"] = [_n_parameters(predictors[name]) for name in table["model"]]
    evaluation = evaluate(predictors[named], ratings)
    return Comparison(
        table=table,
        pairs=pairs,
        reference=named,
        baselines=evaluation.baselines,
        oracle=evaluation.oracle,
        n=len(ratings),
        n_users=len(sums.counts),
        predictors=dict(predictors),
    )


def compare_errors(
    models: Sequence[str], sums: ErrorSums, *, reference: str | None = None, resamples: int = 2000, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Makes ``table``, without seconds and parameters, and ``pairs`` of a :class:`Comparison`, from errors alone.

    Args:
        models: two names or more.
        sums: sums of their errors, in this order.
        reference: the name of the one to which differences are told; the best by default.
        resamples: number of resamples of users, for the intervals.
        seed: seed of the resamples.
    """
    names = np.array(models, dtype=object)
    best_first = np.argsort(sums.rmse, kind="stable")
    named = names[best_first[0]] if reference is None else reference
    pairs = [
        (worse, better) if names[worse] != named else (better, worse) for better, worse in combinations(best_first, 2)
    ]
    intervals = bootstrap(sums, pairs, resamples=resamples, seed=seed)
    tested = _tested_pairs(names, pairs, sums, intervals)
    corrected = tested.assign(p_value=holm(tested["p_value"]))
    beside = tested[tested["other"] == named]
    beside = corrected.loc[beside.index] if reference is None else beside.assign(p_value=holm(beside["p_value"]))
    figures = (sums.rmse, *intervals.rmse, sums.mae, *intervals.mae)
    table = pd.DataFrame({"model": names, **dict(zip(_FIGURES, figures, strict=True))})
    table = table.join(beside.set_index("model")[_DIFFERENCE], on="model")
    return table.iloc[best_first].reset_index(drop=True), corrected


def _error_sums(predictors: Mapping[str, Predictor], ratings: Ratings) -> ErrorSums:
    frame = ratings.frame
    users = pd.factorize(frame["user"], sort=True)[0]  # in an order that does not depend on that of the rows
    actual = frame["rating"].to_numpy()
    predicted = (predictor.predict(ratings)["prediction"].to_numpy() for predictor in predictors.values())
    return ErrorSums.of(users, (values - actual for values in predicted))


def _tested_pairs(
    names: npt.NDArray[np.object_], pairs: Sequence[Pair], sums: ErrorSums, intervals: Intervals
) -> pd.DataFrame:
    differences = sums.squared_differences(pairs)
    one, other = np.array(pairs).T
    return pd.DataFrame(
        {
            "model": names[one],
            "other": names[other],
            "difference": rmse_differences(sums.rmse, differences.sum(axis=0) / sums.counts.sum(), pairs),
            "difference_low": intervals.difference[0],
            "difference_high": intervals.difference[1],
            "p_value": clustered_t_test(differences, sums.counts),
        }
    )


def _n_parameters(predictor: Predictor) -> int:
    """Number of weights that training sets: the trainable ones, or all of a model that is solved in closed form."""
    weights = predictor.model.trainable_weights or predictor.model.weights
    return sum(int(np.prod(weight.shape)) for weight in weights)


def _draw_intervals(axes: Axes, rows: pd.DataFrame, figure: str) -> None:
    low, value, high = (rows[name] for name in (f"{figure}_low", figure, f"{figure}_high"))
    axes.hlines(rows.index, low, high, color="C0", linewidth=2)
    axes.plot(value, rows.index, "o", color="C0", markersize=6)
