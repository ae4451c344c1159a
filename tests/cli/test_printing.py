"""What commands print, whole, of results by hand; styles stand as <codes> of a terminal."""

import io
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from recsys_nn import CrossValidation
from recsys_nn.blending import Blend
from recsys_nn.cli import _print_evaluation, blending, comparing, recommending, selecting
from recsys_nn.cli.options import out
from recsys_nn.cluster import scoring
from recsys_nn.config import load_config
from recsys_nn.evaluation.comparison import Comparison
from recsys_nn.evaluation.evaluate import judged
from recsys_nn.experiment_result import Findings
from recsys_nn.prediction.predictor import Predictor
from recsys_nn.prediction.scoring_folders import PredictedFolder
from recsys_nn.report import page
from recsys_nn.selection import search_progress
from recsys_nn.selection.cross_validation import Fold
from recsys_nn.selection.search_progress import SearchProgress
from recsys_nn.selection.trial import Outcome
from tests.advice.cases import predicted, trained
from tests.figures import described
from tests.report.test_charts import QUARTERS, SCALE, table


def lines(text: str) -> list[str]:
    return [re.sub(r"\x1b\[([\d;]*)m", r"<\1>", line).replace("<0><1>", "").rstrip() for line in text.splitlines()]


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    monkeypatch.setattr(out, "width", 140)


@pytest.fixture
def printed(monkeypatch):
    """What a function prints on the console of the commands."""
    monkeypatch.setattr(out, "record", True)

    def of(function, *arguments):
        out.export_text()
        function(*arguments)
        return lines(out.export_text(styles=True))

    return of


def test_an_evaluation(printed, snapshot):
    found = {"of_probabilities": {"log_loss": 0.5, "auc": 0.75}, "oracle": 0.3}
    assert printed(_print_evaluation, judged(table(), SCALE, QUARTERS, **found)) == snapshot


def test_an_evaluation_of_a_model_worse_than_its_baselines(printed, snapshot):
    assert printed(_print_evaluation, judged(table(error=3.0), SCALE)) == snapshot


def intervals(name, values):
    middle = np.array(values)
    return {name: middle, f"{name}_low": middle - 0.1, f"{name}_high": middle + 0.2}


COMPARED = pd.DataFrame(
    {
        "model": ["svd", "[a] run", "bias", "mlp", "gmf"],
        **intervals("rmse", [0.90, 0.91, 0.92, 0.93, 0.94]),
        **intervals("mae", [0.70, 0.71, 0.72, 0.73, 0.74]),
        **intervals("difference", [np.nan, 0.01, 0.02, 0.03, -0.04]),
        "p_value": [np.nan, 0.5, 0.0499, 0.00123, 1e-5],
        "seconds": [1.25, np.nan, 3.0, 4.0, 5.0],
        "parameters": [1234, 5, 6, 7, 8],
    }
)


@pytest.mark.parametrize("oracle", [0.5, None])
def test_a_comparison(printed, snapshot, oracle):
    baselines = {"global": 1.1, "bias": 0.95}
    comparison = Comparison(COMPARED, COMPARED, "svd", baselines, oracle, 1_234, 56, {})
    assert [*printed(comparing._print_comparison, comparison), *described(comparison.plot())] == snapshot


def test_folds(printed, snapshot):
    findings = [Findings(trained(), {}, predicted(10, error=error), "a fold", 2.5) for error in (0.5, 0.7)]
    folds = tuple(Fold(number, 2_000, found) for number, found in enumerate(findings, 1))
    assert printed(selecting._print_folds, CrossValidation(load_config({}), None, folds)) == snapshot


SEARCH = load_config(
    {
        "training": {"epochs": 4},
        "search": {
            "method": "random",
            "trials": 20,
            "space": {"model.embedding_dim": [1, 2], "model.l2": {"low": 1e-4, "high": 1e-2}},
        },
    }
)
TRIALS = pd.DataFrame(
    {
        "trial": range(5),
        "state": ["diverged", "complete", "complete", "pruned", "running"],
        "rmse": [np.inf, 0.95, 0.91, 0.9, np.nan],
        "best_epoch": [0, 2, 3, 1, 0],
        "epochs": [0, 4, 4, 1, 0],
        "seconds": [0.0, 1.25, 2.0, 0.5, 0.0],
        "message": ["the loss is nan", "", "", "", ""],
        "model.embedding_dim": [1, 2, 1, 2, 1],
        "model.l2": [0.0012345, 0.001, 0.002, 0.003, 0.004],
    }
)


def test_a_search(printed, snapshot, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    metrics = {"n": 1_200.0, "rmse": 0.9, "mae": 0.7, "bias_rmse": 0.95}
    result = SimpleNamespace(config=SEARCH, trials=TRIALS, score=0.91, metrics=metrics, path=Path("run-search"))
    assert printed(selecting._print_search, result) == snapshot
    assert printed(selecting._print_figures, {"validation_rmse": 1.0}) == []


class TestSearchProgress:
    def progress(self, monkeypatch, trials, *, terminal, most=20):
        told = io.StringIO()
        console = Console(file=told, force_terminal=terminal, width=120, color_system="standard")
        monkeypatch.setattr(search_progress, "Console", lambda **_: console)
        search = SEARCH.search.model_copy(update={"trials": most, "timeout": 5})
        return told, SearchProgress(search, SimpleNamespace(table=trials), enabled=True)

    def test_lines_of_trials(self, monkeypatch, snapshot):
        told, progress = self.progress(monkeypatch, TRIALS, terminal=False)
        with progress:
            progress.update(Outcome(0, "diverged", np.inf, message="the loss is nan"))
            progress.update(Outcome(2, "complete", 0.91))
        assert lines(told.getvalue()) == snapshot

    def test_a_terminal_shows_a_table_after_each_trial(self, monkeypatch):
        told, progress = self.progress(monkeypatch, TRIALS, terminal=True)
        with progress:
            progress.update(Outcome(2, "complete", 0.91))
            assert "4 of 20 trials" in told.getvalue()

    def table(self, monkeypatch, trials, *, most):
        told, progress = self.progress(monkeypatch, trials, terminal=True, most=most)
        progress._console.print(progress._as_table(trials))
        return lines(told.getvalue())

    def test_the_best_trial_that_was_completed_stands_out(self, monkeypatch, snapshot):
        assert self.table(monkeypatch, TRIALS[TRIALS["state"] != "pruned"], most=20) == snapshot

    def test_of_many_trials_the_best_are_shown(self, monkeypatch, snapshot):
        assert self.table(monkeypatch, pd.concat([TRIALS] * 5), most=None) == snapshot


def test_a_blend(printed, snapshot, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    weights = pd.DataFrame({"run": ["svd", "[a] run"], "weight": [0.75, 0.25], "validation_rmse": [0.9, 0.95]})
    assert printed(blending._print_blend, Blend(None, weights, 0.88, 0.89, 1_234, Path("blend"))) == snapshot


def test_recommendations(printed, snapshot):
    found = {
        "user": ["ann", "ann", "[zoe]"],
        "rank": [1, 2, 1],
        "item": ["x", "y", "x"],
        "name": ["Xanadu", "[Yi] Yi", "X"],
    }
    known = {"prediction": [4.567, 4.0, 3.0], "source": ["model", "model", "item"]}
    assert printed(recommending._print, pd.DataFrame({**found, **known})) == snapshot


def test_a_training(run, snapshot, monkeypatch, tmp_path):
    course = trained(stop_reason="interrupted")
    result = SimpleNamespace(run=course, config=SEARCH, evaluation=None, path=None)
    averaged = load_config({"ensemble": {}})
    average = SimpleNamespace(model=SimpleNamespace(n_members=10))
    ended = SimpleNamespace(run=trained(), config=averaged, evaluation=None, path=None, predictor=average)
    (tmp_path / "run.yaml").write_text("model: {kind: svd}")
    told = []
    for given in (result, ended):
        monkeypatch.setattr("recsys_nn.experiment.run_experiment", lambda *_, given=given, **__: given)
        told += run("train", tmp_path / "run.yaml")
    assert told == snapshot


def test_a_folder_that_was_predicted(run, snapshot, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pairs").mkdir()
    monkeypatch.setattr(Predictor, "load", lambda *_, **__: None)
    nothing = PredictedFolder("out", 0, 0, {})
    some = PredictedFolder("out", 2, 1_234, {"model": 1_200, "item": 34}, 2_000, ("hour", "timestamp"))
    told = []
    for found in (nothing, some):
        monkeypatch.setattr(scoring, "predict_folder", lambda *_, found=found, **__: found)
        told += run("predict", "run", "pairs", "--output", "out")
    assert told == snapshot


def test_a_report_of_several_runs_lies_in_this_folder(run, monkeypatch):
    report = SimpleNamespace(save=lambda place, overwrite: place)
    monkeypatch.setattr(page, "build_report", lambda _: report)
    assert run("report", "a", "b") == (0, "Report: report.html\n", "")
