"""Searches whose trials are carried out by workers on Ray, against those of this process."""

import os
import signal
import time
from functools import partial
from pathlib import Path
from typing import Literal

import numpy as np
import optuna
import pandas as pd
import pytest

from recsys_nn import SVDConfig, load_config, load_ratings, register_model, tune
from recsys_nn.models.base import model_kind
from recsys_nn.selection.search.display import SearchProgress
from recsys_nn.selection.search.study import Study

pytest.importorskip("ray", reason="without Ray (recsys-nn[ray])")
pytestmark = pytest.mark.usefixtures("ray_session")

RUN = {
    "seed": 3,
    "data": {"source": "synthetic", "options": {"n_users": 60, "n_items": 40, "n_ratings": 1200}},
    "model": {"kind": "svd", "embedding_dim": 3, "l2": 1e-3},
    "training": {"epochs": 3, "patience": 2, "batch_size": 400, "learning_rate": 0.02},
}
SPACE = {"training.learning_rate": {"low": 0.001, "high": 0.1, "log": True}, "model.embedding_dim": [1, 2, 3]}
RATES = {"training.learning_rate": [0.02, 1e-6]}


@pytest.fixture
def early_decisions(monkeypatch):
    """Trials are pruned after one other, from their second epoch on, and drawn from others after three of them."""
    pruner = optuna.pruners.MedianPruner(n_startup_trials=1, n_warmup_steps=2)
    monkeypatch.setattr("recsys_nn.selection.search.study.PRUNER", pruner)
    monkeypatch.setattr(optuna.samplers, "TPESampler", partial(optuna.samplers.TPESampler, n_startup_trials=3))


@pytest.mark.parametrize(
    ("workers", "search", "states"),
    [
        pytest.param(
            2, {"method": "grid", "space": RATES, "folds": 2, "prune": False}, ["complete"] * 2, id="grid, folds"
        ),
        pytest.param(
            1,
            {"method": "tpe", "trials": 4, "space": SPACE, "prune": True},
            ["complete", "pruned", "pruned", "complete"],
            id="tpe, pruned",
        ),
    ],
)
def test_the_search_is_that_of_one_process(workers, search, states, early_decisions, tmp_path):
    alone = tune({**RUN, "search": search}, output=tmp_path / "alone", progress=False)
    shared = tune(
        {**RUN, "search": search, "cluster": {"workers": workers}}, output=tmp_path / "shared", progress=False
    )
    assert shared.trials["state"].tolist() == states
    pd.testing.assert_frame_equal(shared.trials.drop(columns="seconds"), alone.trials.drop(columns="seconds"))
    best = load_config(tmp_path / "shared" / "best.yaml")
    assert best.cluster.workers == workers
    assert best.model_copy(update={"cluster": None}) == load_config(tmp_path / "alone" / "best.yaml")
    assert shared.metrics["rmse"] == alone.metrics["rmse"]
    for place in (".", "trials", "trials/0000", "winner"):
        assert _names(tmp_path / "shared" / place) == _names(tmp_path / "alone" / place)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def _names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@pytest.fixture
def fragile(monkeypatch, tmp_path):
    """A kind of this process's own, whose builder kills its process the first ``deaths`` times."""
    monkeypatch.setattr("recsys_nn.models.base._kinds", dict(_kinds()))
    died = tmp_path / "died"
    died.mkdir()

    class FragileConfig(SVDConfig):
        kind: Literal["fragile"] = "fragile"
        deaths: int = 0

    @register_model(FragileConfig)
    def build(config, encoder):
        number = sum(name.startswith(f"{config.deaths}-") for name in os.listdir(died))
        if number < config.deaths:
            (died / f"{config.deaths}-{number}").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return model_kind("svd").build(config, encoder)

    return died


def _kinds():
    from recsys_nn.models import base

    return base._kinds


def test_a_trial_whose_process_is_killed_is_begun_anew_and_given_up_in_the_end(fragile, tmp_path):
    search = {"method": "grid", "space": {"model.deaths": [0, 1, 2]}}
    config = {**RUN, "model": {"kind": "fragile", "embedding_dim": 2}, "search": search}
    result = tune({**config, "cluster": {"workers": 1, "max_failures": 1}}, output=tmp_path / "search", progress=False)
    assert result.trials["state"].tolist() == ["complete", "complete", "failed"]
    assert result.trials["rmse"][0] == result.trials["rmse"][1]
    assert result.trials["message"][2] == "more than 1 times its process was lost (cluster.max_failures)"
    assert _names(fragile) == ["1-0", "2-0", "2-1"]


def test_a_search_that_was_interrupted_goes_on(monkeypatch, tmp_path):
    """Ctrl-C comes when the first of two trials has ended."""
    config = {**RUN, "search": {"method": "random", "trials": 2, "space": SPACE}, "cluster": {"workers": 2}}
    shown, began = SearchProgress.update, []

    def interrupted(progress, outcome):
        shown(progress, outcome)
        began.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(SearchProgress, "update", interrupted)
        tune(config, output=tmp_path / "search", progress=False)
    assert time.monotonic() - began[0] < 10
    assert len(began) == 1
    assert _names(tmp_path / "search") == [".lock", "search.db", "trials"]
    result = tune(config, output=tmp_path / "search", progress=False)
    alone = tune({**config, "cluster": None}, output=tmp_path / "alone", progress=False)
    states = result.trials["state"]
    assert (states == "complete").sum() == 2
    assert set(states) == {"complete", "lost"}
    scores = result.trials.loc[states == "complete", "rmse"]
    np.testing.assert_array_equal(np.sort(scores), np.sort(alone.trials["rmse"]))


def test_what_goes_wrong_here_ends_the_search(monkeypatch, tmp_path):
    def full(study, outcome):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Study, "tell", full)
    config = {**RUN, "data": {}, "search": {"method": "random", "trials": 3, "space": SPACE}, "cluster": {"workers": 1}}
    ratings = load_ratings("synthetic", **RUN["data"]["options"])
    with pytest.raises(OSError, match="No space left on device"):
        tune(config, ratings, output=tmp_path / "search", progress=False)
    assert _names(tmp_path / "search" / "trials") == ["0000"]
