import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import yaml
from filelock import FileLock

from recsys_nn import (
    ArtifactError,
    ConfigError,
    Predictor,
    TrainingError,
    evaluate,
    load_config,
    load_ratings,
    random_split,
    run_experiment,
    tune,
)
from recsys_nn.finished_run import FinishedRun

DATA = {"source": "synthetic", "options": {"n_users": 60, "n_items": 40, "n_ratings": 1200}}
RUN = {
    "seed": 3,
    "data": DATA,
    "model": {"kind": "svd", "embedding_dim": 3, "l2": 1e-3},
    "training": {"epochs": 6, "patience": 2, "batch_size": 400, "learning_rate": 0.02, "engine": "keras"},
}
GRID = {"method": "grid", "space": {"model.embedding_dim": [1, 2], "model.l2": [1e-4, 1e-2]}}
RANDOM = {
    "method": "random",
    "trials": 2,
    "space": {"training.learning_rate": {"low": 0.001, "high": 0.1, "log": True}, "model.embedding_dim": [1, 2, 3]},
}


def searching(search, **changes):
    return {**RUN, **changes, "search": search}


@pytest.fixture(scope="module")
def grid(tmp_path_factory):
    return tune(searching(GRID), output=tmp_path_factory.mktemp("searches") / "grid", progress=False)


def test_a_grid_is_every_combination_each_an_ordinary_run(grid):
    points = [(1, 1e-4), (1, 1e-2), (2, 1e-4), (2, 1e-2)]
    assert list(zip(grid.trials["model.embedding_dim"], grid.trials["model.l2"], strict=True)) == points
    split = random_split(load_ratings("synthetic", **DATA["options"]), seed=3)
    for row, (dim, l2) in zip(grid.trials.to_dict("records"), points, strict=True):
        model = {"kind": "svd", "embedding_dim": dim, "l2": l2}
        alone = run_experiment({**RUN, "model": model}, progress=False)
        assert row["rmse"] == alone.metrics["validation_rmse"]
        assert (row["state"], row["best_epoch"]) == ("complete", alone.run.best_epoch)
        folder = FinishedRun.load(grid.path / "trials" / f"{row['trial']:04d}")
        assert load_config(folder.folder / "config.yaml").model == alone.config.model
        assert evaluate(folder.predictor, split.validation).rmse == row["rmse"]
        assert folder.parts["test"]["ratings"] == 0


def test_the_winner_is_refitted_on_all_training_rows_and_judged_once(grid):
    best = grid.trials.sort_values("rmse").iloc[0]
    model = {**RUN["model"], "embedding_dim": int(best["model.embedding_dim"]), "l2": float(best["model.l2"])}
    alone = run_experiment({**RUN, "model": model, "refit": True}, progress=False)
    assert grid.score == best["rmse"] == alone.metrics["validation_rmse"]
    assert grid.metrics["rmse"] == alone.metrics["rmse"]
    assert grid.metrics["n"] == 120
    assert grid.predictor.encoder.n_ratings == 1080
    pd.testing.assert_frame_equal(
        Predictor.load(grid.path / "winner").predict(alone.split.test), alone.predictor.predict(alone.split.test)
    )


def test_the_folder_has_the_table_the_best_config_and_a_plot(grid):
    kept = pd.read_csv(grid.path / "trials.csv")
    pd.testing.assert_series_equal(kept["rmse"], grid.trials["rmse"])
    best = load_config(grid.path / "best.yaml")
    assert (best, best.search, best.refit) == (grid.best, None, True)
    assert (grid.path / "search.png").read_bytes().startswith(b"\x89PNG")


def test_a_finished_search_is_read_again_and_not_repeated(grid, monkeypatch):
    monkeypatch.setattr("recsys_nn.selection.search.run_on_split", lambda *_, **__: pytest.fail("trained again"))
    again = tune(searching(GRID), output=grid.path, progress=False)
    pd.testing.assert_frame_equal(again.trials, grid.trials)
    assert again.metrics == grid.metrics


def test_a_search_that_goes_on_is_the_one_that_was_never_ended(tmp_path):
    whole = tune(searching(RANDOM), output=tmp_path / "whole", progress=False)
    tune(searching({**RANDOM, "trials": 1}), output=tmp_path / "parts", progress=False)
    parts = tune(searching(RANDOM), output=tmp_path / "parts", progress=False)
    different = ["seconds"]
    pd.testing.assert_frame_equal(parts.trials.drop(columns=different), whole.trials.drop(columns=different))
    assert parts.metrics["rmse"] == whole.metrics["rmse"]


def test_the_values_of_the_config_are_tried_first(tmp_path):
    result = tune(searching({**RANDOM, "method": "tpe", "trials": 1}), progress=False)
    assert result.path is None
    first = result.trials.iloc[0]
    assert (first["training.learning_rate"], first["model.embedding_dim"]) == (0.02, 3)


def test_processes_score_as_this_one_does(grid, tmp_path):
    result = tune(searching({**GRID, "workers": 2}), output=tmp_path / "search", progress=False)
    np.testing.assert_allclose(result.trials["rmse"], grid.trials["rmse"], rtol=1e-4)


def test_folds_score_by_their_mean(tmp_path):
    search = {"method": "grid", "space": {"model.embedding_dim": [2]}, "folds": 2}
    result = tune(searching(search), output=tmp_path / "search", progress=False)
    scores = [
        json.loads((tmp_path / "search" / "trials" / "0000" / f"fold-{n}" / "metrics.json").read_text()) for n in (1, 2)
    ]
    assert result.score == pytest.approx(np.mean([score["validation_rmse"] for score in scores]))
    assert (tmp_path / "search" / "winner" / "cross_validation.csv").is_file()
    assert result.predictor.encoder.n_ratings == 1080


def test_ratings_in_memory(grid):
    first = {"method": "grid", "space": {"model.embedding_dim": [1], "model.l2": [1e-4]}}
    result = tune(searching(first, data={}), load_ratings("synthetic", **DATA["options"]), progress=False)
    assert result.score == grid.trials["rmse"][0]


def test_bad_trials_are_ended_early_and_kept_as_runs(tmp_path):
    """After five good trials, one that learns next to nothing is worse than their median at the tenth epoch."""
    rates = [0.02, 0.021, 0.022, 0.023, 0.024, 1e-6]
    search = {"method": "grid", "space": {"training.learning_rate": rates}}
    training = {**RUN["training"], "epochs": 15, "patience": None}
    result = tune(searching(search, training=training), output=tmp_path / "s", progress=False)
    last = result.trials.iloc[-1]
    assert (last["state"], result.trials["state"].tolist()[:-1]) == ("pruned", ["complete"] * 5)
    assert last["epochs"] == 10
    assert FinishedRun.load(tmp_path / "s" / "trials" / "0005").predictor.encoder.n_ratings == 972


def test_trials_that_diverge_or_cannot_be_carried_out_are_told_and_the_search_goes_on(tmp_path):
    models = [{"kind": "svd", "embedding_dim": 2}, {"kind": "svd", "head": "multiclass"}]
    search = {"method": "grid", "space": {"model": models, "training.learning_rate": [0.02, 1e30]}}
    ratings = load_ratings("synthetic", **DATA["options"], step=None)
    result = tune(searching(search, data={}), ratings, progress=False)
    assert result.trials["state"].tolist() == ["complete", "diverged", "failed", "failed"]
    assert "loss is nan at learning rate 1e+30" in result.trials["message"][1]
    assert "multiclass" in result.trials["message"][2]
    assert result.best.model.kind == "svd"
    with pytest.raises(TrainingError, match="no trial came to its end: 1 diverged; .*learning rate 1e\\+30"):
        tune(searching({"method": "grid", "space": {"training.learning_rate": [1e30]}}), progress=False)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (None, "search: say what to search, such as search: {space: {model.embedding_dim"),
        ({"space": {}}, "search.space: "),
        ({"space": {"model.embeding_dim": [1]}}, "search.space: model.embeding_dim: .*did you mean 'embedding_dim'"),
        ({"space": {"model.embedding_dim": [2, -1]}}, "search.space: model.embedding_dim: .*not -1"),
        ({"space": {"model.l2": {"low": 1, "high": 0}}}, "a range from 1.* to 0.* holds no numbers"),
        ({"space": {"model.l2": {"low": 0, "high": 1, "log": True}}}, "a logarithmic range cannot begin at 0"),
        ({"space": {"model.l2": {"low": -1, "high": 1}}}, "search.space: model.l2: "),
        ({"space": {"data.source": ["a.csv"]}}, "search.space.data.source: trials differ in model, training"),
        ({"space": {"model.l2": {"low": 0.0, "high": 1.0}}, "method": "grid"}, "search.space.model.l2: a grid needs"),
        ({"space": {"model.l2": [1]}, "method": "grids"}, "search.method: 'grids' is not known; did you mean 'grid'"),
        ({"space": {"model.l2": [1]}, "trails": 3}, "search.trails: there is no such key; did you mean 'trials'"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_a_trial(search, message):
    with pytest.raises(ConfigError, match=message):
        tune(searching(search))


def test_without_a_validation_part_there_is_nothing_to_score_by():
    data = {**DATA, "split": {"validation": 0}}
    with pytest.raises(ConfigError, match="search: there is no validation part to judge trials on; hold one out"):
        tune(searching(GRID, data=data))


def test_a_folder_of_something_else_is_left_alone(grid, tmp_path):
    (tmp_path / "thesis.tex").write_text("\\section{}")
    with pytest.raises(ArtifactError, match="exists and is not the folder of a search"):
        tune(searching(GRID), output=tmp_path, overwrite=True)
    with pytest.raises(ArtifactError, match="exists and is not the folder of a search"):
        tune(searching(GRID), output=grid.path / "winner")
    with pytest.raises(ArtifactError, match="holds a search with another training; choose another output, or begin"):
        tune(searching(GRID, training={"epochs": 2}), output=grid.path)
    with FileLock(grid.path / ".lock"), pytest.raises(ArtifactError, match="another process is at work on this search"):
        tune(searching(GRID), output=grid.path)


def test_a_search_that_was_killed_loses_only_the_trials_at_work(tmp_path):
    config = searching({**RANDOM, "trials": 4, "workers": 2}, output=str(tmp_path / "killed"))
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-c", "from recsys_nn.cli import main; main()", "tune", str(tmp_path / "run.yaml")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout.readline().startswith("trial ")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    time.sleep(1.5)  # the workers see that they are alone
    folder = tmp_path / "killed-search"
    kept = {path.name for path in (folder / "trials").iterdir() if (path / "manifest.json").is_file()}
    result = tune(tmp_path / "run.yaml", progress=False)
    states = result.trials["state"].value_counts()
    assert states["complete"] == 4
    assert states.get("lost", 0) <= 2
    assert kept
    assert (folder / "winner" / "manifest.json").is_file()
