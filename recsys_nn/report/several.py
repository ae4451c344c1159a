"""Content of the page of several runs."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle, product
from typing import Any

import numpy as np
import pandas as pd

from recsys_nn.advice import diagnose
from recsys_nn.evaluation import judged
from recsys_nn.plots import COLOURS, GREY, PURPLE
from recsys_nn.prediction import BASELINES
from recsys_nn.report import charts
from recsys_nn.report.formatting import decimals
from recsys_nn.report.predictions import common_tables, compared
from recsys_nn.report.single import facts, iterated, kind_of
from recsys_nn.report.svg import HEIGHT, Chart
from recsys_nn.runs import FinishedRun
from recsys_nn.tracking import flat
from recsys_nn.training import TrainingRun

LOOKS = (("-", ""), ("--", "///"), (":", "..."))
"""Styles of lines and hatches, used one after the other with all colours."""
Look = tuple[tuple[str, str], str]


def several_runs(runs: Mapping[str, FinishedRun]) -> dict[str, Any]:
    """Content of the template for several runs.

    Raises:
        DataError: where they have not kept predictions of the same test part.
    """
    tables = common_tables(runs)
    first = next(iter(tables.values()))
    table = compared(first, {name: kept["prediction"] for name, kept in tables.items()})
    trained = {name: training for name, run in runs.items() if (training := iterated(run)) is not None}
    looks = dict(zip(runs, cycle(product(LOOKS, (*COLOURS, PURPLE, "black"))), strict=False))
    found = [comparison_chart(table, first)]
    if trained:
        found.append(learning_curves(trained, looks))
    found.append(segments_chart(runs, tables, looks))
    return {
        "title": f"{len(runs)} runs compared",
        "rows": table.to_dict("records"),
        "n": len(first),
        "digits": decimals(next(iter(runs.values())).predictor.encoder.scale),
        "charts": found,
        "runs": {
            name: {"kind": kind_of(run), "facts": facts(run), "diagnosis": diagnose(run)} for name, run in runs.items()
        },
        "differences": differing(runs),
    }


def comparison_chart(table: pd.DataFrame, first: pd.DataFrame) -> Chart:
    """Draws the RMSE of each run with intervals, best first, beside the bias baseline."""
    bias = float(np.sqrt(np.mean((first[BASELINES["bias"]] - first["rating"]) ** 2)))
    told = ", ".join(f"{row['model']} {row['rmse']:.4g}" for row in table.to_dict("records"))
    chart = Chart(
        "compared",
        "Errors",
        f"RMSE, lower is better: {told}; the bias baseline {bias:.4g}.",
        "Lower is better. Lines are 95% intervals over users, each by itself; whether two runs differ is told by the "
        "paired differences in the table.",
    )
    with chart.drawn(xlabel="RMSE", ylabel="", height=1.3 + 0.36 * len(table)) as axes:
        charts.draw_errors(axes, table, [COLOURS[0]] * len(table))
        axes.axvline(bias, color=GREY, linestyle="--", label="bias baseline")
    return chart


def learning_curves(trained: Mapping[str, TrainingRun], looks: Mapping[str, Look]) -> Chart:
    """Draws the validation loss of each run by epoch, or the training loss of one that has no other."""
    told = ", ".join(f"{name} epoch {run.best_epoch:,} of {len(run.history):,}" for name, run in trained.items())
    chart = Chart(
        "curves",
        "Learning curves",
        f"Best epochs: {told}.",
        "The validation loss by epoch; dots are the best epochs.",
    )
    losses = " or ".join(sorted({run.loss for run in trained.values()}))
    with chart.drawn(xlabel="epoch", ylabel=f"loss ({losses})", height=_height(trained)) as axes:
        for name, run in trained.items():
            (style, _), color = looks[name]
            column = "val_loss" if "val_loss" in run.history else "loss"
            curve = run.history.set_index("epoch")[column]
            axes.plot(curve.index, curve, style, color=color, label=charts.shortened(name))
            axes.plot(run.best_epoch, curve[run.best_epoch], "o", color=color)
        axes.locator_params(axis="x", integer=True, nbins=6)
    return chart


def segments_chart(
    runs: Mapping[str, FinishedRun], tables: Mapping[str, pd.DataFrame], looks: Mapping[str, Look]
) -> Chart:
    """Draws the error of each run by how often users and items were rated in training."""
    found = pd.DataFrame(
        {
            name: charts.by_segment(judged(table, runs[name].predictor.encoder.scale).segments)["rmse"]
            for name, table in tables.items()
        }
    ).dropna(how="all")
    chart = Chart(
        "segments",
        "Error by segment",
        "RMSE by how often users and items were rated in training: "
        + "; ".join(
            f"{segment} ratings " + ", ".join(f"{name} {value:.4g}" for name, value in values.dropna().items())
            for segment, values in found.iterrows()
        ).replace("\n", " ")
        + ".",
        "By how often the user, or the item, of a rating was rated in training.",
    )
    with chart.drawn(xlabel="ratings in training", ylabel="RMSE", height=_height(tables)) as axes:
        charts.draw_bars(axes, found, [{"color": color, "hatch": hatch} for (_, hatch), color in looks.values()])
    return chart


def differing(runs: Mapping[str, FinishedRun]) -> list[dict[str, Any]]:
    """The settings that are not the same in all runs: a row each, with the value of each run."""
    settings = {name: {} if run.config is None else flat(run.config.values()) for name, run in runs.items()}
    keys = dict.fromkeys(key for values in settings.values() for key in values)
    rows = [{"key": key, "values": [_told(values.get(key, "–")) for values in settings.values()]} for key in keys]
    return [row for row in rows if len(set(row["values"])) > 1 and row["key"] != "output"]


def _told(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _height(runs: Mapping[str, Any]) -> float:
    """Height of a chart with a legend of two columns, in inches."""
    return HEIGHT + 0.18 * (len(runs) // 2)
