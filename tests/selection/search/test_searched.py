"""What a search does around its trials, which are made up: where they are carried out, the winner, the folder."""

import re
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib.image
import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from recsys_nn import ConfigError, Predictor, Ratings, SearchResult, Split, TrainingError, load_config, tune
from recsys_nn.cluster import check_seen
from recsys_nn.selection.search import search as module
from recsys_nn.selection.search.trial import Outcome, Trial

FRAME = pd.DataFrame({"user": list("aabbcc"), "item": list("xyxyxy"), "rating": [1.0, 2, 3, 4, 5, 1]})
SPLIT = Split(Ratings(FRAME), Ratings(FRAME[:2]), Ratings(FRAME[2:]))
SEARCH = {"method": "grid", "space": {"model.embedding_dim": [4, 8, 2]}}
RUN = {"model": {"kind": "svd"}, "search": SEARCH}
ENDS = {4: ("complete", 0.75), 8: ("complete", 0.5), 2: ("pruned", 0.25)}
METRICS = {"rmse": 0.625, "n": 4.0}


def ended(trial):
    state, score = ENDS[trial.config.model.embedding_dim]
    return Outcome(trial.number, state, score, best_epoch=3, epochs=5, seconds=1.5)


@pytest.fixture
def world(monkeypatch, storages):
    """What a search calls, in the place of which made-up results are given; and what it has called."""
    asked = SimpleNamespace(works=[], ran=[], validated=[], refitted=[], stop_reason="epochs", ended=ended)
    won = SimpleNamespace(predictor="winner", metrics=METRICS, run=asked)

    def results(work, trials, *, workers):
        asked.works.append((work, workers))
        return map(asked.ended, trials)

    monkeypatch.setattr(module, "results", results)
    monkeypatch.setattr(module, "run_on_split", lambda *given, **named: asked.ran.append((*given, named)) or won)
    monkeypatch.setattr(
        module, "cross_validated", lambda *given, **named: asked.validated.append((*given, named)) or "folds"
    )
    monkeypatch.setattr(module, "refit", lambda *given, **named: asked.refitted.append((*given, named)) or won)
    monkeypatch.setattr(SearchResult, "plot", lambda self: Figure(figsize=(2, 1)))
    return asked


def best(**changes):
    return load_config({"model": {"kind": "svd", "embedding_dim": 8}, "refit": True, **changes})


def test_the_winner_is_trained_on_the_split_and_judged_once(world, tmp_path, capsys):
    result = tune(RUN, SPLIT, output=tmp_path / "search")
    assert (result.config, result.best, result.score) == (load_config(RUN), best(), 0.5)
    assert (result.predictor, result.metrics, result.path) == ("winner", METRICS, tmp_path / "search")
    assert result.trials["state"].tolist() == ["complete", "complete", "pruned"]
    assert world.ran == [(best(output=str(tmp_path / "search" / "winner")), SPLIT, {"progress": True})]
    ((work, workers),) = world.works
    trial = SimpleNamespace(carried_out=lambda *given: given)
    split, folds, judge = work(trial)
    assert (split.train, split.validation, len(split.test)) == (SPLIT.train, SPLIT.validation, 0)
    assert (folds, workers, judge.func.__name__) == (None, 1, "judged")
    assert capsys.readouterr().out.splitlines() == [
        "trial 0: complete, RMSE 0.7500, epoch 3 of 5, 1.5 s; best 0.7500; embedding_dim 4",
        "trial 1: complete, RMSE 0.5000, epoch 3 of 5, 1.5 s; best 0.5000; embedding_dim 8",
        "trial 2: pruned, RMSE 0.2500, epoch 3 of 5, 1.5 s; best 0.5000; embedding_dim 2",
        "The best trial is trained again with validation, and then on all training rows:",
    ]


def test_the_folder_has_the_table_the_best_config_and_a_plot(world, tmp_path):
    tune(RUN, SPLIT, output=tmp_path, progress=False)
    assert (tmp_path / "trials.csv").read_bytes().decode() == (
        "trial,state,rmse,best_epoch,epochs,seconds,message,model.embedding_dim\n"
        "0,complete,0.75,3,5,1.5,,4\n1,complete,0.5,3,5,1.5,,8\n2,pruned,0.25,3,5,1.5,,2\n"
    )
    assert (tmp_path / "best.yaml").read_text() == best().to_yaml()
    assert matplotlib.image.imread(tmp_path / "search.png", format="png").shape == (120, 240, 4)
    assert world.ran[0][-1] == {"progress": False}


def test_texts_that_a_spreadsheet_would_run_are_defused(world, tmp_path):
    world.ended = lambda trial: replace(ended(trial), message="=1+1")
    tune(RUN, SPLIT, output=tmp_path, progress=False)
    assert pd.read_csv(tmp_path / "trials.csv")["message"].tolist() == ["'=1+1"] * 3


def test_folds_are_cut_of_all_but_the_test_part(world, tmp_path):
    tune(RUN | {"search": SEARCH | {"folds": 2, "workers": 3}}, SPLIT, output=tmp_path)
    ((work, workers),) = world.works
    split, folds, _ = work(SimpleNamespace(carried_out=lambda *given: given))
    assert (len(split.train), len(split.validation), len(split.test), folds, workers) == (8, 0, 0, 2, 3)
    ((config, whole, named),) = world.validated
    assert config == best(output=str(tmp_path / "winner"))
    assert (len(whole.train), len(whole.validation), whole.test) == (8, 0, SPLIT.test)
    assert named == {"folds": 2, "workers": 3, "progress": True}
    assert (world.refitted, world.ran) == ([("folds", {"progress": True})], [])


def test_an_interrupted_winner_ends_the_search(world):
    world.stop_reason = "interrupted"
    with pytest.raises(KeyboardInterrupt):
        tune(RUN, SPLIT, progress=False)


def test_without_a_good_trial_it_is_told_how_they_ended(world):
    world.ended = lambda trial: Outcome(
        trial.number, *(("failed", np.nan) if trial.number else ("diverged", np.inf)), message=f"why {trial.number}"
    )
    with pytest.raises(TrainingError) as error:
        tune(RUN, SPLIT, progress=False)
    assert str(error.value) == "no trial was completed: 2 failed, 1 diverged; why 2"


def test_the_folder_is_beside_that_of_the_run_or_nowhere(world, tmp_path):
    assert tune(RUN | {"output": str(tmp_path / "run")}, SPLIT, progress=False).path == Path(
        f"{tmp_path / 'run'}-search"
    )
    assert tune(RUN, SPLIT, progress=False).path is None
    place = Path(world.ran[-1][0].output).parent
    assert (place.name.startswith("recsys_nn.search."), place.exists()) == (True, False)


def test_a_search_that_stands_there_is_removed_where_it_is_to_be(world, tmp_path):
    tune(RUN, SPLIT, output=tmp_path, progress=False)
    (tmp_path / "trials" / "0000").mkdir(parents=True)
    (tmp_path / "notes").touch()
    tune(RUN, SPLIT, output=tmp_path, progress=False)
    assert (tmp_path / "notes").exists()
    tune(RUN, SPLIT, output=tmp_path, overwrite=True, progress=False)
    assert sorted(place.name for place in tmp_path.iterdir()) == [".lock", "best.yaml", "search.png", "trials.csv"]


def test_a_winner_is_kept_as_long_as_its_config_is_the_best(world, tmp_path, monkeypatch):
    tune(RUN, SPLIT, output=tmp_path, progress=False)
    (tmp_path / "winner").mkdir()
    (tmp_path / "winner" / "config.yaml").write_text(best(output="moved", tracking={"tensorboard": "logs"}).to_yaml())
    (tmp_path / "winner" / "metrics.json").write_text('{"rmse": 0.375}')
    monkeypatch.setattr(Predictor, "load", lambda place: f"kept in {place.name}")
    kept = tune(RUN, SPLIT, output=tmp_path, progress=False)
    assert (kept.predictor, kept.metrics, len(world.ran)) == ("kept in winner", {"rmse": 0.375}, 1)
    other = RUN["model"] | {"l2": 0.5}
    (tmp_path / "winner" / "config.yaml").write_text(best(model=other).to_yaml())
    assert tune(RUN, SPLIT, output=tmp_path, progress=False).predictor == "winner"
    assert (len(world.ran), (tmp_path / "winner").exists()) == (2, False)


def test_the_workers_of_a_cluster_carry_trials_out_and_ask_a_judge_here(world, tmp_path, monkeypatch):
    connections = []

    @contextmanager
    def answered_here(judge):
        yield f"asks {judge.func.__name__}"

    @contextmanager
    def connected(cluster):
        connections.append(cluster)
        yield

    def jobs_on_workers(cluster, work, trials, *, ended, lost, check):
        assert cluster.workers == 2
        assert (check.func, check.args) == (check_seen, (tmp_path / "search.db",))
        first, *others = trials
        split, folds, judge = work(SimpleNamespace(carried_out=lambda *given: given))
        assert (split.train, split.validation, len(split.test), folds) == (SPLIT.train, SPLIT.validation, 0, None)
        with judge() as is_bad:
            assert is_bad == "asks judged"
        assert [lost(first, times) for times in range(1, 6)] == [None] * 5
        ended(lost(first, 6))
        for trial in others:
            ended(world.ended(trial))

    for name, function in (("answered_here", answered_here), ("jobs_on_workers", jobs_on_workers)):
        monkeypatch.setattr(module, name, function)
    monkeypatch.setattr(module, "connected", connected)
    result = tune(RUN | {"cluster": {"workers": 2, "max_failures": 5}}, SPLIT, output=tmp_path, progress=False)
    assert result.trials["state"].tolist() == ["failed", "complete", "pruned"]
    assert result.trials["message"][0] == "more than 5 times its process was lost (cluster.max_failures)"
    assert world.ran[0][0] == best(output=str(tmp_path / "winner"))
    assert connections == [result.config.cluster]


@pytest.mark.parametrize(
    ("changes", "split", "message"),
    [
        (
            {"cluster": {"workers": 2, "address": "ray://far:10001"}},
            SPLIT,
            "cluster.address must be auto in a search, not ray://far:10001, as the trials are "
            "stored where the search starts: start it on a machine of the cluster",
        ),
        (
            {},
            Split(SPLIT.train),
            "search needs a validation part: set data.split.validation above 0, or set search.folds",
        ),
        (
            {"search": None},
            SPLIT,
            "search is missing: name the values to try, such as search: {space: "
            "{model.embedding_dim: [8, 16, 32], training.learning_rate: {low: 0.001, high: 0.1, "
            "log: true}}}",
        ),
    ],
)
def test_what_cannot_be_searched_is_told(changes, split, message):
    with pytest.raises(ConfigError) as error:
        tune(RUN | changes, split)
    assert str(error.value) == message


def test_a_notebook_shows_the_best_first_without_messages():
    trials = pd.DataFrame({"trial": [0, 1], "rmse": [0.91234, 0.5], "message": ["", "why"]})
    shown = SearchResult(load_config(RUN), trials, load_config(RUN), None, {}, None)._repr_html_()
    assert re.findall("<t[hd]>(.*?)</t[hd]>", shown) == ["trial", "rmse", "1", "0.5", "0", "0.9123"]


def test_a_trial_of_a_lost_process_has_no_error():
    lost = module._lost(3, Trial(7, 11, load_config(RUN)), 4)
    assert (lost.number, lost.state, np.isnan(lost.score)) == (7, "failed", True)
