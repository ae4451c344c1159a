import json
from contextlib import nullcontext
from dataclasses import replace
from statistics import mean, stdev
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recsys_nn import (
    ArtifactError,
    ConfigError,
    CrossValidation,
    DataError,
    Encoder,
    Predictor,
    Split,
    SVDConfig,
    cross_validate,
    evaluate,
    kfold,
    load_config,
    load_ratings,
    refit,
    run_experiment,
)
from recsys_nn.runs.finished import FinishedRun
from recsys_nn.selection import cross_validation as module

RATINGS = load_ratings("synthetic", n_users=60, n_items=40, n_ratings=1200)
RUN = {
    "seed": 3,
    "data": {"source": "synthetic", "options": {"n_users": 60, "n_items": 40, "n_ratings": 1200}},
    "model": {"kind": "svd", "embedding_dim": 3},
    "training": {"epochs": 12, "patience": 2, "batch_size": 200, "learning_rate": 0.02},
}
IN_MEMORY = RUN | {"data": {}}


@pytest.fixture(scope="module")
def validated():
    return cross_validate(IN_MEMORY, RATINGS, folds=3, progress=False)


@pytest.fixture(scope="module")
def refitted(validated, tmp_path_factory):
    return refit(validated, output=tmp_path_factory.mktemp("runs") / "refit", progress=False)


def test_each_fold_is_a_run_judged_on_the_part_that_it_was_trained_without(validated):
    for fold, part in zip(validated.folds, kfold(RATINGS, 3, seed=3), strict=True):
        alone = run_experiment(IN_MEMORY, Split(part.train, validation=part.test), progress=False)
        row = validated.table.iloc[fold.number - 1]
        assert (row["training"], row["validation"]) == (800, 400)
        assert row["rmse"] == evaluate(alone.predictor, part.test).rmse
        assert row["mae"] == evaluate(alone.predictor, part.test).mae
        assert row["best_epoch"] == alone.run.best_epoch
        assert fold.findings.run.model is None


def test_the_figures_are_mean_and_standard_deviation_over_the_folds(validated):
    errors = validated.table["rmse"].tolist()
    assert validated.metrics["rmse"] == pytest.approx(mean(errors))
    assert validated.metrics["rmse_std"] == pytest.approx(stdev(errors))
    errors = validated.table["mae"].tolist()
    assert validated.metrics["mae"] == pytest.approx(mean(errors))
    assert validated.metrics["mae_std"] == pytest.approx(stdev(errors))
    assert validated.metrics["epochs"] == validated.epochs
    assert set(validated.metrics) == {"rmse", "rmse_std", "mae", "mae_std", "epochs"}


def test_the_table_has_a_row_a_fold(validated):
    columns = ["fold", "training", "validation", "rmse", "mae", "best_epoch", "epochs", "stop_reason", "seconds"]
    assert list(validated.table) == columns
    assert validated.table["fold"].tolist() == [1, 2, 3]
    for row, fold in zip(validated.table.to_dict("records"), validated.folds, strict=True):
        found = fold.findings
        assert (row["epochs"], row["stop_reason"]) == (len(found.run.history), found.run.stop_reason)
        assert row["seconds"] == found.seconds > 0


def test_findings_of_all_folds(validated):
    found = validated.findings
    assert (found.means, found.seconds) == ("3 folds", pytest.approx(validated.table["seconds"].sum()))
    assert found.held_out.index.tolist() == list(range(1200))


def test_folds_are_told_one_by_one(validated, monkeypatch, capsys):
    monkeypatch.setattr(module, "_fold", lambda _, numbered: validated.folds[numbered[0] - 1])
    again = module.cross_validated(validated.config, validated.split, folds=3, progress=True)
    assert again.folds == validated.folds
    assert capsys.readouterr().out.splitlines() == [
        f"fold {row['fold']} of 3: RMSE {row['rmse']:.4f}, best epoch {row['best_epoch']} of {row['epochs']}, "
        f"{row['seconds']:.1f} s"
        for row in validated.table.to_dict("records")
    ]
    module.cross_validated(validated.config, validated.split, folds=3)
    assert capsys.readouterr().out == ""


def test_a_fold_leaves_nothing_and_ends_all_where_it_is_interrupted(validated, monkeypatch):
    ran = []

    def run_on_split(config, split):
        ran.append(config)
        run = replace(validated.folds[0].findings.run, stop_reason="interrupted")
        return SimpleNamespace(findings=replace(validated.folds[0].findings, run=run))

    monkeypatch.setattr(module, "run_on_split", run_on_split)
    config = load_config({**IN_MEMORY, "output": "run", "tracking": {"tensorboard": "logs"}, "refit": True})
    with pytest.raises(KeyboardInterrupt):
        cross_validate(config, RATINGS, folds=2, progress=False)
    assert ran == [load_config(IN_MEMORY)]


@pytest.mark.parametrize(("output", "place"), [(None, "own"), ("other", "other")])
def test_a_refit_has_the_output_of_its_config_unless_it_is_given(validated, monkeypatch, tmp_path, output, place):
    monkeypatch.chdir(tmp_path)
    asked, concluded, refitted = [], [], SimpleNamespace(run="run", metrics="metrics", path="path")
    tracking = SimpleNamespace(conclude=lambda *given: concluded.append(given))
    monkeypatch.setattr(module, "tracked", lambda *given: asked.append(given) or nullcontext(tracking))
    monkeypatch.setattr(module, "refit_on_split", lambda *given, **named: asked.append((*given, named)) or refitted)
    result = replace(validated, config=validated.config.model_copy(update={"output": "own"}))
    assert refit(result, output=output) is refitted
    config = validated.config.model_copy(update={"output": place, "refit": True})
    (of_tracking, (of_run, split, findings, named)) = asked
    assert of_tracking == (config, validated.split)
    assert (of_run, split, findings.means) == (config, validated.split, "3 folds")
    documents = {"cross_validation.csv": validated.table.to_csv(index=False, lineterminator="\n")}
    assert named == {"documents": documents, "overwrite": False, "progress": True}
    assert concluded == [("run", "metrics", "path")]


def test_all_ratings_in_memory_are_cut_and_of_a_config_all_but_its_test_part(monkeypatch):
    cut = []
    monkeypatch.setattr(
        module, "cross_validated", lambda config, split, **options: cut.append((config, split, options))
    )
    cross_validate(IN_MEMORY, RATINGS)
    cross_validate(RUN, folds=3, workers=2, progress=False, overrides=["seed=5"])
    (_, of_memory, usual), (config, of_config, options) = cut
    assert [len(part) for part in (of_memory.train, of_memory.validation, of_memory.test)] == [1200, 0, 0]
    assert [len(part) for part in (of_config.train, of_config.validation, of_config.test)] == [1080, 0, 120]
    assert usual == {"folds": 5, "workers": 1, "progress": True}
    assert (config.seed, options) == (5, {"folds": 3, "workers": 2, "progress": False})


@pytest.mark.parametrize(("best", "median"), [((4, 9, 5), 5), ((4, 9, 5, 6), 5), ((7, 7), 7)])
def test_a_refit_takes_the_median_of_the_best_epochs_the_lower_of_two(validated, best, median):
    folds = tuple(_with_best(validated.folds[0], epoch) for epoch in best)
    result = CrossValidation(validated.config, validated.split, folds)
    assert result.epochs == median
    assert result.findings.run.best_epoch == median


def _with_best(fold, epoch):
    return replace(fold, findings=replace(fold.findings, run=replace(fold.findings.run, best_epoch=epoch)))


def test_every_rating_is_predicted_once_by_a_network_that_has_not_seen_it(validated):
    held_out = validated.findings.held_out
    columns = ["user", "item", "rating"]
    expected = RATINGS.frame[columns].sort_values(columns, ignore_index=True)
    pd.testing.assert_frame_equal(held_out[columns].sort_values(columns, ignore_index=True), expected)


def test_a_refit_is_a_training_on_all_rows_without_validation(validated, refitted):
    settings = {**RUN["training"], "epochs": validated.epochs, "patience": None}
    by_hand = run_experiment({**IN_MEMORY, "training": settings}, Split(RATINGS), progress=False)
    pairs = RATINGS.frame[["user", "item"]]
    pd.testing.assert_frame_equal(refitted.predictor.predict(pairs), by_hand.predictor.predict(pairs))
    assert (len(refitted.split.train), len(refitted.split.validation)) == (1200, 0)


def test_the_run_folder_of_a_refit_says_how_it_came_about(validated, refitted):
    record = json.loads((refitted.path / "data.json").read_text())
    assert record["refit"] == {"epochs": validated.epochs, "chosen_by": "3 folds"}
    assert record["parts"]["validation"]["ratings"] == 0
    pd.testing.assert_frame_equal(pd.read_csv(refitted.path / "cross_validation.csv"), validated.table)
    assert load_config(refitted.path / "config.yaml").refit
    held_out = FinishedRun.load(refitted.path).held_out
    assert len(held_out) == 1200
    assert refitted.metrics["validation_rmse"] == pytest.approx(
        np.sqrt(np.square(held_out["rating"] - held_out["prediction"]).mean())
    )


def test_the_intervals_of_a_refit_rest_on_the_folds(refitted):
    predicted = Predictor.load(refitted.path).predict(RATINGS, interval=0.9)
    assert (predicted["lower"] <= predicted["prediction"]).all()
    held_out = FinishedRun.load(refitted.path).held_out
    spread = np.abs(held_out["rating"] - held_out["prediction"]).quantile(0.9)
    assert (predicted["upper"] - predicted["lower"]).mean() / 2 == pytest.approx(spread, rel=0.15)


@pytest.mark.slow
def test_the_test_part_of_a_config_is_in_no_fold_and_judged_on_after_the_refit():
    result = cross_validate({**RUN, "model": {"kind": "bias"}}, folds=2, progress=False)
    assert (len(result.split.train), len(result.split.test)) == (1080, 120)
    refitted = refit(result, progress=False)
    assert refitted.metrics["rmse"] == evaluate(refitted.predictor, result.split.test).rmse
    assert refitted.path is None


@pytest.mark.slow
def test_ratings_become_likes_in_the_folds_too():
    run = {**IN_MEMORY, "data": {"liked": 4}, "model": {"kind": "svd", "head": "binary"}}
    held_out = cross_validate(run, RATINGS, folds=2, progress=False).findings.held_out
    assert set(held_out["rating"]) == {0.0, 1.0}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["bias", "neumf", "svdpp", "autorec"])
def test_kinds_of_every_sort_are_cross_validated_and_refitted(kind):
    """In closed form, with a tower, with sets of the training part, with an autoencoder's inputs."""
    training = {"epochs": 1, "batch_size": 600}
    run = {**IN_MEMORY, "model": {"kind": kind}, "training": training}
    result = cross_validate(run, RATINGS, folds=2, progress=False)
    encoder = Encoder.fit(RATINGS)
    assert 0 < result.metrics["rmse"] < 4
    assert refit(result, progress=False).predictor.encoder.n_ratings == encoder.n_ratings


def test_a_refit_takes_the_median_of_the_temperatures_that_the_folds_found(validated):
    folds = [
        replace(fold, findings=replace(fold.findings, chosen={"temperature": temperature}))
        for fold, temperature in zip(validated.folds, (1.0, 0.25, 0.5), strict=True)
    ]
    result = CrossValidation(validated.config, validated.split, tuple(folds))
    assert result.findings.chosen == {"temperature": 0.5}
    assert validated.findings.chosen == {}


def test_the_plot_has_a_line_a_fold_and_the_median(validated):
    figure = validated.plot()
    axes, labels = figure.axes[0], [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["fold 1", "fold 2", "fold 3", f"epochs of a refit ({validated.epochs})"]
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "validation loss (mse)")
    assert "3 folds" in axes.get_title()


def test_too_many_folds_and_no_workers_are_refused():
    with pytest.raises(DataError, match="folds must be between 2 and the number of ratings, 1200, not 1201"):
        cross_validate(SVDConfig(), RATINGS, folds=1201)
    with pytest.raises(ConfigError, match="workers must be a positive integer such as 2, not 0$"):
        cross_validate(SVDConfig(), RATINGS, workers=0)


def test_what_is_no_cross_validation_is_not_refitted():
    with pytest.raises(ConfigError, match="^result must be a CrossValidation, which rn.cross_validate returns, not"):
        refit("runs/bias")


def test_a_place_that_is_taken_costs_no_refit(validated, refitted):
    with pytest.raises(ArtifactError, match="already holds a run"):
        refit(validated, output=refitted.path, progress=False)
