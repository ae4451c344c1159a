"""What the steps of a run ask of each other; no network is trained."""

import json
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from recsys_nn import ConfigError, Encoder, Predictor, Split, SVDConfig, build_model, load_config, run_experiment
from recsys_nn.evaluation.evaluate import rmse_of
from recsys_nn.experiment import run as module
from recsys_nn.experiment import train as fitting
from recsys_nn.experiment.run import refit_on_split, run_on_split
from recsys_nn.experiment.train import check_ensemble, train_on_split
from recsys_nn.runs.data import described, provenance, related
from recsys_nn.runs.result import Findings
from recsys_nn.runs.unfinished import Unfinished
from tests.advice.cases import trained
from tests.models.contract import twenty_ratings
from tests.prediction.predictors import drawn

RATINGS = twenty_ratings()
SPLIT = Split(RATINGS.take(np.arange(14)), RATINGS.take(np.arange(14, 17)), RATINGS.take(np.arange(17, 20)))
CONFIG = load_config({"seed": 5, "model": {"kind": "svd", "embedding_dim": 2}, "training": {"epochs": 9}})
SHARED = CONFIG.model_copy(update={"cluster": load_config({"cluster": {"workers": 2}}).cluster})


@pytest.fixture
def asked(monkeypatch):
    """Calls of the next step that a test names: what it is given, by name too; then Ctrl-C."""

    def of(name):
        calls = []

        def step(*given, **named):
            calls.append((given, named))
            raise KeyboardInterrupt

        monkeypatch.setattr(module, name, step)
        return calls

    return of


def same_weights(model, seed):
    expected = build_model(CONFIG.model, Encoder.fit(SPLIT.train), seed=seed)
    return all(map(np.array_equal, model.get_weights(), expected.get_weights()))


@pytest.mark.parametrize("progress", [False, True])
def test_a_run_trains_the_network_of_its_seed_with_all_that_it_is_given(asked, monkeypatch, tmp_path, progress):
    calls, tracked = asked("train_on_split"), []

    @contextmanager
    def tracking(*given):
        tracked.append(given)
        yield SimpleNamespace(tell="tell")

    monkeypatch.setattr(module, "tracked", tracking)
    options = {"callbacks": ["mine"], "unfinished": Unfinished(tmp_path), "progress": progress}
    with pytest.raises(KeyboardInterrupt):
        run_on_split(SHARED, SPLIT, **options)
    (((model, encoder, split, training), named),) = calls
    assert (encoder.n_ratings, split, training) == (14, SPLIT, CONFIG.training)
    assert same_weights(model, 5)
    assert named == {
        "callbacks": ["mine"],
        "tell": "tell",
        "cluster": SHARED.cluster,
        "checkpoints": tmp_path / "training",
        "progress": progress,
    }
    assert tracked == [(SHARED, SPLIT)]


def test_features_of_the_config_are_what_the_network_reads(asked):
    calls = asked("train_on_split")
    table = RATINGS.with_features(item_features=RATINGS.frame[["item"]].drop_duplicates().assign(genre="war"))
    config = CONFIG.with_values({"data.features": {"item": ["genre"]}})
    with pytest.raises(KeyboardInterrupt):
        run_on_split(config, Split(table))
    findings = Findings(trained(), {}, None, "folds", 1.0)
    with pytest.raises(KeyboardInterrupt):
        refit_on_split(config, Split(table), findings)
    assert [list(given[1].features) for given, _ in calls] == [["item"], ["item"]]


def test_a_refit_trains_for_the_epochs_that_are_best(asked, tmp_path):
    calls, findings = asked("train_on_split"), Findings(trained(), {}, None, "folds", 1.0)
    for options in ({}, {"unfinished": Unfinished(tmp_path), "progress": True}):
        with pytest.raises(KeyboardInterrupt):
            refit_on_split(SHARED, SPLIT, findings, **options)
    (((model, _, split, training), usual), (_, named)) = calls
    assert (split, training) == (SPLIT, CONFIG.training.until(findings.run.best_epoch))
    assert same_weights(model, 5)
    assert usual == {"callbacks": [], "cluster": SHARED.cluster, "checkpoints": None, "progress": False}
    assert named == usual | {"checkpoints": tmp_path / "refit", "progress": True}


def test_a_refit_has_the_learning_rates_that_the_validation_has_found(asked):
    calls = asked("train_on_split")
    found = replace(trained(), history=pd.DataFrame({"epoch": [1, 2, 3], "learning_rate": [0.5, 0.5, 0.25]}))
    with pytest.raises(KeyboardInterrupt):
        refit_on_split(SHARED, SPLIT, Findings(found, {}, None, "folds", 1.0))
    (callback,) = calls[0][1]["callbacks"]
    callback.set_model(SimpleNamespace(optimizer=SimpleNamespace(learning_rate=None)))
    rates = []
    for epoch in range(4):
        callback.on_epoch_begin(epoch)
        rates.append(callback.model.optimizer.learning_rate)
    assert rates == [0.5, 0.5, 0.25, 0.25]


def test_without_a_validation_part_there_is_nothing_to_refit_with():
    message = "^refit needs a validation part: set data.split.validation above 0, or leave refit out$"
    with pytest.raises(ConfigError, match=message):
        run_on_split(CONFIG.model_copy(update={"refit": True}), Split(SPLIT.train))


@pytest.fixture
def untrained(monkeypatch):
    """Carries out a run whose trainings end for a reason and are not made, and which was begun 100 s ago."""

    def of(config, stop_reason="epochs", **settings):
        def step(model, encoder, split, training, **_):
            return replace(trained(stop_reason=stop_reason, **settings), model=model)

        monkeypatch.setattr(module, "train_on_split", step)
        unfinished = SimpleNamespace(seconds=100.0, run="digest", checkpoints=lambda stage: None)
        return run_on_split(config, SPLIT, unfinished=unfinished)

    return of


def test_a_run_records_its_parts_and_what_it_rests_on(untrained):
    found = untrained(CONFIG)
    assert found.finished.data == json.loads(json.dumps(provenance(None, SPLIT) | {"run": "digest"}))
    assert (found.findings.means, found.findings.chosen) == ("a validation part of 3 ratings", {})
    assert 100 < found.findings.seconds == found.metrics["seconds"] < 200
    assert found.metrics["best_epoch"] == trained().best_epoch
    assert found.metrics["validation_rmse"] == pytest.approx(rmse_of(found.predictor, SPLIT.validation))
    assert found.metrics["rmse"] == pytest.approx(rmse_of(found.predictor, SPLIT.test))
    assert (found.config, found.split, found.path) == (CONFIG, SPLIT, None)
    assert found.finished.config == CONFIG
    assert len(found.predictor.seen.items) == 14 + len(known_pairs(SPLIT))
    assert untrained(CONFIG.model_copy(update={"keep_ratings": False})).predictor.seen is None


def known_pairs(split):
    """Of the validation part, of users and items that training has seen."""
    frame, train = split.validation.frame, split.train.frame
    return frame[frame["user"].isin(train["user"]) & frame["item"].isin(train["item"])]


def test_a_refit_records_what_it_was_joined_by(untrained):
    found = untrained(CONFIG.model_copy(update={"refit": True}))
    whole, validation = SPLIT.without_validation(), SPLIT.validation
    expected = provenance(None, whole) | {"run": "digest"}
    expected["parts"]["refitted"] = described(validation) | related(validation, SPLIT.train)
    expected["refit"] = {"epochs": trained().best_epoch, "chosen_by": "a validation part of 3 ratings"}
    assert found.finished.data == json.loads(json.dumps(expected))
    assert found.predictor.encoder.n_ratings == 17
    assert len(found.findings.held_out) == 3
    assert found.run.seconds == 2 * trained().seconds
    assert 100 < found.metrics["seconds"] < 200


@pytest.mark.parametrize("reason", ["interrupted", "callback"])
def test_what_is_cut_short_is_not_refitted(untrained, reason):
    found = untrained(CONFIG.model_copy(update={"refit": True}), reason)
    assert (found.config.refit, found.split, "refit" in found.finished.data) == (False, SPLIT, False)


@pytest.mark.parametrize(("reason", "again"), [("interrupted", True), ("epochs", False), (None, True)])
def test_a_run_that_is_finished_is_not_repeated(monkeypatch, tmp_path, reason, again):
    ran = []
    training = None if reason is None else SimpleNamespace(stop_reason=reason)
    result = SimpleNamespace(run=SimpleNamespace(stop_reason="epochs"))
    monkeypatch.setattr(module, "run_before", lambda *_, **__: SimpleNamespace(training=training))
    monkeypatch.setattr(module, "as_result", lambda config, split, before: "what it gave")
    monkeypatch.setattr(module, "run_on_split", lambda *_, **named: ran.append(named["overwrite"]) or result)
    config = CONFIG.model_copy(update={"output": str(tmp_path / "run")})
    found = run_experiment(config, SPLIT, resume=True, progress=False)
    assert (found, ran) == ((result, [True]) if again else ("what it gave", []))


@pytest.fixture
def network():
    encoder = Encoder.fit(SPLIT.train)
    return build_model(CONFIG.model, encoder), encoder


def test_the_split_has_the_last_word_on_what_is_held_out(monkeypatch, network, tmp_path):
    made, fitted = [], []

    def trainer(config, **named):
        made.append((config, named))
        return SimpleNamespace(fit=lambda *given: fitted.append(given) or "run")

    monkeypatch.setattr(fitting, "Trainer", trainer)
    folders, encode = [], fitting.encoded
    monkeypatch.setattr(fitting, "encoded", lambda *given: folders.append(given[2]) or encode(*given))
    mine = CONFIG.training.model_copy(update={"validation": 0.5})
    assert train_on_split(*network, SPLIT, mine, progress=False) == "run"
    options = {"callbacks": ["mine"], "tell": "tell", "checkpoints": tmp_path, "progress": True}
    train_on_split(*network, Split(SPLIT.train), mine, **options)
    ((config, usual), (_, named)) = made
    assert config == CONFIG.training.model_copy(update={"validation": 0.0})
    assert usual == {"callbacks": (), "progress": False, "checkpoints": None}
    own, tracking, hint = named.pop("callbacks")
    assert (own, type(tracking).__name__, type(hint).__name__) == ("mine", "EpochTracking", "ClusterHint")
    assert (tracking._tell, hint._batch_size, type(hint._console)) == ("tell", mine.batch_size, Console)
    assert folders == [None, tmp_path]
    assert named == {"progress": True, "checkpoints": tmp_path}
    ((model, train, validation), (_, _, without)) = fitted
    assert model is network[0]
    np.testing.assert_array_equal(train.targets, SPLIT.train.frame["rating"])
    np.testing.assert_array_equal(validation.targets, SPLIT.validation.frame["rating"])
    assert without is None


def test_a_cluster_trains_what_there_is_to_train(monkeypatch, network, tmp_path):
    asked = []
    monkeypatch.setattr(fitting, "fit_on_workers", lambda *given, **named: asked.append((given, named)) or "shared")
    options = {"callbacks": ["mine"], "tell": "tell", "checkpoints": tmp_path, "progress": True}
    assert train_on_split(*network, SPLIT, CONFIG.training, cluster=SHARED.cluster, **options) == "shared"
    (((cluster, model, encoder, config, train, validation), named),) = asked
    assert (cluster, model, encoder) == (SHARED.cluster, *network)
    assert (config.validation, len(train), len(validation)) == (0.0, 14, 3)
    assert named == options
    mean = build_model(load_config({"model": {"kind": "global_mean"}}).model, network[1])
    run = train_on_split(mean, network[1], SPLIT, CONFIG.training, cluster=SHARED.cluster, progress=False)
    assert (run.stop_reason, len(asked)) == ("closed form", 1)


def test_a_network_that_is_better_than_its_average_is_warned_of(recwarn):
    average, run = drawn(SVDConfig(embedding_dim=2)), trained()
    alone = drawn(SVDConfig(embedding_dim=2))
    run = SimpleNamespace(model=alone.model)
    error = rmse_of(Predictor(alone.model, average.encoder), RATINGS)
    check_ensemble(run, average, RATINGS, error)
    assert len(recwarn) == 0
    check_ensemble(run, average, RATINGS, error + 0.25)
    assert str(recwarn.pop(UserWarning).message) == (
        f"ensemble: on validation the average (RMSE {error + 0.25:.4f}) is worse than the network alone "
        f"({error:.4f}): raise ensemble.samples or ensemble.burn_in, or set penalties that are 0 to null, such as "
        "model.bias_l2"
    )


@pytest.mark.parametrize(
    ("found", "progress", "printed"),
    [
        ("1 problem [sic]", True, "The doctor found 1 problem [sic]\n"),
        ("1 problem", False, ""),
        (None, True, ""),
    ],
)
def test_what_the_doctor_finds_is_printed(monkeypatch, capsys, found, progress, printed):
    result, connections = SimpleNamespace(run=SimpleNamespace(stop_reason="epochs")), []
    monkeypatch.setattr(module, "run_on_split", lambda *_, **__: result)
    monkeypatch.setattr(module, "diagnose", lambda _: found and SimpleNamespace(summary=found))
    monkeypatch.setattr(module, "connected", lambda cluster: connections.append(cluster) or nullcontext())
    assert run_experiment(SHARED, SPLIT, progress=progress) is result
    assert connections == [SHARED.cluster]
    assert capsys.readouterr().out == printed


def test_a_run_is_carried_out_as_it_is_asked_for(asked, tmp_path):
    calls = asked("run_on_split")
    for options in ({}, {"overwrite": True, "progress": False, "overrides": ["seed=6"]}):
        with pytest.raises(KeyboardInterrupt):
            run_experiment({"model": {"kind": "svd"}, "output": str(tmp_path / "run")}, SPLIT, **options)
    (((config, split), usual), ((other, _), named)) = calls
    assert (config.seed, other.seed, split) == (0, 6, SPLIT)
    unfinished = usual.pop("unfinished")
    assert unfinished.folder == tmp_path / "run.unfinished"
    assert len(unfinished.run) == 64
    assert unfinished.run != named.pop("unfinished").run
    assert (usual, named) == ({"overwrite": False, "progress": True}, {"overwrite": True, "progress": False})
