"""What the page of several runs tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from recsys_nn.advice.doctor import diagnose
from recsys_nn.errors import DataError
from recsys_nn.evaluation.comparison import compare_errors
from recsys_nn.evaluation.evaluate import judged
from recsys_nn.evaluation.paired import ErrorSums
from recsys_nn.finished_run import FinishedRun
from recsys_nn.prediction.held_out import BASELINES, RATING
from recsys_nn.report import charts
from recsys_nn.report.single import facts, kind_of
from recsys_nn.report.svg import Chart
from recsys_nn.selection.drawing import COLOURS, GREY
from recsys_nn.tracking.tracker import flat


def several_runs(runs: Mapping[str, FinishedRun]) -> dict[str, Any]:
    """The content of the template.

    Raises:
        DataError: where they have not kept predictions of the same test part.
    """
    tables = common_tables(runs)
    table = compared(tables)
    trained = {
        name: run.training
        for name, run in runs.items()
        if run.training is not None and run.training.stop_reason != "closed form"
    }
    found = [comparison_chart(table, next(iter(tables.values())))]
    if trained:
        found.append(charts.learning_curves(trained))
    found.append(segments_chart(runs, tables))
    return {
        "title": f"{len(runs)} runs compared",
        "rows": table.to_dict("records"),
        "n": len(next(iter(tables.values()))),
        "charts": found,
        "runs": {
            name: {"kind": kind_of(run), "facts": facts(run), "diagnosis": diagnose(run)} for name, run in runs.items()
        },
        "differences": differing(runs),
    }


def common_tables(runs: Mapping[str, FinishedRun]) -> dict[str, pd.DataFrame]:
    """What each run predicted of the test part that all share.

    Raises:
        DataError: where one kept nothing, or they are not of the same ratings.
    """
    tables = {}
    for name, run in runs.items():
        if run.judged is None:
            raise DataError(f"{name} keeps no predictions of a test part; only runs that do are compared on a page")
        tables[name] = run.judged
    first, *others = tables
    for name in others:
        if not tables[name][RATING].equals(tables[first][RATING]):
            raise DataError(
                f"the test part of {name} is not that of {first}: `recsys-nn compare --ratings` can compare them"
            )
    return tables


def compared(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """A row a run, best first, as of ``rn.compare``."""
    # Users in an order that does not depend on that of the rows, as there.
    users = pd.factorize(next(iter(tables.values()))["user"], sort=True)[0]
    errors = [(table["prediction"] - table["rating"]).to_numpy(np.float64) for table in tables.values()]
    return compare_errors(list(tables), ErrorSums.of(users, errors))[0]


def comparison_chart(table: pd.DataFrame, first: pd.DataFrame) -> Chart:
    """RMSE with intervals, best first, beside the bias baseline."""
    bias = float(np.sqrt(np.mean((first[BASELINES["bias"]] - first["rating"]) ** 2)))
    told = ", ".join(f"{row['model']} {row['rmse']:.4f}" for row in table.to_dict("records"))
    chart = Chart(
        "compared",
        "Who is best",
        f"RMSE, lower is better: {told}; the bias baseline {bias:.4f}.",
        "Lower is better. Lines are 95% intervals over users, each by itself; whether two runs differ is told by the "
        "paired differences in the table.",
    )
    with chart.drawn(xlabel="RMSE", ylabel="", height=1.3 + 0.36 * len(table)) as axes:
        places = np.arange(len(table))
        axes.hlines(places, table["rmse_low"], table["rmse_high"], colors=COLOURS[0], linewidth=2)
        axes.scatter(table["rmse"], places, c=COLOURS[0], s=36, zorder=3)
        axes.axvline(bias, color=GREY, linestyle="--", label="bias baseline")
        axes.set_yticks(places, [charts.shortened(name, 18) for name in table["model"]])
        axes.invert_yaxis()
        axes.grid(axis="y", visible=False)
        axes.margins(y=0.15)
        axes.locator_params(axis="x", nbins=5)
    return chart


def segments_chart(runs: Mapping[str, FinishedRun], tables: Mapping[str, pd.DataFrame]) -> Chart:
    """The error of each run by how often users were rated in training."""
    rows = {}
    for name, table in tables.items():
        segments = judged(table, runs[name].predictor.encoder.scale).segments
        known = segments[segments["n"] > 0]
        rows[name] = known.set_index(known["side"] + "\n" + known["ratings"])["rmse"]
    found = pd.DataFrame(rows)
    chart = Chart(
        "segments",
        "Error by segment",
        "RMSE by how often users and items were rated in training: "
        + "; ".join(
            f"{segment} ratings " + ", ".join(f"{name} {value:.3f}" for name, value in values.items())
            for segment, values in found.iterrows()
        ).replace("\n", " ")
        + ".",
        "By how often the user, or the item, of a rating was rated in training.",
    )
    with chart.drawn(xlabel="ratings in training", ylabel="RMSE") as axes:
        places, width = np.arange(len(found)), 0.8 / len(found.columns)
        for k, name in enumerate(tables):
            left = places - 0.4 + (k + 0.5) * width
            axes.bar(left, found[name], 0.94 * width, color=COLOURS[k % len(COLOURS)], label=charts.shortened(name))
        axes.set_xticks(places, found.index, fontsize=8.5)
        axes.grid(axis="x", visible=False)
    return chart


def differing(runs: Mapping[str, FinishedRun]) -> list[dict[str, Any]]:
    """The settings that are not the same in all runs: a row each, with the value of each run."""
    settings = {name: {} if run.config is None else flat(run.config.values()) for name, run in runs.items()}
    keys = dict.fromkeys(key for values in settings.values() for key in values)
    rows = [{"key": key, "values": [str(values.get(key, "–")) for values in settings.values()]} for key in keys]
    return [row for row in rows if len(set(row["values"])) > 1 and row["key"] != "output"]
