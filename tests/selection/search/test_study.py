"""The study of a search without a training: which trials are drawn, when they are bad, and what is kept of them."""

import numpy as np
import optuna
import pandas as pd
import pytest

from recsys_nn import ArtifactError, ConfigError, load_config
from recsys_nn.selection.search.study import MAX_LOSSES, Study, check_space
from recsys_nn.selection.search.trial import Outcome

RUN = {"seed": 3, "data": {"source": "synthetic"}, "model": {"kind": "svd", "embedding_dim": 3}, "output": "run"}
MODELS = [{"kind": "svd"}, {"kind": "gmf"}]
RANDOM = {
    "method": "random",
    "space": {
        "training.learning_rate": {"low": 0.001, "high": 0.1, "log": True},
        "model.l2": {"low": 0.0, "high": 1.0, "step": 0.25},
        "model.embedding_dim": {"low": 4, "high": 64, "log": True},
        "training.epochs": {"low": 2, "high": 8, "step": 3},
        "training.optimizer": ["adam", "sgd"],
    },
}


@pytest.fixture
def study(tmp_path, storages):
    """The study of a search section in one folder, begun or gone on with."""

    def of(search, data=None, **changes):
        return Study(load_config({**RUN, "search": search, **changes}), data or {}, tmp_path)

    of.anew = storages.clear
    return of


def drawn(study, n=None):
    """The values of the next trials, each of which ends with an error of 1."""
    found = []
    for trial in study.trials():
        study.tell(Outcome(trial.number, "complete", 1.0))
        found.append(study.table.iloc[trial.number][list(study._search.space)].tolist())
        if len(found) == n:
            break
    return found


def test_a_grid_is_tried_in_its_order(study):
    space = {"model.embedding_dim": [4, 8], "training.epochs": {"low": 1, "high": 2}}
    of_grid = study({"method": "grid", "space": space})
    trials = list(of_grid.trials())
    assert [(one.config.model.embedding_dim, one.config.training.epochs) for one in trials] == [
        *((4, 1), (4, 2), (8, 1), (8, 2))
    ]
    assert [one.number for one in trials] == [0, 1, 2, 3]
    assert [one.id for one in trials] == [0, 1, 2, 3]


def test_a_trial_is_a_run_below_the_folder_without_a_refit_or_a_cluster(study, tmp_path):
    search = {"method": "grid", "space": {"model.embedding_dim": [4]}}
    (trial,) = study(search, refit=True, cluster={"workers": 2}).trials()
    whole = load_config({**RUN, "model": {"kind": "svd", "embedding_dim": 4}})
    assert trial.config == whole.below(tmp_path, "trials/0000")
    assert trial.config.output.endswith("0000")


def test_values_of_the_config_are_tried_first_and_others_are_drawn_in_their_ranges(study):
    own = {"model": {"kind": "svd", "embedding_dim": 4, "l2": 0.5}, "training": {"epochs": 5, "learning_rate": 0.02}}
    first, *others = drawn(study(RANDOM | {"trials": 12}, **own))
    assert first[:4] == [0.02, 0.5, 4, 5]
    assert len(others) == 11
    for rate, l2, dim, epochs, optimizer in others:
        assert 0.001 <= rate <= 0.1
        assert l2 in (0, 0.25, 0.5, 0.75, 1)
        assert 4 <= dim <= 64
        assert epochs in (2, 5, 8)
        assert optimizer in ("adam", "sgd")
    assert len({optimizer for *_, optimizer in others}) == 2


def test_numbers_are_drawn_uniformly_or_by_factors(study):
    space = {
        "model.l2": {"low": 0.001, "high": 1.0, "log": True},
        "training.learning_rate": {"low": 0.001, "high": 1.0},
    }
    found = np.array(drawn(study({"method": "random", "space": space, "trials": 40})))
    assert 0.01 < np.median(found[:, 0]) < 0.1
    assert 0.25 < np.median(found[:, 1]) < 0.75


@pytest.mark.parametrize("method", ["random", "tpe"])
def test_a_search_that_goes_on_draws_as_one_that_was_never_ended(study, method):
    search = {"method": method, "space": RANDOM["space"], "trials": 14}
    whole = drawn(study(search))
    study.anew()
    parts = drawn(study(search), 12) + drawn(study(search))
    assert parts == whole
    study.anew()
    assert drawn(study(search, seed=4))[1:] != whole[1:]


def test_the_parzen_estimator_draws_what_is_like_the_best(study):
    """After ten random trials; a lower value is better here."""
    tpe = study({"space": {"model.l2": {"low": 0.0, "high": 1.0}}, "trials": 30}, model={"kind": "svd", "l2": None})
    values = []
    for trial in tpe.trials():
        values.append(trial.config.model.l2)
        tpe.tell(Outcome(trial.number, "complete", trial.config.model.l2))
    assert np.mean(values[20:]) < 0.5 * np.mean(values[:10])


def test_the_table_has_a_row_for_each_trial(study):
    space = {"model": MODELS, "training.learning_rate": [0.1], "training.patience": [None]}
    of_models = study({"method": "grid", "space": space | {"training.epochs": [1, 2, 3]}})
    trials = of_models.trials()
    one, two, three, four, _ = (next(trials) for _ in range(5))
    of_models.tell(Outcome(one.number, "complete", 0.75, best_epoch=2, epochs=3, seconds=1.5))
    of_models.tell(Outcome(two.number, "diverged", np.inf, message="loss is nan"))
    of_models.tell(Outcome(three.number, "failed", np.nan, message="no"))
    of_models.tell(Outcome(four.number, "pruned", 0.5, best_epoch=1, epochs=1, seconds=0.5))
    expected = pd.DataFrame(
        {
            "trial": [0, 1, 2, 3, 4],
            "state": ["complete", "diverged", "failed", "pruned", "running"],
            "rmse": [0.75, np.nan, np.nan, 0.5, np.nan],
            "best_epoch": [2, 0, 0, 1, 0],
            "epochs": [3, 0, 0, 1, 0],
            "seconds": [1.5, 0, 0, 0.5, 0],
            "message": ["", "loss is nan", "no", "", ""],
            "model": pd.Series(['{"kind": "svd"}'] * 3 + ['{"kind": "gmf"}'] * 2, dtype=object),
            "training.learning_rate": [0.1] * 5,
            "training.patience": pd.Series([None] * 5, dtype=object),
            "training.epochs": [1, 2, 3, 1, 2],
        }
    )
    pd.testing.assert_frame_equal(of_models.table, expected)


def test_the_best_is_the_first_of_the_least_error_that_came_to_its_end(study):
    grid = study({"method": "grid", "space": {"model.embedding_dim": [4, 5, 6, 7]}})
    assert grid.best is None
    ended = [("complete", 0.9), ("complete", 0.8), ("complete", 0.8), ("pruned", 0.1)]
    for trial, (state, score) in zip(grid.trials(), ended, strict=True):
        grid.tell(Outcome(trial.number, state, score))
    assert grid.best == load_config({**RUN, "model": {"kind": "svd", "embedding_dim": 5}})


def test_values_that_are_refused_together_fail_and_count(study):
    search = {"method": "grid", "space": {"model.kind": ["svd", "mlp"], "model.depth": [1]}}
    of_kinds = study(search, model={"kind": "mlp"})
    (trial,) = of_kinds.trials()
    assert (trial.number, trial.config.model.kind) == (1, "mlp")
    assert of_kinds.table["state"].tolist() == ["failed", "running"]
    assert of_kinds.table["message"][0].startswith("model.depth: there is no such key")


def test_no_trial_begins_after_the_time_is_up(study, monkeypatch):
    clock = iter([100.0, 104.9, 105.0])
    monkeypatch.setattr("recsys_nn.selection.search.study.time.monotonic", lambda: next(clock))
    timed = study({"method": "random", "space": {"model.embedding_dim": [4, 8]}, "timeout": 5})
    assert len(list(timed.trials())) == 1


def test_trials_are_bounded_by_their_number_over_all_parts(study):
    search = {"method": "random", "space": {"model.embedding_dim": [4, 8]}, "trials": 3}
    assert len(drawn(study(search), 2)) == 2
    assert len(drawn(study(search))) == 1
    assert len(drawn(study(search | {"trials": 5, "workers": 3, "timeout": 60}))) == 2


def test_what_was_lost_is_tried_again_but_not_for_ever(study):
    search = {"method": "random", "space": {"model.embedding_dim": {"low": 4, "high": 9}}, "trials": 2}
    values = []
    for _ in range(MAX_LOSSES):
        values.append(next(study(search).trials()).config.model.embedding_dim)
    assert len(set(values)) == 1
    (other,) = study(search).trials()
    assert other.number == MAX_LOSSES
    table = study(search).table
    assert table["state"].tolist() == ["lost", "lost", "failed", "lost"]
    assert table["message"].tolist() == ["", "", "lost 3 times with the process that was at work on it", ""]


@pytest.mark.parametrize(("state", "score"), [("complete", 0.5), ("diverged", np.inf), ("failed", np.nan)])
def test_a_trial_whose_end_was_told_but_not_its_study_is_ended(study, monkeypatch, state, score):
    search = {"method": "grid", "space": {"model.embedding_dim": [4, 8]}}
    begun = study(search)
    trial = next(begun.trials())
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Study, "_end", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        begun.tell(Outcome(trial.number, state, score, best_epoch=2, epochs=3, seconds=0.5, message="why"))
    again = study(search)
    assert again.table.loc[0, ["state", "best_epoch", "epochs", "message"]].tolist() == [state, 2, 3, "why"]
    kept = again._study.get_trials(deepcopy=False)[0]
    ended = optuna.trial.TrialState.FAIL if state == "failed" else optuna.trial.TrialState.COMPLETE
    assert (kept.state, kept.value) == (ended, None if state == "failed" else score)
    assert [one.number for one in again.trials()] == [1]


@pytest.mark.parametrize(
    "change", [{"output": "b"}, {"refit": True}, {"cluster": {"workers": 2}}, {"tracking": {"tensorboard": "b"}}]
)
def test_places_and_the_budget_may_change(study, change):
    search = {"method": "grid", "space": {"model.embedding_dim": [4, 8]}}
    study(search)
    study(search | {"trials": 1, "timeout": 9}, **change)
    study(search | {"workers": 2})


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"seed": 4}, "seed"),
        ({"data": {"train": "b"}}, "train"),
        ({"model": {"kind": "svd", "l2": 0.5}}, "model"),
        ({"search": {"method": "grid", "space": {"model.embedding_dim": [8]}}}, "search"),
        ({"search": {"method": "grid", "space": {"model.embedding_dim": [4]}, "folds": 2}}, "search"),
    ],
)
def test_nothing_else_may(study, tmp_path, change, named):
    search = {"method": "grid", "space": {"model.embedding_dim": [4]}}
    study(search, {"train": "a"})
    with pytest.raises(ArtifactError) as error:
        study(**{"search": search, "data": {"train": "a"}} | change)
    assert str(error.value) == (
        f"{tmp_path} holds a search with another {named}: choose another output, or start over (--overwrite, in "
        "Python overwrite=True)"
    )


def test_the_judge_prunes_what_is_worse_than_the_median_of_five_after_ten_epochs(study):
    grid = study({"method": "grid", "space": {"model.embedding_dim": [4, 5, 6, 7, 8, 9]}})
    trials = list(grid.trials())
    with grid.judge() as is_bad:
        for trial, error in zip(trials[:5], (0.1, 0.2, 0.3, 0.4, 0.5), strict=True):
            assert not any(is_bad(trial.id, epoch, error) for epoch in range(1, 13))
            grid.tell(Outcome(trial.number, "complete", error))
        assert [is_bad(trials[5].id, epoch, 0.31) for epoch in range(8, 12)] == [False, False, True, True]
    kept = grid._study.get_trials(deepcopy=False)[5].intermediate_values
    assert kept == {8: 0.31, 9: 0.31, 10: 0.31, 11: 0.31}


def test_without_pruning_no_trial_is_bad(study):
    grid = study({"method": "grid", "space": {"model.embedding_dim": [4, 5, 6, 7, 8, 9]}, "prune": False})
    trials = list(grid.trials())
    with grid.judge() as is_bad:
        for trial in trials[:5]:
            is_bad(trial.id, 12, 0.1)
            grid.tell(Outcome(trial.number, "complete", 0.1))
        assert not is_bad(trials[5].id, 12, 9.0)


@pytest.mark.parametrize("key", ["data.source", "search.trials", "output", "tracking.name", "cluster.workers", "refit"])
def test_trials_differ_in_nothing_but_model_training_and_ensemble(key):
    config = load_config({**RUN, "search": {"space": {key: [1]}}})
    with pytest.raises(ConfigError) as error:
        check_space(config)
    assert str(error.value) == f"search.space.{key} must be a setting of model, training or ensemble"
