"""The charts of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from recsys_nn.encoding import kept_counts
from recsys_nn.evaluation import Evaluation, coverage
from recsys_nn.plots import BLUE, GREY, ORANGE, SKY, VERMILLION
from recsys_nn.prediction import Calibration
from recsys_nn.report.formatting import signed
from recsys_nn.report.predictions import MODEL
from recsys_nn.report.svg import Chart
from recsys_nn.training import TrainingRun

if TYPE_CHECKING:
    from matplotlib.axes import Axes

LEVELS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
MAX_LEVELS = 12
"""Distinct ratings up to which each has a box of its own."""
BINS = 10
SMALL = 9
"""Size of the least text, in points."""


def baselines_chart(errors: pd.DataFrame) -> Chart:
    """Draws the RMSE of the model and of the baselines (``beside_baselines``)."""
    told = ", ".join(f"{row.model} {row.rmse:.4g}" for row in errors.itertuples())
    chart = Chart(
        "baselines",
        "Against the baselines",
        f"RMSE, lower is better: {told}.",
        "Lower is better. Lines are 95% intervals: how far the errors might move with other users of the same sort.",
    )
    with chart.drawn(xlabel="RMSE", ylabel="", height=0.9 + 0.36 * len(errors)) as axes:
        draw_errors(axes, errors, [BLUE if name == MODEL else GREY for name in errors["model"]])
    return chart


def learning_curves(training: TrainingRun) -> Chart:
    """Draws training and validation loss by epoch."""
    history, best, n = training.history, training.best_epoch, len(training.history)
    lines = {"training": ("loss", BLUE, "-"), "validation": ("val_loss", VERMILLION, "--")}
    known = {name: line for name, line in lines.items() if line[0] in history}
    told = "; ".join(
        f"{name} loss {history[column].iloc[0]:.4g} to {history[column].iloc[-1]:.4g}"
        for name, (column, _, _) in known.items()
    )
    chart = Chart(
        "curves",
        "Learning curves",
        f"{told}, in {n:,} epochs, of which {best:,} is the best.",
        f"The loss falls while the network learns; where validation turns up, it learns by heart. Epoch {best:,} of "
        f"{n:,} was the best.",
    )
    with chart.drawn(xlabel="epoch", ylabel=f"loss ({training.loss})") as axes:
        for name, (column, color, style) in known.items():
            axes.plot(history["epoch"], history[column], style, color=color, label=name)
        axes.axvline(best, color="0.3", linestyle=":", label=f"best epoch ({best})")
        axes.locator_params(axis="x", integer=True, nbins=6)
    return chart


def predicted_chart(table: pd.DataFrame) -> Chart:
    """Draws boxes of the predictions for each rating that was given."""
    rating, predicted = table["rating"].to_numpy(), table["prediction"].to_numpy()
    levels = np.unique(rating)
    groups = levels if len(levels) <= MAX_LEVELS else None
    if groups is None:
        edges = np.linspace(rating.min(), rating.max(), BINS + 1)
        place = np.clip(np.digitize(rating, edges) - 1, 0, BINS - 1)
        groups = (edges[:-1] + edges[1:]) / 2
    else:
        place = np.searchsorted(groups, rating)
    rows = [
        (groups[k], *np.quantile(predicted[place == k], (0.05, 0.25, 0.5, 0.75, 0.95)))
        for k in range(len(groups))
        if (place == k).any()
    ]
    at, low, first, median, third, high = np.array(rows).T
    width = 0.6 * (np.diff(at).min() if len(at) > 1 else 1.0)
    told = ", ".join(f"{m:.2f} where it was {r:g}" for r, m in zip(at, median, strict=True))
    chart = Chart(
        "predicted",
        "Predicted against true",
        f"Median prediction by true rating: {told}.",
        "Boxes hold half of the predictions, lines nine tenths. On the dotted line a prediction is right: predictions "
        "stay nearer to the middle, the more so the less the ratings say.",
    )
    with chart.drawn(xlabel="true rating", ylabel="prediction") as axes:
        axes.axline((at[0], at[0]), slope=1, color="0.35", linestyle=":", linewidth=1)
        axes.vlines(at, low, high, color=BLUE, linewidth=1.2)
        axes.bar(at, third - first, width, bottom=first, color=SKY, edgecolor=BLUE, linewidth=1)
        axes.hlines(median, at - width / 2, at + width / 2, color=VERMILLION, linewidth=2)
        axes.locator_params(axis="x", nbins=6)
    return chart


def residuals_chart(table: pd.DataFrame) -> Chart:
    """Draws a histogram of the differences between ratings and their predictions."""
    left = (table["rating"] - table["prediction"]).to_numpy()
    low, high = np.quantile(left, (0.05, 0.95))
    chart = Chart(
        "residuals",
        "Residuals",
        f"Rating minus prediction: mean {left.mean():.3f}, standard deviation {left.std():.3f}, nine tenths between "
        f"{low:.2f} and {high:.2f}.",
        f"Nine in ten ratings less their prediction lie between {signed(low, 2)} and {signed(high, 2)}. A sound model "
        "errs around 0.",
    )
    with chart.drawn(xlabel="rating − prediction", ylabel="ratings") as axes:
        axes.hist(left, bins=40, color=SKY, edgecolor="white", linewidth=0.4)
        axes.axvline(0, color="0.35", linestyle=":", linewidth=1)
        axes.axvline(left.mean(), color=VERMILLION, linewidth=1.5, label=f"mean {signed(left.mean(), 3)}")
        axes.yaxis.set_major_formatter("{x:,.0f}")
        axes.locator_params(axis="y", nbins=5)
    return chart


def bias_chart(table: pd.DataFrame) -> Chart:
    """Draws the mean rating by tenth of the predictions, which shows whether they are right on average."""
    tenths = pd.qcut(table["prediction"], BINS, duplicates="drop")
    grouped = table.groupby(tenths, observed=True)
    rows = pd.DataFrame(
        {
            "predicted": grouped["prediction"].mean(),
            "rated": grouped["rating"].mean(),
            "error": 1.96 * grouped["rating"].std() / np.sqrt(grouped["rating"].size()),
        }
    )
    told = ", ".join(f"{row.rated:.2f} where {row.predicted:.2f} was predicted" for row in rows.itertuples())
    chart = Chart(
        "bias",
        "Right on average?",
        f"Mean rating by tenth of the predictions: {told}.",
        "The mean rating of each tenth of the predictions, with 95% intervals. On the dotted line predictions are "
        "right on average, high ones as well as low ones.",
    )
    with chart.drawn(xlabel="mean prediction", ylabel="mean rating") as axes:
        axes.axline((rows["predicted"].mean(),) * 2, slope=1, color="0.35", linestyle=":", linewidth=1)
        axes.errorbar(rows["predicted"], rows["rated"], rows["error"].fillna(0), fmt="o", color=BLUE, markersize=4)
        axes.locator_params(axis="x", nbins=4)
    return chart


def coverage_chart(table: pd.DataFrame, calibration: Calibration, scale: tuple[float, float]) -> Chart:
    """Draws the share of ratings in intervals of several levels."""
    counts = kept_counts(table)
    found = [
        coverage(table["rating"], *calibration.bounds(table["prediction"], table["std"], counts, scale, level))
        for level in LEVELS
    ]
    told = ", ".join(f"{share:.1%} for {level:.0%}" for level, share in zip(LEVELS, found, strict=True))
    chart = Chart(
        "coverage",
        "Calibration of intervals",
        f"Share of ratings that lie in their intervals: {told}.",
        f"Intervals that promise to hold 90% of the ratings hold {found[LEVELS.index(0.9)]:.1%}. On the dotted line "
        "promises are kept; above it intervals are wider than need be.",
    )
    with chart.drawn(xlabel="promised", ylabel="found") as axes:
        axes.axline((0.5, 0.5), slope=1, color="0.35", linestyle=":", linewidth=1)
        axes.plot(LEVELS, found, "o-", color=BLUE, markersize=5)
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(lambda share, _: f"{share:.0%}")
    return chart


def segments_chart(evaluation: Evaluation) -> Chart:
    """Draws the error by how often users and items were rated in training."""
    rows = evaluation.segments[evaluation.segments["n"] > 0]
    told = ", ".join(f"{row.side}s with {row.ratings} ratings {row.rmse:.4g}" for row in rows.itertuples())
    chart = Chart(
        "segments",
        "Error by segment",
        f"RMSE by how often they were rated in training: {told}.",
        "By how often the user, or the item, of a rating was rated in training. The model should gain most where much "
        "is known, and lose nothing where little is.",
    )
    with chart.drawn(xlabel="ratings in training", ylabel="RMSE") as axes:
        found = by_segment(rows)[["rmse", "bias"]].set_axis(["model", "bias baseline"], axis=1)
        draw_bars(axes, found, [{"color": BLUE}, {"color": ORANGE, "hatch": "//"}])
    return chart


def draw_errors(axes: Axes, errors: pd.DataFrame, colors: Sequence[str]) -> None:
    """Draws the RMSE of models with their intervals, from the top, of a table as ``rn.compare`` makes it."""
    places = np.arange(len(errors))
    axes.hlines(places, errors["rmse_low"], errors["rmse_high"], colors=colors, linewidth=2)
    axes.scatter(errors["rmse"], places, c=colors, s=36, zorder=3)
    axes.set_yticks(places, [shortened(name, 18) for name in errors["model"]])
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.margins(y=0.15)
    axes.locator_params(axis="x", nbins=5)


def by_segment(segments: pd.DataFrame) -> pd.DataFrame:
    """Labels an evaluation's segments, as the table's index."""
    return segments.set_index(segments["side"] + "\n" + segments["ratings"])


def draw_bars(axes: Axes, table: pd.DataFrame, looks: Sequence[Mapping[str, Any]]) -> None:
    """Draws a group of bars for each row, in which each column has its look."""
    places, width = np.arange(len(table)), 0.8 / len(table.columns)
    for k, (name, look) in enumerate(zip(table.columns, looks, strict=True)):
        left = places - 0.4 + (k + 0.5) * width
        axes.bar(left, table[name], 0.94 * width, edgecolor="white", linewidth=0, label=shortened(name), **look)
    axes.set_xticks(places, table.index, fontsize=SMALL)
    axes.grid(axis="x", visible=False)


def shortened(name: str, most: int = 28) -> str:
    """Shortens a name for a legend."""
    return name if len(name) <= most else f"{name[: most // 2]}…{name[1 - most // 2 :]}"
