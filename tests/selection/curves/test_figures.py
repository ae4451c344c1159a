"""Whole figures, of trainings by hand: what a reader of a curve sees."""

import re

import numpy as np
import pandas as pd
import pytest

from recsys_nn import (
    CrossValidation,
    SVDConfig,
    epoch_curve,
    learning_curve,
    load_ratings,
    random_split,
    sensitivity,
    validation_curve,
)
from recsys_nn.plots import Scale, draw_heat_map, draw_layers, draw_lines, new_figure
from recsys_nn.runs.result import Findings
from recsys_nn.selection.cross_validation import Fold, _told
from recsys_nn.selection.curves import curves
from recsys_nn.selection.curves.bias_variance import _drawn
from recsys_nn.selection.curves.curves import alone
from recsys_nn.selection.curves.watched_training import Followed
from tests.advice.cases import predicted, trained
from tests.figures import described

CONFIG = {"model": {"kind": "svd"}, "training": {"epochs": 3}}
SPLIT = random_split(load_ratings("synthetic", n_users=20, n_items=15, n_ratings=200), validation=0.2, test=0.0)


@pytest.fixture
def by_hand(monkeypatch):
    """Runs that are not made: their validation errors are those that it is called with, over and over."""

    def of(*errors):
        def measured(runs, **_):
            rows = [{**run.at, "validation_rmse": errors[k % len(errors)]} for k, run in enumerate(runs)]
            return pd.DataFrame(rows).assign(training_rmse=0.5, bias_rmse=1.0, standard_error=0.02)

        monkeypatch.setattr(curves, "measured", measured)

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
