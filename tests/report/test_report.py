"""The page as a file: what stands on it, and what must not."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from functools import cache
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import pdist

import recsys_nn as rn
from recsys_nn.report.item_map import ItemMap
from recsys_nn.report.page import default_place
from recsys_nn.report.predictions import beside_baselines
from recsys_nn.report.single import _notes, facts, kind_of, single_run
from recsys_nn.runs.finished import FinishedRun
from tests.advice.cases import trained
from tests.prediction.predictors import drawn
from tests.report.conftest import DATA, HOSTILE, TRAINING


@pytest.fixture(scope="session")
def report_of(runs) -> Callable[[str], rn.Report]:
    """Of a run by its name."""
    return cache(lambda name: rn.build_report(runs / name))


@pytest.fixture(scope="session")
def page(report_of) -> str:
    return report_of("svd").html


class Parsed(HTMLParser):
    """Texts, tags with their attributes, and what is left open."""

    VOID = {"meta", "link", "br", "circle", "path", "use", "rect"}

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_the_figures_are_those_of_the_evaluation(runs, page):
    finished = FinishedRun.load(runs / "svd")
    text = Parsed(page).text
    metrics = finished.metrics
    for name in ("rmse", "mae", "bias_rmse", "user_rmse", "item_rmse", "global_rmse"):
        assert f"{metrics[name]:.4f}" in text, name
    assert f"{100 * metrics['interval_coverage']:.1f}%" in text
    assert f"judged on {metrics['n']:,.0f} ratings of the test part" in text
    assert finished.config.to_yaml() in text
    assert finished.parts["test"]["sha256"][:12] in text


def test_the_page_is_whole_and_needs_nothing_else(page):
    parsed = Parsed(page)
    assert parsed.open == []
    assert len(page) < 2_000_000
    for _, attributes in parsed.tags:
        for name in ("src", "href", "xlink:href", "action", "srcset"):
            assert (attributes.get(name) or "#").startswith(("#", "data:"))
    assert not re.search(r"url\((?!#)|@import", page)


def test_every_chart_has_a_text_alternative_and_names_of_its_own(page):
    parsed = Parsed(page)
    charts = parsed.all("svg")
    assert len(charts) == 8
    assert all(chart["role"] == "img" and len(chart["aria-label"]) > 20 for chart in charts)
    names = [attributes["id"] for _, attributes in parsed.tags if "id" in attributes]
    assert len(names) == len(set(names))
    used = {attributes["xlink:href"] for attributes in parsed.all("use")}
    assert used <= {f"#{name}" for name in names}


def test_headings_are_in_order(page):
    levels = [int(tag[1]) for tag, _ in Parsed(page).tags if tag in ("h1", "h2", "h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_texts_of_users_are_no_markup(report_of):
    page = report_of("hostile").html
    assert HOSTILE not in page
    assert HOSTILE in " ".join(circle.get("data-name") or "" for circle in Parsed(page).all("circle"))


def test_what_a_run_does_not_have_is_left_out_and_told(runs, report_of, tmp_path):
    assert "There is no test part: the figures are of the validation part" in report_of("hostile").html
    bias = Parsed(report_of("bias").html).text
    assert "there are no learning curves" in bias
    assert "Map of the items" not in bias
    FinishedRun.load(runs / "svd").predictor.save(tmp_path / "bare")
    bare = Parsed(rn.build_report(tmp_path / "bare").html).text
    assert "No predictions of held-out ratings were kept" in bare
    assert "Nothing was kept that the doctor could look at." in bare
    assert "Map of the items" in bare


def test_baselines_are_told_from_the_model_where_there_are_users_to_tell_by(runs):
    kept = FinishedRun.load(runs / "svd").judged
    rows = beside_baselines(kept).set_index("model")
    assert list(rows["rmse"]) == sorted(rows["rmse"])
    errors = (kept["bias_baseline"] - kept["rating"], kept["prediction"] - kept["rating"])
    bias, own = (np.sqrt(np.mean(error**2)) for error in errors)
    assert rows.loc["bias", "difference"] == pytest.approx(bias - own)
    one = beside_baselines(kept[kept["user"] == kept["user"].iloc[0]])
    assert one["rmse"].notna().all()
    assert one[["rmse_low", "difference", "p_value"]].isna().all(axis=None)


@pytest.mark.slow
def test_the_doctor_has_his_say(report_of):
    text = Parsed(report_of("bias").html).text
    assert "The doctor has found nothing wrong." in text
    low = {"data": DATA, "model": {"kind": "svd"}, "training": {**TRAINING, "learning_rate": 1e-6}}
    text = Parsed(rn.build_report(rn.run_experiment(low, progress=False)).html).text
    assert "Learning rate too low" in text
    assert "training.learning_rate: 1e-05" in text


def test_the_map_keeps_the_distances_of_two_dimensional_vectors(runs):
    finished = FinishedRun.load(runs / "svd")
    found = ItemMap.of(finished)
    assert found.explained == pytest.approx(1)
    assert found.by == "genres, the first of several"
    assert all(0 < point.x < found.width and 0 < point.y < found.height for point in found.points)
    counts = finished.predictor.encoder.item_counts[1:]
    rated = np.argsort(-counts, kind="stable")[: len(found.points)]
    (table,) = (each for each in finished.predictor.model.weights if each.path.endswith("item_factors/embeddings"))
    ratio = pdist([(point.x, point.y) for point in found.points]) / pdist(table.numpy()[1:][rated])
    np.testing.assert_allclose(ratio, ratio[0], rtol=1e-3)


@pytest.fixture(scope="session")
def several(runs) -> str:
    return rn.build_report([runs / name for name in ("svd", "mlp", "bias")]).html


class TestSeveral:
    def test_the_figures_are_those_of_a_comparison(self, runs, page, several):
        split = rn.random_split(rn.load_ratings("synthetic", **DATA["options"]), seed=0)
        compared = rn.compare([str(runs / name) for name in ("svd", "mlp", "bias")], split.test)
        text = Parsed(several).text
        for row in compared.table.to_dict("records"):
            assert f"{row['rmse']:.4f}" in text
            assert f"{row['rmse_low']:.4f} to {row['rmse_high']:.4f}" in text
            if row["model"] == "svd":
                assert f"95%: {row['rmse_low']:.4f} to {row['rmse_high']:.4f}" in Parsed(page).text
        for row in compared.table.iloc[1:].to_dict("records"):
            assert f"{row['difference']:+.4f}" in text
            assert f"{row['difference_low']:+.4f} to {row['difference_high']:+.4f}".replace("-", "−") in text
            assert (f"{row['p_value']:.2g}" if row["p_value"] >= 1e-4 else "< 0.0001") in text

    def test_a_run_has_one_colour_in_all_charts(self, runs):
        """The second has no learning curve: it is solved in closed form."""
        html = rn.build_report([runs / name for name in ("svd", "bias", "mlp")]).html
        charts = dict(re.findall(r"<h3>([^<]+)</h3>\s*(<svg.*?</svg>)", html, re.DOTALL))
        svd, bias, mlp = "#0072b2", "#d55e00", "#009e73"
        assert [color in charts["Learning curves"] for color in (svd, bias, mlp)] == [True, False, True]
        assert [color in charts["Error by segment"] for color in (svd, bias, mlp)] == [True, True, True]

    def test_settings_that_are_the_same_are_not_shown(self, several):
        text = Parsed(several).text
        assert "model.kind" in text
        assert "training.batch_size" not in text

    def test_runs_without_a_common_test_part_are_refused(self, runs):
        with pytest.raises(
            rn.DataError,
            match="hostile has no predictions of a test part, which a page of several runs needs: leave it out$",
        ):
            rn.build_report([runs / "svd", runs / "hostile"])
        other = rn.run_experiment({"seed": 5, "data": DATA, "model": {"kind": "bias"}}, progress=False)
        with pytest.raises(
            rn.DataError,
            match="the test parts of other and svd differ: compare them with `recsys-nn compare --ratings`$",
        ):
            rn.build_report({"svd": runs / "svd", "other": other})


class TestSaving:
    def test_a_report_replaces_a_report_and_nothing_else(self, report_of, tmp_path):
        report = report_of("bias")
        place = report.save(tmp_path / "new" / "page.html")
        assert place.read_text(encoding="utf-8") == report.html
        report.save(place)
        other = tmp_path / "thesis.html"
        other.write_text("mine")
        with pytest.raises(
            rn.ArtifactError, match=r"thesis\.html exists and is not a report: choose another output, or overwrite it"
        ):
            report.save(other)
        assert other.read_text() == "mine"
        report.save(other, overwrite=True)
        with pytest.raises(rn.ArtifactError, match="is a folder: name a file"):
            report.save(tmp_path)

    def test_it_lies_beside_the_run_folder(self):
        assert default_place("runs/svd") == Path("runs/svd-report.html").absolute()

    def test_a_notebook_shows_it_in_a_frame(self, report_of):
        shown = report_of("bias")._repr_html_()
        assert shown.startswith('<iframe srcdoc="&lt;!doctype html&gt;')
        assert Parsed(shown).all("iframe")[0]["srcdoc"].startswith("<!doctype html>")

    @pytest.mark.parametrize(
        ("what", "message"),
        [
            (3, "^a model must be a model config .*, not int$"),
            ([], "^a report needs one finished run or more: there is none$"),
            (pd.DataFrame(), "^a model must be a model config .*, not DataFrame$"),
        ],
        ids=["a number", "nothing", "a table"],
    )
    def test_what_is_no_run_is_refused(self, what, message):
        with pytest.raises(rn.ConfigError, match=message):
            rn.build_report(what)


def words(html: str) -> list[str]:
    """The lines of a page's body and of what is told to who cannot see it, without figures, which rest on trainings."""
    body = re.sub(r"<svg(?! id).*?</svg>", "", html.partition("</style>")[2], flags=re.DOTALL)
    named = re.findall(r'(?:aria-label|title)="([^"]*)"', body)
    body = re.sub(r"<(script|pre|circle|dl)\b.*?</?\1>|<circle[^>]*>", "", body, flags=re.DOTALL)
    body = re.sub(r"<li>.*?</li>", "", body)
    lines = (" ".join(line.split()) for line in [*re.sub(r"<[^>]+>", " ", body).splitlines(), *named])
    return [re.sub(r"[−+]?\d[\d.,:]*%?", "#", unescape(line)) for line in lines if line]


@pytest.mark.parametrize("name", ["svd", "hostile"])
def test_the_words_of_a_page(report_of, snapshot, name):
    assert words(report_of(name).html) == snapshot


def test_the_words_of_a_page_of_several_runs(several, snapshot):
    assert sorted(words(several)) == snapshot  # which run is better by little may differ by platform


def notes(part: str | None, items: object, **run: object) -> list[str]:
    """Of a run of which all is kept, but for what is said."""
    kept = {"config": "kept", "training": trained(), "predictor": SimpleNamespace(calibration="kept"), **run}
    return list(_notes(SimpleNamespace(**kept), part, items))


def test_notes_tell_what_figures_are_of_and_what_is_left_out(snapshot):
    assert notes("test", "a map") == []
    uncalibrated = SimpleNamespace(calibration=None)
    assert [
        *notes(None, "a map"),
        *notes("validation", "a map", predictor=uncalibrated),
        *notes("test", "a map", predictor=uncalibrated),
        *notes("test", "a map", config=None, training=None),
        *notes("test", None, training=trained(stop_reason="closed form")),
    ] == snapshot


def test_of_a_bare_predictor_nothing_is_judged():
    predictor = drawn(rn.SVDConfig(embedding_dim=2))
    found = single_run("bare", FinishedRun(predictor))
    kept = ("title", "name", "kind", "digits", "diagnosis", "evaluation", "charts", "parts", "config")
    assert {name: found[name] for name in kept} == {
        "title": "bare: svd",
        "name": "bare",
        "kind": "svd",
        "digits": 4,
        "diagnosis": None,
        "evaluation": None,
        "charts": [],
        "parts": [],
        "config": None,
    }
    assert "errors" not in found
    assert found["facts"] == facts(FinishedRun(predictor)) != {}
    assert found["notes"] == [
        "No predictions of held-out ratings were kept, so nothing here says how good they are.",
        "No config and no course of a training were kept.",
    ]
    assert found["items"].explained == pytest.approx(1)
    assert kind_of(SimpleNamespace(predictor=SimpleNamespace(config=None))) == "blend"


@pytest.mark.parametrize("name", ["svd", "bias", "hostile"])
def test_the_facts_of_a_run(runs, name, snapshot):
    found = facts(FinishedRun.load(runs / name))
    for varies in found.keys() & {"Training", "Took", "Written"}:
        found[varies] = re.sub(r"\d+", "#", found[varies])
    assert found == snapshot
