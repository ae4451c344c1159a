"""What the charts of a page show, in lines and in words, of predictions and trainings by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recsys_nn.encoding.sources import SOURCES
from recsys_nn.evaluation.evaluate import judged
from recsys_nn.prediction.intervals import Calibration, Scores
from recsys_nn.report import charts, several
from recsys_nn.report.item_map import _groups, principal
from recsys_nn.report.predictions import beside_baselines, compared
from recsys_nn.report.svg import Chart
from tests.advice.cases import predicted, trained
from tests.figures import described

SCALE = (1.0, 5.0)
QUARTERS = Calibration(variance=(1, 0, 0, 0), scores=dict.fromkeys(SOURCES, Scores(n=100, quantiles=(0.5, 1, 1.5, 2))))


def table(n: int = 60, *, error: float = 0.5) -> pd.DataFrame:
    """Predictions of six users, of which some ids are new and some are well known."""
    kept = predicted(n, user=np.arange(n) % 6, item=np.arange(n) % 7, std=np.linspace(0.2, 0.6, n))
    kept["prediction"] = kept["rating"] + error * np.sin(np.arange(n)) - 0.1
    counts = {"user_ratings": 20 * (np.arange(n) % 6), "item_ratings": 15 * (np.arange(n) % 7)}
    others = {
        "global_baseline": 3.0,
        "user_baseline": kept["rating"] - 1.2 * np.cos(np.arange(n)),
        "item_baseline": kept["rating"] + 1.1,
    }
    return kept.assign(**counts, **others)


@pytest.fixture(autouse=True)
def as_lines(monkeypatch):
    """A chart's SVG is a description of its figure."""
    monkeypatch.setattr(Chart, "_inline", lambda _, figure: described(figure))


def told(chart: Chart) -> list[str]:
    return [chart.name, chart.title, chart.text, chart.caption, *chart.svg]


EVALUATION = judged(table(), SCALE)
CHARTS = {
    "baselines": lambda: charts.baselines_chart(beside_baselines(table())),
    "learning curves": lambda: charts.learning_curves(trained()),
    "without validation": lambda: charts.learning_curves(trained(val_loss=None)),
    "predicted": lambda: charts.predicted_chart(table()),
    "predicted of many levels": lambda: charts.predicted_chart(table().assign(rating=np.linspace(1, 5, 60))),
    "residuals": lambda: charts.residuals_chart(table()),
    "bias": lambda: charts.bias_chart(table()),
    "coverage": lambda: charts.coverage_chart(table(), QUARTERS, SCALE),
    "segments": lambda: charts.segments_chart(EVALUATION),
}


@pytest.mark.parametrize("name", CHARTS)
def test_chart_of_a_run(name, snapshot):
    assert told(CHARTS[name]()) == snapshot


def test_charts_of_several_runs(snapshot):
    tables = {"svd": table(), "a run of a name that is long, and longer": table(error=1.0), "bias": table(error=0.2)}
    runs = {name: SimpleNamespace(predictor=SimpleNamespace(encoder=SimpleNamespace(scale=SCALE))) for name in tables}
    looks = dict(zip(tables, [(("-", ""), "blue"), (("--", "///"), "red"), ((":", "..."), "black")], strict=True))
    trainings = dict(zip(tables, [trained(), trained(val_loss=None, loss=(2.0, 1.5))], strict=False))
    errors = compared(tables["svd"], {name: kept["prediction"] for name, kept in tables.items()})
    found = (
        several.comparison_chart(errors, tables["svd"]),
        several.learning_curves(trainings, looks),
        several.segments_chart(runs, tables, looks),
    )
    assert [line for chart in found for line in told(chart)] == snapshot


class TestItemMap:
    def test_principal_components_by_hand(self):
        """The second axis has the most variance, 8, and then the first, 2; that of the third is a half."""
        vectors = np.array([[1, 0, 0], [-1, 0, 0], [0, 2, 0], [0, -2, 0], [0, 0, 0.5], [0, 0, -0.5]], np.float32)
        places, explained = principal(vectors + 7)
        np.testing.assert_allclose(places, vectors[:, [1, 0]], atol=1e-12)
        assert explained == pytest.approx(10 / 10.5)

    COUNTS = np.repeat([100, 50, 9, 3, 1], 6)
    FEW = ["drama", "comedy|war", None] * 10

    @pytest.mark.parametrize(
        "features",
        [
            None,
            {"title": ["a", "b"] * 15, "year": [1999, 2000] * 15, "genres": FEW},
            {"all their own": [f"value {k}" for k in range(30)], "mood": [*"aaaaaabbbbbcccccddddeeeeffgghh"]},
            {"one": ["same"] * 30},
        ],
        ids=["counts", "a feature of several values", "many groups", "nothing to tell by"],
    )
    def test_groups(self, features, snapshot):
        by, groups, legend = _groups(None if features is None else pd.DataFrame(features), self.COUNTS)
        assert [by, *(f"{name} {color}: {groups.count(name)}" for name, color in legend.items())] == snapshot
        assert set(groups) == set(legend)

    def test_groups_of_equal_counts(self):
        assert _groups(None, np.array([2, 2, 2]))[1] == ["2", "2", "2"]
