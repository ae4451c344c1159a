import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import optuna
import pandas as pd
import pytest
import yaml
from filelock import FileLock
from pydantic import ValidationError

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
from recsys_nn.config.search import Range, SearchConfig, label
from recsys_nn.runs.finished import FinishedRun
from recsys_nn.selection.search.study import MAX_LOSSES, Study

DATA = {"source": "synthetic", "options": {"n_users": 60, "n_items": 40, "n_ratings": 1200}}
RUN = {
    "seed": 3,
    "data": DATA,
    "model": {"kind": "svd", "embedding_dim": 3, "l2": 1e-3},
    "training": {"epochs": 6, "patience": 2, "batch_size": 400, "learning_rate": 0.02},
}
GRID = {"method": "grid", "space": {"model.embedding_dim": [1, 2]}}
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


def test_a_grid_is_every_combination():
    search = SearchConfig(space={"a": [1, 2], "b": [[3], None]}, method="grid")
    assert search.grid == [{"a": 1, "b": [3]}, {"a": 1, "b": None}, {"a": 2, "b": [3]}, {"a": 2, "b": None}]
    assert (search.most_trials, search.model_copy(update={"trials": 3}).most_trials) == (4, 3)


def test_each_trial_is_an_ordinary_run(grid):
    assert grid.trials["model.embedding_dim"].tolist() == [1, 2]
    split = random_split(load_ratings("synthetic", **DATA["options"]), seed=3)
    for row in grid.trials.to_dict("records"):
        model = {**RUN["model"], "embedding_dim": row["model.embedding_dim"]}
        alone = run_experiment({**RUN, "model": model}, progress=False)
        assert row["rmse"] == alone.metrics["validation_rmse"]
        assert (row["state"], row["best_epoch"]) == ("complete", alone.run.best_epoch)
        folder = FinishedRun.load(grid.path / "trials" / f"{row['trial']:04d}")
        assert load_config(folder.folder / "config.yaml").model == alone.config.model
        assert evaluate(folder.predictor, split.validation).rmse == row["rmse"]
        assert folder.parts["test"]["ratings"] == 0


def test_the_winner_is_refitted_on_all_training_rows_and_judged_once(grid):
    best = grid.trials.sort_values("rmse").iloc[0]
    model = {**RUN["model"], "embedding_dim": int(best["model.embedding_dim"])}
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
    monkeypatch.setattr("recsys_nn.selection.search.search.run_on_split", lambda *_, **__: pytest.fail("trained again"))
    again = tune(searching(GRID), output=grid.path, progress=False)
    pd.testing.assert_frame_equal(again.trials, grid.trials)
    assert again.metrics == grid.metrics


@pytest.mark.slow
def test_a_search_that_goes_on_is_the_one_that_was_never_ended(tmp_path):
    whole = tune(searching(RANDOM), output=tmp_path / "whole", progress=False)
    tune(searching({**RANDOM, "trials": 1}), output=tmp_path / "parts", progress=False)
    parts = tune(searching(RANDOM), output=tmp_path / "parts", progress=False)
    different = ["seconds"]
    pd.testing.assert_frame_equal(parts.trials.drop(columns=different), whole.trials.drop(columns=different))
    assert parts.metrics["rmse"] == whole.metrics["rmse"]


@pytest.mark.slow
def test_the_values_of_the_config_are_tried_first(tmp_path):
    result = tune(searching({**RANDOM, "method": "tpe", "trials": 1}), progress=False)
    assert result.path is None
    first = result.trials.iloc[0]
    assert (first["training.learning_rate"], first["model.embedding_dim"]) == (0.02, 3)


@pytest.mark.slow
def test_folds_score_by_their_mean(tmp_path):
    search = {"method": "grid", "space": {"model.user_shrinkage": [2]}, "folds": 2}
    result = tune(searching(search, model={"kind": "bias"}), output=tmp_path / "search", progress=False)
    scores = [
        json.loads((tmp_path / "search" / "trials" / "0000" / f"fold-{n}" / "metrics.json").read_text()) for n in (1, 2)
    ]
    assert result.score == pytest.approx(np.mean([score["validation_rmse"] for score in scores]))
    assert (tmp_path / "search" / "winner" / "cross_validation.csv").is_file()
    assert result.predictor.encoder.n_ratings == 1080


@pytest.mark.slow
def test_ratings_in_memory(grid):
    first = {"method": "grid", "space": {"model.embedding_dim": [1]}}
    result = tune(searching(first, data={}), load_ratings("synthetic", **DATA["options"]), progress=False)
    assert result.score == grid.trials["rmse"][0]


@pytest.fixture
def quick_to_judge(monkeypatch):
    """Trials are pruned after one other, from their second epoch on."""
    pruner = optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=2)
    monkeypatch.setattr("recsys_nn.selection.search.study.PRUNER", pruner)


@pytest.mark.slow
def test_bad_trials_are_ended_early_and_kept_as_runs(tmp_path, quick_to_judge):
    search = {"method": "grid", "space": {"training.learning_rate": [0.02, 1e-6]}}
    result = tune(searching(search), output=tmp_path / "search", progress=False)
    assert result.trials["state"].tolist() == ["complete", "pruned"]
    assert result.trials["epochs"].tolist()[1] == 2
    pruned = FinishedRun.load(tmp_path / "search" / "trials" / "0001")
    assert pruned.predictor.encoder.n_ratings == 972


@pytest.mark.slow
def test_pruning_can_be_left_out(quick_to_judge):
    search = {"method": "grid", "space": {"training.learning_rate": [0.02, 1e-6]}, "prune": False}
    assert tune(searching(search), progress=False).trials["state"].tolist() == ["complete", "complete"]


@pytest.mark.slow
def test_trials_that_diverge_or_cannot_be_carried_out_are_told_and_the_search_goes_on(tmp_path):
    models = [{"kind": "svd", "embedding_dim": 2}, {"kind": "svd", "head": "multiclass"}]
    search = {"method": "grid", "space": {"model": models, "training.learning_rate": [0.02, 1e30]}}
    ratings = load_ratings("synthetic", **DATA["options"], step=None)
    result = tune(searching(search, data={}), ratings, progress=False)
    assert result.trials["state"].tolist() == ["complete", "diverged", "failed", "failed"]
    assert "loss is nan at learning rate 1e+30" in result.trials["message"][1]
    assert "multiclass" in result.trials["message"][2]
    assert result.best.model.kind == "svd"
    with pytest.raises(
        TrainingError,
        match=r"no trial was completed: 1 diverged; epoch 1: loss is nan at learning rate 1e\+30; "
        "the likely cause is that this rate is too high: lower it to 0.001$",
    ):
        tune(searching({"method": "grid", "space": {"training.learning_rate": [1e30]}}), progress=False)


@pytest.mark.parametrize(
    ("search", "message"),
    [
        (
            None,
            r"search is missing: name the values to try, such as search: \{space: "
            r"\{model.embedding_dim: \[8, 16, 32\], training.learning_rate: \{low: 0.001, high: "
            r"0.1, log: true\}\}\}$",
        ),
        ({"space": {}}, r"search.space must have at least 1 item, not \{\}$"),
        ({"space": {"model.embeding_dim": [1]}}, "search.space: model.embeding_dim: .*did you mean 'embedding_dim'"),
        (
            {"space": {"model.embedding_dim": [2, -1]}},
            "search.space: model.embedding_dim must be greater than or equal to 1, not -1$",
        ),
        (
            {"space": {"model.l2": {"low": 1, "high": 0}}},
            "search.space.model.l2: low must be less than high, not 1 with high 0$",
        ),
        (
            {"space": {"model.l2": {"low": 0, "high": 1, "log": True}}},
            "search.space.model.l2: low must be greater than 0 where log is true, not 0$",
        ),
        (
            {"space": {"model.l2": {"low": 1, "high": 9, "step": 5}}},
            "search.space.model.l2: step must divide the range from 1 to 9, which 5 does not$",
        ),
        ({"space": {"model.l2": {"low": 1, "hihg": 2}}}, "search.space.model.l2.hihg: .*; did you mean 'high'"),
        (
            {"space": {"model.l2": 0.1}},
            r"search.space.model.l2 must be a list of choices or a range \{low: ..., high: ...\}, "
            "not 0.1$",
        ),
        (
            {"space": {"model.l2": {"low": -1, "high": 1}}},
            "search.space: model.l2 must be greater than or equal to 0, not -1$",
        ),
        (
            {"space": {"data.source": ["a.csv"]}},
            "search.space.data.source must be a setting of model, training or ensemble$",
        ),
        (
            {"space": {"model.l2": {"low": 0.0, "high": 1.0}}, "method": "grid"},
            r"search.space.model.l2 must be a list of values in a grid, such as \[0.00, 0.33, "
            r"0.67, 1.00\], or have a step$",
        ),
        (
            {"space": {"model.l2": [1]}, "method": "grids"},
            "search.method must be one of 'tpe', 'random', 'grid', not 'grids'; did you mean "
            r"'grid'\?$",
        ),
        ({"space": {"model.l2": [1]}, "trails": 3}, "search.trails: there is no such key; did you mean 'trials'"),
    ],
)
def test_a_search_that_cannot_be_is_refused_before_a_trial(search, message):
    with pytest.raises(ConfigError, match=message):
        tune(searching(search))


@pytest.mark.slow
def test_values_that_are_refused_together_are_a_failed_trial():
    search = {"method": "grid", "space": {"model.kind": ["global_mean", "bias"], "model.user_shrinkage": [1]}}
    result = tune(searching(search, model={"kind": "bias"}), progress=False)
    assert result.trials["state"].tolist() == ["failed", "complete"]
    assert "model.user_shrinkage: there is no such key" in result.trials["message"][0]


@pytest.mark.slow
def test_an_error_of_keras_is_a_failed_trial():
    optimizers = [{"name": "adam", "beta_1": "x"}, "adam"]
    search = {"method": "grid", "space": {"training.optimizer": optimizers}}
    result = tune(searching(search, training={**RUN["training"], "epochs": 1}), progress=False)
    assert result.trials["state"].tolist() == ["failed", "complete"]
    assert "Error: " in result.trials["message"][0]


@pytest.mark.slow
def test_what_reports_no_rmse_is_not_pruned_by_the_errors_of_others(quick_to_judge):
    """A log loss, .6 and more, is not worse than a root mean squared error of .5."""
    search = {"method": "grid", "space": {"model.head": ["regression", "binary"]}}
    result = tune(searching(search, data={**DATA, "liked": 4}), progress=False)
    assert result.trials["state"].tolist() == ["complete", "complete"]


def test_a_trial_that_is_lost_again_and_again_is_given_up(tmp_path):
    config = load_config(searching({"method": "grid", "space": {"model.embedding_dim": [1]}}))
    for number in range(MAX_LOSSES):
        study = Study(config, {}, tmp_path)
        assert [trial.number for trial in study.trials()] == [number]
        study.close()
    study = Study(config, {}, tmp_path)
    assert list(study.trials()) == []
    assert study.table["state"].tolist() == ["lost"] * (MAX_LOSSES - 1) + ["failed"]
    assert "lost 3 times with the process" in study.table["message"].iloc[-1]


def test_a_grid_that_was_being_written_down_is_written_whole(tmp_path, monkeypatch):
    config = load_config(searching({"method": "grid", "space": {"model.embedding_dim": [2, 3, 4]}}))
    written = optuna.Study.enqueue_trial

    def until_the_second(study, params, **options):
        if params["model.embedding_dim"] == 4:
            raise KeyboardInterrupt
        written(study, params, **options)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(optuna.Study, "enqueue_trial", until_the_second)
        Study(config, {}, tmp_path)
    study = Study(config, {}, tmp_path)
    assert [trial.config.model.embedding_dim for trial in study.trials()] == [2, 3, 4]


@pytest.mark.parametrize(
    ("given", "values"),
    [
        ({"low": 1, "high": 3}, [1, 2, 3]),
        ({"low": 1, "high": 11, "step": 5}, [1, 6, 11]),
        ({"low": 0.0, "high": 0.3, "step": 0.1}, pytest.approx([0, 0.1, 0.2, 0.3])),
    ],
)
def test_the_grid_of_a_range_goes_from_end_to_end(given, values):
    assert Range(**given).grid("key") == values


def test_a_range_holds_what_its_steps_reach():
    assert [number in Range(low=4, high=28, step=4) for number in (4, 8, 10, 28, 32, True)] == [
        *(True, True, False, True, False, False)
    ]


def test_another_validation_part_or_table_of_features_is_another_search(tmp_path):
    config = load_config(searching(GRID))
    Study(config, {"validation part": "a", "table of features of users": "x"}, tmp_path).close()
    with pytest.raises(ArtifactError, match="holds a search with another validation part"):
        Study(config, {"validation part": "b", "table of features of users": "x"}, tmp_path)
    with pytest.raises(ArtifactError, match="holds a search with another table of features of users"):
        Study(config, {"validation part": "a", "table of features of users": "y"}, tmp_path)


def test_the_best_config_has_the_output_of_its_own_run(grid):
    assert (grid.config.output, grid.best.output) == (None, None)


def test_without_a_validation_part_there_is_nothing_to_score_by():
    data = {**DATA, "split": {"validation": 0}}
    with pytest.raises(
        ConfigError, match="search needs a validation part: set data.split.validation above 0, or set search.folds$"
    ):
        tune(searching(GRID, data=data))


def test_a_folder_of_something_else_is_left_alone(grid, tmp_path):
    (tmp_path / "thesis.tex").write_text("\\section{}")
    with pytest.raises(ArtifactError, match="exists and is not the folder of a search"):
        tune(searching(GRID), output=tmp_path, overwrite=True)
    with pytest.raises(ArtifactError, match="exists and is not the folder of a search"):
        tune(searching(GRID), output=grid.path / "winner")
    with pytest.raises(
        ArtifactError, match="holds a search with another training: choose another output, or start over"
    ):
        tune(searching(GRID, training={"epochs": 2}), output=grid.path)
    with (
        FileLock(grid.path / ".lock"),
        pytest.raises(ArtifactError, match="is in use by another process: wait for it, or choose another output$"),
    ):
        tune(searching(GRID), output=grid.path)


@pytest.mark.slow
def test_a_search_in_processes_that_was_killed_loses_only_the_trials_at_work(grid, tmp_path):
    space = {"model.embedding_dim": [1, 2, 3, 4]}
    config = searching({"method": "grid", "space": space, "workers": 2}, output=str(tmp_path / "killed"))
    (tmp_path / "run.yaml").write_text(yaml.safe_dump(config))
    command = [sys.executable, "-c", "from recsys_nn.cli import main; main()", "tune", str(tmp_path / "run.yaml")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert process.stdout.readline().startswith("trial ")
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    time.sleep(1.5)  # the workers see that they are alone
    folder = tmp_path / "killed-search"
    kept = {path.name for path in (folder / "trials").iterdir() if (path / "manifest.json").is_file()}
    result = tune(tmp_path / "run.yaml", overrides=["search.workers=1"], progress=False)
    states = result.trials["state"].value_counts()
    assert states["complete"] == 4
    assert states.get("lost", 0) <= 2
    assert kept
    scores = result.trials[result.trials["state"] == "complete"].set_index("model.embedding_dim")["rmse"]
    np.testing.assert_allclose(scores[[1, 2]], grid.trials["rmse"], rtol=1e-4)
    assert (folder / "winner" / "manifest.json").is_file()


@pytest.mark.parametrize(
    ("settings", "most"),
    [
        ({"method": "grid"}, 4),
        ({"method": "grid", "trials": 3}, 3),
        ({"method": "random", "trials": 9}, 9),
        ({"method": "random", "timeout": 60}, None),
    ],
)
def test_the_most_trials(settings, most):
    assert SearchConfig(space={"a": [1, 2], "b": [1, 2]}, **settings).most_trials == most


@pytest.mark.parametrize(
    ("choice", "shown"), [(None, None), (0.5, 0.5), ("relu", "relu"), ([64, 32], "[64, 32]"), ({"a": 1}, '{"a": 1}')]
)
def test_a_choice_is_shown_as_it_is_or_as_json(choice, shown):
    assert label(choice) == shown


def test_a_logarithmic_range_has_no_steps():
    with pytest.raises(
        ValidationError,
        match="search.space.a: step must be left out where log is true",
    ):
        SearchConfig(space={"a": {"low": 1, "high": 4, "log": True, "step": 1}})
