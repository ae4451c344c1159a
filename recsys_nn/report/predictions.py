"""Errors of runs on a page, from the predictions that they have kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd

from recsys_nn.errors import DataError
from recsys_nn.evaluation import ErrorSums, compare_errors
from recsys_nn.prediction import BASELINES, RATING
from recsys_nn.runs import FinishedRun

MODEL = "model"


def judged_part(run: FinishedRun) -> tuple[Literal["test", "validation"], pd.DataFrame] | None:
    """Name and predictions of the part that a run is judged on: the test part where they were kept, else validation."""
    if run.judged is not None and len(run.judged):
        return "test", run.judged
    if run.held_out is not None and len(run.held_out):
        return "validation", run.held_out
    return None


def common_tables(runs: Mapping[str, FinishedRun]) -> dict[str, pd.DataFrame]:
    """Predictions of each run for the test part that all share.

    Raises:
        DataError: where one kept nothing, or they are not of the same ratings.
    """
    tables = {}
    for name, run in runs.items():
        if run.judged is None:
            raise DataError(
                f"{name} has no predictions of a test part, which a page of several runs needs: leave it out"
            )
        tables[name] = run.judged
    first, *others = tables
    for name in others:
        if not tables[name][RATING].equals(tables[first][RATING]):
            raise DataError(
                f"the test parts of {name} and {first} differ: compare them with `recsys-nn compare --ratings`"
            )
    return tables


def beside_baselines(table: pd.DataFrame) -> pd.DataFrame:
    """Compares the model with its baselines on a kept table, best first, as ``rn.compare`` does with models.

    Differences are to the model. Of a single user there are errors only.
    """
    predictions = {MODEL: table["prediction"], **{str(name): table[column] for name, column in BASELINES.items()}}
    if table["user"].nunique() > 1:
        return compared(table, predictions, reference=MODEL)
    rmse = [np.sqrt(np.mean((predicted - table["rating"]) ** 2)) for predicted in predictions.values()]
    found = pd.DataFrame({"model": list(predictions), "rmse": rmse})
    unknown = ("rmse_low", "rmse_high", "difference", "difference_low", "difference_high", "p_value")
    return found.assign(**dict.fromkeys(unknown, np.nan)).sort_values("rmse", kind="stable", ignore_index=True)


def compared(
    table: pd.DataFrame, predictions: Mapping[str, pd.Series], *, reference: str | None = None
) -> pd.DataFrame:
    """Compares predictions of a table's ratings, a row for each, best first, as ``rn.compare`` does."""
    # Users in an order that does not depend on that of the rows, as there.
    users = pd.factorize(table["user"], sort=True)[0]
    errors = [(predicted - table["rating"]).to_numpy(np.float64) for predicted in predictions.values()]
    return compare_errors(list(predictions), ErrorSums.of(users, errors), reference=reference)[0]
