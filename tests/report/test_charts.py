"""What the charts of a page show, in lines and in words, of predictions and trainings by hand."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recsys_nn import BiasConfig, Ratings, SVDConfig
from recsys_nn.encoding.state import SOURCES
from recsys_nn.evaluation.evaluate import judged
from recsys_nn.prediction.intervals import Calibration, Scores
from recsys_nn.report import charts, several
from recsys_nn.report.item_map import ItemMap, _groups, principal
from recsys_nn.report.predictions import beside_baselines, compared
from recsys_nn.report.svg import Chart
from recsys_nn.runs.finished import FinishedRun
from tests.advice.cases import predicted, trained
from tests.figures import described
from tests.prediction.predictors import drawn

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
    "predicted of six levels": lambda: charts.predicted_chart(table().assign(rating=1.0 + np.arange(60) % 6)),
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


def test_intervals_do_not_depend_on_the_order_of_the_ratings():
    first, other = table(), table(error=1.0)["prediction"]
    turned = first[::-1].reset_index(drop=True)
    found = compared(first, {"a": first["prediction"], "b": other})
    again = compared(turned, {"a": turned["prediction"], "b": other[::-1].reset_index(drop=True)})
    pd.testing.assert_frame_equal(found, again)


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

    def test_groups_by_how_often_items_were_rated(self):
        """A fifth of the items each, those that were rated least first."""
        by, groups, legend = _groups(None, np.array([1, 50, 2, 100, 9, 3, 60, 1000, 4, 10, 500]))
        names = ["1 to 3", "4 to 9", "10 to 50", "51 to 100", "101 to 1,000"]
        assert by == "ratings in training"
        assert groups == [names[k] for k in (0, 2, 0, 3, 1, 0, 3, 4, 1, 2, 4)]
        assert list(legend) == names

    def test_the_map_fills_its_frame(self):
        """Of two dimensions: the longer side of the items' box, 8 of 6, goes from margin to margin."""
        ratings = pd.DataFrame({"user": [1, 2, 3, 4, 5, 6], "item": [1, 1, 1, 2, 2, 3], "rating": [1, 5, 2, 4, 3, 3]})
        predictor = drawn(SVDConfig(embedding_dim=2), Ratings(ratings, scale=(1, 5)))
        predictor.model.get_layer("item_factors").embeddings.assign([[9, 9], [4, 0], [-4, 0], [0, 3]])
        found = ItemMap.of(FinishedRun(predictor))
        assert (found.explained, found.n_items, found.by) == (pytest.approx(1), 3, "ratings in training")
        places = [(round(point.x, 3), round(point.y, 3), point.name) for point in found.points]
        assert places == [(590, 328.75, "1"), (10, 328.75, "2"), (300, 111.25, "3")]
        few = ratings.assign(item=[1, 1, 1, 2, 2, 2])
        assert ItemMap.of(FinishedRun(drawn(SVDConfig(embedding_dim=2), Ratings(few, scale=(1, 5))))) is None
        assert ItemMap.of(FinishedRun(drawn(BiasConfig()))) is None
        assert ItemMap.of(FinishedRun(drawn(SVDConfig(embedding_dim=1)))) is None
