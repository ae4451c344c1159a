"""Content of the page of one run."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np

from recsys_nn.advice import diagnose
from recsys_nn.evaluation import judged
from recsys_nn.hooks import Average
from recsys_nn.prediction import MANIFEST
from recsys_nn.report import charts
from recsys_nn.report.formatting import decimals
from recsys_nn.report.item_map import ItemMap
from recsys_nn.report.predictions import beside_baselines, judged_part
from recsys_nn.report.svg import Chart
from recsys_nn.runs import FinishedRun
from recsys_nn.training import TrainingRun


def single_run(name: str, run: FinishedRun) -> dict[str, Any]:
    """Content of the template for one run."""
    kept, training, items = judged_part(run), iterated(run), ItemMap.of(run)
    calibration, scale = run.predictor.calibration, run.predictor.encoder.scale
    content: dict[str, Any] = {
        "title": f"{name}: {kind_of(run)}",
        "name": name,
        "kind": kind_of(run),
        "digits": decimals(scale),
        "notes": list(_notes(run, kept and kept[0], items)),
        "diagnosis": None if run.config is None and kept is None else diagnose(run),
        "evaluation": None,
        "charts": [],
        "items": items,
        "facts": facts(run),
        "parts": [{"name": part, **known} for part, known in run.parts.items() if known.get("ratings")],
        "config": None if run.config is None else run.config.to_yaml(),
        "versions": run.versions,
    }
    drawn: list[Chart] = [] if training is None else [charts.learning_curves(training)]
    if kept is not None:
        part, table = kept
        evaluation, errors = judged(table, scale, calibration), beside_baselines(table)
        drawn = [charts.baselines_chart(errors), *drawn]
        drawn += [charts.predicted_chart(table), charts.residuals_chart(table), charts.bias_chart(table)]
        if calibration is not None and part == "test":
            drawn.append(charts.coverage_chart(table, calibration, scale))
        drawn.append(charts.segments_chart(evaluation))
        content |= {"part": part, "evaluation": evaluation, "errors": errors.to_dict("records")}
    return content | {"charts": drawn}


def kind_of(run: FinishedRun) -> str:
    """Kind of a run's model, or ``"blend"``."""
    return "blend" if run.predictor.config is None else run.predictor.config.kind


def iterated(run: FinishedRun) -> TrainingRun | None:
    """Training of a run, where there were epochs of it."""
    return run.training if run.training is not None and run.training.stop_reason != "closed form" else None


def facts(run: FinishedRun) -> dict[str, str]:
    """Facts about a run, a line for each, by name."""
    encoder, found = run.predictor.encoder, {}
    found["Trained on"] = (
        f"{encoder.n_ratings:,} ratings from {encoder.scale[0]:g} to {encoder.scale[1]:g}, "
        f"of {encoder.n_items:,} items by {encoder.n_users:,} users"
    )
    if source := run.data.get("source"):
        found["Source"] = str(source)
    if (training := iterated(run)) is not None:
        found["Training"] = (
            f"best epoch {training.best_epoch:,} of {len(training.history):,}, ended by {training.stop_reason}"
        )
        found["Engine"] = training.engine
    elif run.training is not None:
        found["Training"] = "in closed form"
    if refit := run.data.get("refit"):
        found["Refit"] = f"on all ratings for {refit['epochs']} epochs, chosen by {refit['chosen_by']}"
    if isinstance(run.predictor.model, Average):
        found["Average"] = f"over {run.predictor.model.n_members} samples of the posterior"
    if run.seconds == run.seconds:
        found["Took"] = f"{run.seconds:,.1f} seconds"
    found["Parameters"] = f"{sum(int(np.prod(weight.shape)) for weight in run.predictor.model.weights):,}"
    if run.folder is not None:
        written = datetime.fromtimestamp((run.folder / MANIFEST).stat().st_mtime, UTC)
        found["Written"] = f"{written:%Y-%m-%d %H:%M} UTC"
    return found


def _notes(run: FinishedRun, part: str | None, items: ItemMap | None) -> Iterator[str]:
    """Yields notes on which part the figures are of, and why sections are left out."""
    if part is None:
        yield "No predictions of held-out ratings were kept, so nothing here says how good they are."
    elif part == "validation":
        yield (
            "There is no test part: the figures are of the validation part, by which the best epoch was chosen and "
            "intervals were calibrated, and so look a little better than they are."
        )
    elif run.predictor.calibration is None:
        yield "There was no validation part to calibrate intervals on, so there are none."
    if run.config is None:
        yield "No config and no course of a training were kept."
    elif iterated(run) is None:
        yield "The model is solved in closed form, so there are no learning curves."
    if items is None:
        yield "The model has no one table of the items' vectors, so there is no map of them."
