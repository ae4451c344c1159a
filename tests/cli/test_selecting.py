import os
import re
import signal

import pytest
import yaml

from recsys_nn import Predictor, load_config
from recsys_nn.selection.search.display import SearchProgress

RUN = {
    "seed": 3,
    "data": {"source": "synthetic", "options": {"n_users": 60, "n_items": 40, "n_ratings": 1200}},
    "model": {"kind": "svd", "embedding_dim": 3},
    "training": {"epochs": 4, "batch_size": 400, "learning_rate": 0.02},
}
SEARCH = {"method": "grid", "space": {"model.embedding_dim": [1, 2], "model.l2": [1e-3]}}


@pytest.fixture
def write(tmp_path):
    def written(**sections):
        file = tmp_path / "run.yaml"
        file.write_text(yaml.safe_dump({**RUN, "output": str(tmp_path / "run"), **sections}))
        return file

    return written


@pytest.mark.slow
def test_folds_are_told_one_by_one_and_in_sum(run, write, tmp_path):
    code, out, err = run("cross-validate", write(), "--folds", 2, "--set", "training.epochs=2")
    assert (code, err) == (0, "")
    assert len(re.findall(r"fold \d of 2: RMSE \d\.\d{4}, best epoch \d of 2", out)) == 2
    assert re.search(r"RMSE \d\.\d{4} ± \d\.\d{4}, MAE .* a refit is trained for [12] epochs", out)
    assert not (tmp_path / "run").exists()


def test_a_refit_is_judged_and_saved(run, write, tmp_path):
    code, out, _ = run("cross-validate", write(), "--folds", 2, "--refit", "--output", tmp_path / "other")
    assert code == 0
    assert re.search(r"Test part, 120 ratings: RMSE \d\.\d{4}, MAE \d\.\d{4} \(bias baseline RMSE \d\.\d{4}\)", out)
    assert Predictor.load(tmp_path / "other").encoder.n_ratings == 1080
    code, _, err = run("cross-validate", write(), "--refit", "--output", tmp_path / "other")
    assert (code, "already holds a run" in err) == (2, True)


def test_an_output_without_a_refit_is_refused(run, write):
    assert run("cross-validate", write(), "--output", "x")[::2] == (
        2,
        "recsys-nn: --output names the run folder of --refit: add --refit, or leave --output out\n",
    )


def test_a_refit_without_a_place_is_refused_before_the_folds(run, write):
    code, out, err = run("cross-validate", write(output=None), "--refit")
    assert (code, out, err) == (
        2,
        "",
        "recsys-nn: --refit needs a run folder: name it with --output DIR, or as output in the config\n",
    )


@pytest.mark.slow
def test_a_search_tells_its_trials_the_best_and_the_test_part(run, write, tmp_path):
    code, out, err = run("tune", write(search=SEARCH))
    assert (code, err) == (0, "")
    assert len(re.findall(r"trial \d: complete, RMSE \d\.\d{4}, epoch \d of 4", out)) == 2
    assert re.search(r"2 complete; the best is trial [01], with RMSE \d\.\d{4} on held-out ratings:", out)
    assert re.search(r"  model.embedding_dim: [12]\n  model.l2: 0.001\n", out)
    assert "Test part, 120 ratings: RMSE" in out
    best = load_config(tmp_path / "run-search" / "best.yaml")
    assert Predictor.load(tmp_path / "run-search" / "winner").config == best.model
    again = run("tune", write(search=SEARCH))[1]
    assert "2 trials are kept from before" in again
    assert "trial 0: " not in again


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({}, "search is missing: name the values to try, such as search: {space:"),
        ({"search": {"space": {"model.embeding_dim": [1]}}}, "search.space: model.embeding_dim: there is no such key"),
        (
            {"search": SEARCH, "output": None},
            "the search needs a folder: name it with --output DIR, or as output in the config",
        ),
    ],
)
def test_a_search_that_cannot_be_is_one_line(run, write, sections, message):
    code, out, err = run("tune", write(**sections))
    assert (code, out) == (2, "")
    assert err.startswith(f"recsys-nn: {message}")


@pytest.mark.slow
def test_ctrl_c_keeps_the_trials_and_says_so(run, write, tmp_path, monkeypatch):
    shown = SearchProgress.update

    def interrupted(progress, outcome):
        shown(progress, outcome)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(SearchProgress, "update", interrupted)
    space = {"training.learning_rate": {"low": 0.01, "high": 0.1}}
    code, out, err = run("tune", write(search={"method": "random", "trials": 500, "space": space}))
    assert (code, err) == (130, "")
    assert out.startswith("trial 0: complete")
    told = out.replace("\n", "")
    assert re.search(r"Interrupted: the trials are kept in .*run-search\. The same command resumes the search\.", told)
    assert (tmp_path / "run-search" / "trials" / "0000" / "manifest.json").is_file()
