"""Whole figures, of trainings by hand: what a reader of a curve sees."""

import re
from functools import partial

import numpy as np
import pandas as pd
import pytest

from recsys_nn import (
    BiasConfig,
    CrossValidation,
    SVDConfig,
    epoch_curve,
    learning_curve,
    load_ratings,
    random_split,
    sensitivity,
    validation_curve,
)
from recsys_nn.evaluation.evaluate import rmse_of
from recsys_nn.plots import Scale, draw_heat_map, draw_layers, draw_lines, new_figure
from recsys_nn.runs.result import Findings
from recsys_nn.selection.cross_validation import Fold, _told
from recsys_nn.selection.curves import curves
from recsys_nn.selection.curves.bias_variance import _drawn
from recsys_nn.selection.curves.curves import alone
from recsys_nn.selection.curves.runs import points
from recsys_nn.selection.curves.watched_training import Followed
from tests.advice.cases import predicted, trained
from tests.figures import described
from tests.prediction.predictors import drawn

CONFIG = {"model": {"kind": "svd"}, "training": {"epochs": 3}}
SPLIT = random_split(load_ratings("synthetic", n_users=20, n_items=15, n_ratings=200), validation=0.2, test=0.0)


@pytest.fixture
def by_hand(monkeypatch):
    """Runs that are not made: their validation errors are those that it is called with, over and over. What was asked
    for is noted: the runs, and how they are to be made."""

    def of(*errors):
        asked = []

        def measured(runs, **settings):
            runs = list(runs)
            asked.append((runs, settings))
            rows = [{**run.at, "validation_rmse": errors[k % len(errors)]} for k, run in enumerate(runs)]
            return pd.DataFrame(rows).assign(training_rmse=0.5, bias_rmse=1.0, standard_error=0.02)

        monkeypatch.setattr(curves, "measured", measured)
        return asked

    return of


def told(curve):
    return [str(dict(curve.marks)), *curve.table.to_csv(index=False).splitlines(), *described(curve.figure)]


@pytest.mark.parametrize("stopped", [3, None])
def test_epoch_curve(monkeypatch, snapshot, stopped):
    seen = [{"training_rmse": 1 - k / 10, "validation_rmse": error} for k, error in enumerate((1.0, 0.8, 0.9))]
    monkeypatch.setattr(curves, "in_order", lambda _, runs, **__: [Followed(seen, 2, stopped) for _ in runs])
    assert told(epoch_curve(CONFIG, SPLIT, seeds=2, progress=False)) == snapshot


def test_validation_curve(by_hand, snapshot):
    by_hand(0.95, 0.91, 0.90, 0.92, 0.96, 0.91, 0.90, 0.93)
    values = [2, 4, 8, 16]
    curve = validation_curve(CONFIG, SPLIT, key="model.embedding_dim", values=values, seeds=2, progress=False)
    assert told(curve) == snapshot


def test_learning_curve(by_hand, snapshot):
    by_hand(0.95, 0.91, 0.90)
    assert told(learning_curve(CONFIG, SPLIT, fractions=(0.1, 0.5, 1.0), seeds=2, progress=False)) == snapshot


CURVES = {
    "validation": (partial(validation_curve, key="model.l2", values=[0.1]), 3, [{"model.l2": 0.1}]),
    "learning": (
        learning_curve,
        3,
        [{"fraction": k, "ratings": round(160 * k)} for k in (0.1, 0.2, 0.4, 0.6, 0.8, 1.0)],
    ),
    "sensitivity": (
        sensitivity,
        1,
        [
            {"learning_rate": rate, "batch_size": size}
            for rate in (3e-4, 1e-3, 3e-3, 1e-2, 3e-2)
            for size in (64, 256, 1024)
        ],
    ),
}


@pytest.mark.parametrize(("curve", "seeds", "at"), CURVES.values(), ids=CURVES)
def test_what_is_asked_of_a_curve_is_asked_of_its_runs(by_hand, curve, seeds, at):
    asked = by_hand(0.9)
    curve(CONFIG, SPLIT)
    curve(CONFIG, SPLIT, seeds=2, workers=3, progress=False, overrides=["training.min_delta=9"])
    (usual, of_usual), (runs, of_runs) = asked
    assert (of_usual, of_runs) == ({"workers": 1, "progress": True}, {"workers": 3, "progress": False})
    assert [dict(run.at) for run in usual] == [{**one, "seed": seed} for seed in range(seeds) for one in at]
    assert [run.config.seed for run in runs] == [seed for seed in range(2) for _ in at]
    assert {run.config.training.min_delta for run in runs} == {9}
    assert all(run.split.validation is SPLIT.validation for run in runs)


def test_the_trainings_of_an_epoch_curve_are_made_as_asked(monkeypatch):
    asked = []

    def in_order(work, jobs, **settings):
        asked.append(([job.config.training.min_delta for job in jobs], settings))
        return [Followed([{"training_rmse": 1.0, "validation_rmse": 1.0}] * 3, 1, None)] * len(asked[-1][0])

    monkeypatch.setattr(curves, "in_order", in_order)
    epoch_curve(CONFIG, SPLIT)
    epoch_curve(CONFIG, SPLIT, seeds=2, workers=3, progress=False, overrides=["training.min_delta=9"])
    told = {"told": curves._ended}
    assert asked == [
        ([0], {**told, "workers": 1, "progress": True}),
        ([9, 9], {**told, "workers": 3, "progress": False}),
    ]


def test_an_epoch_is_judged_on_both_parts(monkeypatch):
    predictor = drawn(BiasConfig(), SPLIT.train)
    (point,) = points(alone(CONFIG), SPLIT, [({"dim": 4}, {})], 1)

    def followed(config, split, epochs, look):
        assert (config, split, epochs) == (point.config, point.split, 3)
        return Followed([look(predictor)] * 3, 2, None)

    monkeypatch.setattr("recsys_nn.selection.curves.watched_training.followed", followed)
    found = curves._followed(point)
    errors = {
        name: rmse_of(predictor, part)
        for name, part in zip(curves.ERRORS, (SPLIT.train, SPLIT.validation), strict=True)
    }
    assert found.seen == [{f"{name}_rmse": error for name, error in errors.items()}] * 3
    seen = [{"validation_rmse": error} for error in (0.75, 0.5, 0.25)]
    for kept, told in ((2, "epoch 2 is kept, 0.5000"), (None, "epoch None is kept, 0.7500")):
        assert curves._ended(point, Followed(seen, kept, None)) == f"dim 4, seed 0: {told}"


def test_sensitivity(by_hand, snapshot):
    by_hand(0.95, 0.91, 0.90, np.nan)
    options = {"learning_rates": [0.01, 0.001], "batch_sizes": [256, 64], "progress": False}
    assert told(sensitivity(CONFIG, SPLIT, **options)) == snapshot


def test_bias_and_variance(snapshot):
    terms = {"bias_squared": [0.5, -0.1, 0.2], "variance": [0.1, 0.2, 0.4], "noise": [0.3, 0.3, 0.3]}
    table = pd.DataFrame({"model.embedding_dim": [1, 2, 4], **terms, "error": [0.95, 0.5, 0.9], "standard_error": 0.05})
    assert described(_drawn(alone(SVDConfig()), "model.embedding_dim", table, 20)) == snapshot


def test_cross_validation(snapshot):
    findings = [Findings(trained(), {}, predicted(10, error=error), "a fold", 2.5) for error in (0.5, 0.6, 0.7)]
    folds = tuple(Fold(number, 20, found) for number, found in enumerate(findings, 1))
    validated = CrossValidation(alone(SVDConfig()), SPLIT, folds)
    lines = [_told(3, (number, SPLIT), fold) for number, fold in enumerate(folds, 1)]
    page = re.sub(r"<style.*</style>|<[^>]+>", " ", validated._repr_html_(), flags=re.DOTALL)
    assert [*lines, " ".join(page.split()), *described(validated.plot())] == snapshot


class TestDrawing:
    def test_many_positions_have_some_markers(self, snapshot):
        table = pd.DataFrame({"epoch": range(1, 45), "a": range(44), "b": range(44), "c": range(44)}).tail(42)
        with new_figure("title", "epoch", "error") as (figure, axes):
            draw_lines(axes, Scale(range(3, 45)), table, "epoch", {"training": "a", "validation": "b"})
        assert described(figure) == snapshot

    @pytest.mark.parametrize("n", [12, 13])
    def test_a_dozen_of_values_has_a_tick_each(self, n):
        with new_figure("title", "x", "y") as (_, axes):
            Scale([f"kind {k}" for k in range(n)]).apply(axes)
        assert len(axes.get_xticks()) == {12: 12, 13: 7}[n]

    def test_layers(self, snapshot):
        with new_figure("title", "x", "y") as (figure, axes):
            draw_layers(axes, Scale([1, 2]), {name: np.array([1.0, 2.0]) for name in "abc"})
        assert described(figure) == snapshot

    @pytest.mark.parametrize("values", [[[0.9, np.nan], [0.8, 0.85]], [[np.nan, np.nan]], [[0.9]]])
    def test_heat_map(self, snapshot, values):
        with new_figure("title", "x", "y") as (figure, axes):
            draw_heat_map(axes, pd.DataFrame(values), missing="diverged", unit="RMSE")
        assert described(figure) == snapshot
