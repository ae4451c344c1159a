"""``recsys-nn doctor`` and ``recsys-nn report``."""

from pathlib import Path

import pandas as pd
import pytest
import yaml

import recsys_nn as rn
from recsys_nn import report

CONFIG = {
    "data": {"source": "synthetic", "options": {"n_users": 60, "n_items": 40, "n_ratings": 1000}},
    "model": {"kind": "svd", "embedding_dim": 2},
    "training": {"learning_rate": 1e-6, "batch_size": 64, "epochs": 6},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run whose learning rate is too low, and its config."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "slow.yaml").write_text(yaml.safe_dump(CONFIG))
    rn.run_experiment({**CONFIG, "output": str(folder / "slow")}, progress=False)
    return folder


def test_the_doctor_tells_of_a_run_what_diagnose_does(run, folder):
    code, printed, _ = run("doctor", folder / "slow")
    assert code == 0
    assert printed == f"{rn.diagnose(folder / 'slow')}\n"
    assert "fix       Raise the learning rate" in printed


def test_the_doctor_looks_at_a_config_before_its_run(run, folder):
    assert run("doctor", folder / "slow.yaml")[:2] == (0, "No problems were found.\n")
    code, printed, _ = run("doctor", folder / "slow.yaml", "--set", "training.batch_size=1")
    assert code == 0
    assert "extreme-batch-size" in printed


def test_the_doctor_looks_at_pairs_to_be_predicted(run, folder, tmp_path):
    pd.DataFrame({"who": ["u1", "nobody"], "what": ["i1", "nothing"]}).to_csv(tmp_path / "pairs.csv", index=False)
    words = ("--pairs", tmp_path / "pairs.csv", "--user", "who", "--item", "what")
    code, printed, _ = run("doctor", folder / "slow", *words)
    assert code == 0
    assert "50.0% of 2 pairs to be predicted have unknown ids" in printed


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("slow", "--set", "seed=1"), "--set changes a YAML file: leave it out"),
        (
            ("slow", "--user", "who"),
            "--user describes the file that --pairs names: give --pairs too, or leave --user out",
        ),
        (("slow.yaml", "--pairs", "pairs.csv"), "--pairs needs a finished run: leave it out"),
    ],
)
def test_options_of_the_other_sort_are_refused(run, folder, words, message):
    code, _, err = run("doctor", folder / words[0], *words[1:])
    assert code == 2
    assert message in err


def test_a_report_is_written_beside_the_run(run, folder):
    code, printed, _ = run("report", folder / "slow")
    assert code == 0
    assert "slow-report.html" in printed
    assert (folder / "slow-report.html").read_text(encoding="utf-8") == rn.build_report(folder / "slow").html


def test_a_report_does_not_replace_another_file(run, folder, tmp_path):
    (tmp_path / "notes.html").write_text("mine")
    code, _, err = run("report", folder / "slow", "--output", tmp_path / "notes.html")
    assert code == 2
    assert "exists and is not a report" in err
    assert run("report", folder / "slow", "--output", tmp_path / "notes.html", "--overwrite")[0] == 0


@pytest.mark.slow
def test_train_tells_of_findings_and_leaves_a_report(run, folder, tmp_path):
    code, printed, _ = run("train", folder / "slow.yaml", "--output", tmp_path / "run")
    assert code == 0
    assert "The doctor found learning-rate-too-low (training.learning_rate: 1e-05)" in printed
    assert (tmp_path / "run-report.html").is_file()


def test_a_report_that_fails_loses_no_run(run, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(report, "build_report", lambda *_: 1 / 0)
    code, printed, _ = run("train", folder / "slow.yaml", "--output", tmp_path / "run")
    assert code == 0
    assert "The report was not written: division by zero" in printed
    assert rn.Predictor.load(tmp_path / "run")
