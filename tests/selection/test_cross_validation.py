import json
from dataclasses import replace
from statistics import mean, stdev

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
from recsys_nn.finished_run import FinishedRun

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
    assert validated.metrics["epochs"] == validated.epochs


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
    with pytest.raises(DataError, match="1201 folds of 1200 ratings"):
        cross_validate(SVDConfig(), RATINGS, folds=1201)
    with pytest.raises(ConfigError, match="workers=0 is not a number of processes"):
        cross_validate(SVDConfig(), RATINGS, workers=0)


def test_a_place_that_is_taken_costs_no_refit(validated, refitted):
    with pytest.raises(ArtifactError, match="already holds a run"):
        refit(validated, output=refitted.path, progress=False)
