from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest
from scipy.optimize import lsq_linear
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_predict

import recsys_nn as rn
from recsys_nn import ArtifactError, ConfigError, DataError, Encoder, Predictor, Ratings, run_experiment
from recsys_nn.experiment.blending import stacked
from recsys_nn.runs.data import load_split
from recsys_nn.runs.finished import FinishedRun, common_part

# The weights


def test_weights_by_hand():
    """Two runs that are orthogonal: w_k = a_k·b / a_k·a_k, and 0 where that is negative."""
    predicted = np.array([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 1.0]])
    weights, _ = stacked(predicted, np.array([1.0, 2.0, 1.0, 1.0, -1.0]), seed=0)
    np.testing.assert_allclose(weights, [1.5, 0.5, 0.0], atol=1e-12)


def test_weights_are_those_of_another_solver():
    rng = np.random.default_rng(0)
    actual = rng.normal(size=200)
    predicted = actual[:, None] * [0.5, 0.3, -0.2, 0.1] + rng.normal(size=(200, 4))
    weights, _ = stacked(predicted, actual, seed=0)
    expected = lsq_linear(predicted, actual, bounds=(0, np.inf), tol=1e-12)
    np.testing.assert_allclose(weights, expected.x, atol=1e-6)
    assert weights[2] == 0
    assert (weights > 0).sum() == 3


def test_cross_fitted_values_rest_on_the_other_folds():
    """One run: w of a fold is a·b / a·a over the rows of the others; five rows are five folds."""
    predicted, actual = np.array([[1.0], [1.0], [2.0], [1.0], [1.0]]), np.array([1.0, 2.0, 2.0, 3.0, 1.0])
    products, squares = predicted[:, 0] * actual, predicted[:, 0] ** 2
    expected = predicted[:, 0] * (products.sum() - products) / (squares.sum() - squares)
    for seed in (0, 1):
        np.testing.assert_allclose(stacked(predicted, actual, seed=seed)[1], expected, rtol=1e-12)


def test_weights_and_cross_fitted_values_are_those_of_scikit_learn():
    rng = np.random.default_rng(3)
    actual = rng.normal(size=203)
    predicted = actual[:, None] * [0.5, 0.3, -0.2] + rng.normal(size=(203, 3))
    regression = LinearRegression(fit_intercept=False, positive=True)
    folds = KFold(5, shuffle=True, random_state=7)
    expected = regression.fit(predicted, actual).coef_, cross_val_predict(regression, predicted, actual, cv=folds)
    for found, other in zip(stacked(predicted, actual, seed=7), expected, strict=True):
        np.testing.assert_allclose(found, other, rtol=1e-12)


# Predictors


def linear(encoder: Encoder, side: str, effects: np.ndarray) -> Predictor:
    """r = 3 + effects[row of the side]."""
    inputs = {name: keras.Input((), dtype="int32", name=name) for name in ("user", "item")}
    table = keras.layers.Embedding(len(effects), 1, name=f"{side}_effects")
    model = keras.Model(inputs, 3 + table(inputs[side]))
    table.set_weights([effects[:, None]])
    return Predictor(model, encoder)


@pytest.fixture(scope="module")
def two_families() -> tuple[dict[str, Predictor], Ratings]:
    """Ratings 3 + a_u + b_i + noise: one predictor knows a, one knows b, and one knows neither but noise of its own."""
    rng = np.random.default_rng(1)
    of_users, of_items = (effects - effects[1:].mean() for effects in (rng.normal(0, 0.5, 21), rng.normal(0, 0.5, 31)))
    users, items = (grid.ravel() for grid in np.meshgrid(np.arange(1, 21), np.arange(1, 31)))
    ratings = np.clip(3 + of_users[users] + of_items[items] + rng.normal(scale=0.1, size=600), 1, 5)
    table = Ratings(pd.DataFrame({"user": users, "item": items, "rating": ratings}), scale=(1, 5))
    split = rn.random_split(table, validation=0.5, test=0, seed=1)
    encoder = Encoder.fit(split.train)
    predictors = {
        "users": linear(encoder, "user", of_users),
        "items": linear(encoder, "item", of_items),
        "useless": linear(encoder, "user", rng.normal(scale=0.5, size=21)),
    }
    return predictors, split.validation


def test_runs_that_know_different_things_are_better_together(two_families):
    predictors, ratings = two_families
    blend = rn.blend(predictors, ratings)
    assert blend.table["run"].tolist() == ["users", "items", "useless"]
    assert blend.table["validation_rmse"].tolist() == pytest.approx(
        [rn.evaluate(predictor, ratings).rmse for predictor in predictors.values()]
    )
    np.testing.assert_allclose(blend.table["weight"], [1, 1, 0], atol=0.1)  # clipped ratings ask for a little less
    assert blend.rmse < blend.table["validation_rmse"].min() / 2
    assert blend.rmse <= blend.cross_fitted_rmse < 1.05 * blend.rmse
    assert (blend.n, blend.path) == (len(ratings), None)
    assert rn.evaluate(blend.predictor, ratings).rmse == pytest.approx(blend.rmse, rel=1e-5)


def test_a_run_that_is_worse_than_the_mean_weighs_nothing(two_families):
    predictors, ratings = two_families
    known = predictors["items"].model.get_layer("item_effects").get_weights()[0][:, 0]
    opposite = linear(predictors["items"].encoder, "item", -known)
    table = rn.blend({"users": predictors["users"], "opposite": opposite}, ratings).table
    assert table["weight"].tolist()[0] > 0.8
    assert table["weight"].tolist()[1] == 0


def test_the_folds_are_seeded(two_families):
    first, again, other = (rn.blend(*two_families, seed=seed).cross_fitted_rmse for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        (lambda runs, ratings: ([runs["users"]], ratings), ConfigError, "a blend needs two runs or more, not 1"),
        (
            lambda runs, ratings: ({"a": runs["users"], "b": rn.SVDConfig()}, ratings),
            ConfigError,
            "a blend needs finished runs, run folders or Predictors: 'a' is of type FinishedRun, 'b' is of ",
        ),
        (
            lambda runs, ratings: (runs, None),
            DataError,
            "users has no record of its validation part: give ratings that none of the runs was "
            r"trained on \(--ratings\)$",
        ),
        (
            lambda runs, ratings: (runs, ratings.take(range(4))),
            DataError,
            "a blend needs 5 ratings or more to fit its weights on, not 4$",
        ),
        (
            lambda runs, ratings: (runs, ratings.frame),
            DataError,
            r"ratings must be Ratings \(rn.load_ratings makes them\), not DataFrame$",
        ),
        (
            lambda runs, ratings: (runs, Ratings(ratings.frame.assign(rating=9.0))),
            DataError,
            "the first 9, are outside the training scale 1 to 5",
        ),
    ],
)
def test_what_cannot_be_blended_is_refused(two_families, change, error, message):
    with pytest.raises(error, match=message):
        rn.blend(*change(*two_families))


# Run folders


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Runs of one table: ``bias`` and ``svd`` share all parts, ``other`` has another seed, ``whole`` no validation."""
    folder = tmp_path_factory.mktemp("runs")
    rn.load_ratings("synthetic", n_users=50, n_items=40, n_ratings=1000).frame.to_csv(folder / "r.csv", index=False)
    data = {"source": str(folder / "r.csv"), "split": {"test": 0.2, "validation": 0.2}, "scale": [1, 5]}
    without = data | {"split": {"test": 0.2, "validation": 0}}
    features = {"features": {"rating": ["timestamp"]}}
    for name, kind, seed, of_run in (
        ("bias", {"kind": "bias"}, 7, data),
        ("svd", {"kind": "svd", "embedding_dim": 4}, 7, data),
        ("fm", {"kind": "fm", "embedding_dim": 2}, 7, data | features),
        ("other", {"kind": "bias"}, 8, data),
        ("whole", {"kind": "bias"}, 7, without),
        ("entire", {"kind": "user_mean"}, 7, without),
    ):
        config = {"seed": seed, "data": of_run, "model": kind, "output": str(folder / name)}
        run_experiment(config | {"training": {"epochs": 3, "batch_size": 100, "patience": None}}, progress=False)
    return folder


def split_of(folder: Path, name: str) -> rn.Split:
    config = rn.load_config(folder / name / "config.yaml")
    return load_split(config.data, config.seed)


@pytest.fixture(scope="module")
def blended(folder) -> rn.Blend:
    return rn.blend([folder / "bias", folder / "svd"], output=folder / "blend")


def test_weights_are_fitted_on_the_validation_part_that_runs_share(folder, blended):
    validation = split_of(folder, "bias").validation
    loaded = {name: Predictor.load(folder / name) for name in ("bias", "svd")}
    given = rn.blend(loaded, validation)
    pd.testing.assert_frame_equal(given.table, blended.table)
    assert given.cross_fitted_rmse == blended.cross_fitted_rmse


def test_the_folder_predicts_without_the_runs(folder, blended, tmp_path):
    again = Predictor.load(blended.path)
    test = split_of(folder, "bias").test
    pd.testing.assert_frame_equal(again.predict(test), blended.predictor.predict(test))


def test_a_blend_has_intervals(folder, blended):
    test = split_of(folder, "bias").test
    again = Predictor.load(blended.path)
    pd.testing.assert_frame_equal(again.predict(test, interval=0.9), blended.predictor.predict(test, interval=0.9))
    expected = blended.predictor.calibrated(split_of(folder, "bias").validation).calibration
    assert again.calibration.variance == pytest.approx(expected.variance, rel=1e-4, abs=1e-4)
    for name, scores in expected.scores.items():
        np.testing.assert_allclose(again.calibration.scores[name].quantiles, scores.quantiles, rtol=1e-3)
    assert 0.8 < rn.evaluate(again, test).coverage <= 1


def test_a_blend_is_a_finished_run_with_the_parts_of_its_members(folder, blended):
    run, first = FinishedRun.load(blended.path), FinishedRun.load(folder / "bias")
    assert run.fingerprints == first.fingerprints
    assert run.seconds == pytest.approx(first.seconds + FinishedRun.load(folder / "svd").seconds)
    pd.testing.assert_frame_equal(run.split().train.frame, first.split().train.frame)


def test_a_blend_is_compared_with_its_runs(folder, blended):
    table = rn.compare([blended.path, folder / "bias", folder / "svd"], resamples=20).table.set_index("model")
    test = split_of(folder, "bias").test
    assert table["rmse"]["blend"] == pytest.approx(rn.evaluate(blended.predictor, test).rmse)
    assert table["parameters"]["blend"] >= table["parameters"]["svd"]


def test_a_blend_is_blended_further(folder, blended, tmp_path):
    outer = rn.blend([blended.path, folder / "fm"], output=tmp_path / "outer")
    assert outer.rmse <= blended.rmse + 1e-9
    run = FinishedRun.load(tmp_path / "outer")
    assert run.fingerprints == FinishedRun.load(blended.path).fingerprints
    assert run.predictor.encoder.context_columns == ("timestamp",)


def test_given_ratings_become_the_validation_part_of_the_blend(folder, tmp_path):
    ratings = split_of(folder, "whole").test
    rn.blend([folder / "whole", folder / "entire"], ratings.take(range(50)), output=tmp_path / "half")
    half, whole = FinishedRun.load(tmp_path / "half"), FinishedRun.load(folder / "whole")
    assert half.parts["validation"]["ratings"] == 50
    assert half.fingerprints["test"] == whole.fingerprints["test"]


def test_the_test_part_is_one_no_longer_where_weights_were_fitted_on_it(folder, tmp_path):
    names = [folder / "whole", folder / "entire"]
    rn.blend(names, split_of(folder, "whole").test, output=tmp_path / "blend")
    assert set(FinishedRun.load(tmp_path / "blend").fingerprints) == {"train", "validation"}
    with pytest.raises(
        DataError,
        match="blend has no record of its test part: give ratings that none of the runs was "
        r"trained on \(--ratings\)$",
    ):
        rn.compare([tmp_path / "blend", *names])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (("bias", "other"), "other and bias were trained on different ratings: .*the same seed"),
        (
            ("whole", "entire"),
            "the validation part has no ratings: give ratings that none of the runs was trained "
            r"on \(--ratings\)$",
        ),
    ],
)
def test_runs_without_common_parts_are_refused(folder, names, message):
    with pytest.raises(DataError, match=message):
        rn.blend([folder / name for name in names])


def test_ratings_that_a_run_was_trained_on_are_refused(folder):
    with pytest.raises(DataError, match="640 of the 640 ratings are in the training part of "):
        rn.blend([folder / "bias", folder / "svd"], split_of(folder, "bias").train)


def test_ratings_that_a_blend_was_trained_on_are_refused(folder, blended):
    run = FinishedRun.load(blended.path)
    with pytest.raises(DataError, match="64 of the 64 ratings are in the training part of "):
        rn.blend([run.folder, folder / "svd"], split_of(folder, "bias").train.take(range(64)))


def test_a_place_that_is_taken_is_refused_before_the_work(folder, blended):
    with pytest.raises(ArtifactError, match="already holds a run"):
        rn.blend([folder / "bias", folder / "svd"], output=blended.path)
    rn.blend([folder / "bias", folder / "svd"], output=blended.path, overwrite=True)


def test_what_is_liked_stays_so(tmp_path):
    data = {"source": "synthetic", "options": {"n_users": 50, "n_items": 40, "n_ratings": 1000}, "liked": 4}
    for kind in ("bias", "user_mean"):
        run_experiment({"data": data, "model": {"kind": kind}, "output": str(tmp_path / kind)}, progress=False)
    rn.blend([tmp_path / "bias", tmp_path / "user_mean"], output=tmp_path / "blend")
    run = FinishedRun.load(tmp_path / "blend")
    ratings = rn.load_ratings("synthetic", n_users=50, n_items=40, n_ratings=1000)
    assert run.as_trained(ratings).scale == (0.0, 1.0)
    assert len(common_part({"blend": run}, "validation")) == run.parts["validation"]["ratings"]
