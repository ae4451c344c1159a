"""What the page of one run tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from recsys_nn.advice.doctor import diagnose
from recsys_nn.evaluation.evaluate import judged
from recsys_nn.evaluation.paired import ErrorSums, bootstrap
from recsys_nn.finished_run import FinishedRun
from recsys_nn.prediction.held_out import BASELINES
from recsys_nn.report import charts
from recsys_nn.report.item_map import ItemMap
from recsys_nn.report.svg import Chart

RESAMPLES = 1000


def single_run(name: str, run: FinishedRun) -> dict[str, Any]:
    """The content of the template."""
    part, table = judged_part(run)
    calibration, scale = run.predictor.calibration, run.predictor.encoder.scale
    evaluation = None if table is None else judged(table, scale, calibration)
    errors = None if table is None else with_intervals(table)
    training = run.training if run.training is not None and run.training.stop_reason != "closed form" else None
    found: list[Chart] = []
    if table is not None and evaluation is not None and errors is not None:
        found.append(charts.baselines_chart(errors))
    if training is not None:
        found.append(charts.learning_curves({name: training}))
    if table is not None and evaluation is not None:
        found += [charts.predicted_chart(table), charts.residuals_chart(table), charts.bias_chart(table)]
        if calibration is not None and part == "test":
            found.append(charts.coverage_chart(table, calibration, scale))
        found.append(charts.segments_chart(evaluation))
    return {
        "title": f"{name}: {kind_of(run)}",
        "name": name,
        "kind": kind_of(run),
        "part": part,
        "evaluation": evaluation,
        "errors": None if errors is None else errors.to_dict("records"),
        "charts": found,
        "missing": list(_missing(run, part, training is None)),
        "diagnosis": diagnose(run),
        "items": ItemMap.of(run),
        "training": training,
        "facts": facts(run),
        "parts": parts(run),
        "config": None if run.config is None else run.config.to_yaml(),
        "versions": run.versions,
    }


def judged_part(run: FinishedRun) -> tuple[str | None, pd.DataFrame | None]:
    """The part that a run is judged on, the test part where it kept what it predicted of it, and these predictions."""
    for part, table in (("test", run.judged), ("validation", run.held_out)):
        if table is not None and len(table):
            return part, table
    return None, None


def kind_of(run: FinishedRun) -> str:
    """The kind of its model."""
    return "blend" if run.predictor.config is None else run.predictor.config.kind


def with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    """The RMSE of the model and of each baseline with its 95% interval over users, best first."""
    columns = {"model": "prediction", **{f"{name} baseline": column for name, column in BASELINES.items()}}
    errors = [(table[column] - table["rating"]).to_numpy(np.float64) for column in columns.values()]
    users = pd.factorize(table["user"])[0]
    found = pd.DataFrame({"name": list(columns), "rmse": [float(np.sqrt(np.mean(e**2))) for e in errors]})
    found["low"] = found["high"] = found["rmse"]
    if users.max() > 0:
        found["low"], found["high"] = bootstrap(ErrorSums.of(users, errors), [(0, 1)], resamples=RESAMPLES, seed=0).rmse
    return found.sort_values("rmse", kind="stable", ignore_index=True)


def facts(run: FinishedRun) -> dict[str, str]:
    """What there is to know of a run in a line each."""
    encoder, found = run.predictor.encoder, {}
    found["Trained on"] = (
        f"{encoder.n_ratings:,} ratings of {encoder.n_items:,} items by {encoder.n_users:,} users, "
        f"from {encoder.scale[0]:g} to {encoder.scale[1]:g}"
    )
    if source := run.data.get("source"):
        found["Source"] = str(source)
    if (training := run.training) is not None:
        epochs = f"best epoch {training.best_epoch:,} of {len(training.history):,}, ended by {training.stop_reason}"
        closed = training.stop_reason == "closed form"
        found["Training"] = "in closed form" if closed else f"{epochs}, {training.engine}"
    if refit := run.data.get("refit"):
        found["Refit"] = f"on all ratings for {refit['epochs']} epochs, chosen by {refit['chosen_by']}"
    if (members := getattr(run.predictor.model, "n_members", None)) is not None:
        found["Average"] = f"over {members} samples of the posterior"
    if run.seconds == run.seconds:
        found["Seconds"] = f"{run.seconds:.1f}"
    found["Parameters"] = f"{sum(int(np.prod(weight.shape)) for weight in run.predictor.model.weights):,}"
    return found


def parts(run: FinishedRun) -> list[dict[str, Any]]:
    """A row a part of the data."""
    return [{"name": name, **part} for name, part in run.parts.items() if part.get("ratings")]


def _missing(run: FinishedRun, part: str | None, closed: bool) -> Iterator[str]:
    """Why sections are left out."""
    if part is None:
        yield "This folder keeps no predictions of held-out ratings, so nothing here says how good they are."
    elif part == "validation":
        yield (
            "There is no test part: the figures are of the validation part, by which the best epoch was chosen, and so "
            "look a little better than they are."
        )
    if closed and run.training is not None:
        yield "The model is solved in closed form, so there are no learning curves."
    if part == "test" and run.predictor.calibration is None:
        yield "There was no validation part to calibrate intervals on."
    if run.config is None:
        yield "This folder has no config of a run."
