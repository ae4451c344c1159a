"""RatingRegressor: scikit-learn's own checks of it, and scikit-learn's tools at work on it."""

from __future__ import annotations

import importlib
import inspect
import os
import pickle
import subprocess
import sys
from types import SimpleNamespace
from typing import Literal

import numpy as np
import pandas as pd
import pytest
import sklearn
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.ensemble import BaggingRegressor
from sklearn.exceptions import DataConversionWarning, NotFittedError
from sklearn.inspection import permutation_importance
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    learning_curve,
    validation_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.fixes import parse_version

import recsys_nn as rn
from recsys_nn.errors import ArtifactError, ConfigError, DataError
from recsys_nn.models import base

# Name of a check: why it fails. (In the checks X has up to ten columns, of which the first two are the ids.)
EXPECTED_FAILURES: dict[str, str] = {}
if parse_version(sklearn.__version__) < parse_version("1.7.1"):
    EXPECTED_FAILURES["check_positive_only_tag_during_fit"] = (
        "it takes a float from integers in place, which NumPy refuses"
    )


TRACED_QUICKLY = {"optimizer": "sgd", "metrics": ()}
CHECKED = rn.RatingRegressor(
    training=rn.TrainConfig(epochs=2, validation=0, patience=None, **TRACED_QUICKLY), user=0, item=1
)


@pytest.mark.slow
@pytest.mark.usefixtures("untraced")
@parametrize_with_checks([CHECKED], expected_failed_checks=lambda _: EXPECTED_FAILURES)
def test_scikit_learns_own_checks(estimator, check):
    """All, with the default model; tests/conftest.py lists them at the end of the tests' output."""
    check(estimator)


RATINGS = rn.load_ratings("synthetic", n_users=40, n_items=30, n_ratings=400)
X, Y = RATINGS.frame[["user", "item"]], RATINGS.frame["rating"]
SVD = rn.SVDConfig(embedding_dim=3)
QUICK = rn.TrainConfig(epochs=3, batch_size=64, learning_rate=0.02, **TRACED_QUICKLY)
FOLDS = KFold(2, shuffle=True, random_state=5)


def regressor(model: rn.ModelConfig = SVD, training: rn.TrainConfig = QUICK, **parameters) -> rn.RatingRegressor:
    return rn.RatingRegressor(model, training, **parameters)


def bias(**parameters) -> rn.RatingRegressor:
    """Fitted in closed form, for tests of what comes before and after."""
    return rn.RatingRegressor(rn.BiasConfig(), **parameters)


def trained_by_hand(x, y, *, model: rn.ModelConfig = SVD, training: rn.TrainConfig = QUICK, seed: int) -> rn.Predictor:
    split = rn.random_split(rn.Ratings(x.assign(rating=y)), validation=0.1, test=0, seed=seed)
    encoder = rn.Encoder.fit(split.train)
    network = rn.build_model(model, encoder, seed=seed)
    trainer = rn.Trainer(training.model_copy(update={"seed": seed}), progress=False)
    trainer.fit(network, encoder.encode(split.train), encoder.encode(split.validation))
    return rn.Predictor(network, encoder)


def rmse_by_hand(**options) -> np.ndarray:
    errors = []
    for train, test in FOLDS.split(X):
        predicted = trained_by_hand(X.iloc[train], Y.iloc[train], **options).predict(X.iloc[test])["prediction"]
        errors.append(np.sqrt(np.mean((predicted.to_numpy() - Y.iloc[test].to_numpy()) ** 2)))
    return np.array(errors)


@pytest.fixture(scope="module")
def fitted() -> rn.RatingRegressor:
    return regressor(random_state=3).fit(X, Y)


@pytest.fixture(scope="module")
def by_bias() -> np.ndarray:
    """What the closed form predicts."""
    return bias().fit(X, Y).predict(X)


# Fitting and predicting


def test_a_fit_is_the_training_of_the_package_with_the_same_seed(fitted):
    by_hand = trained_by_hand(X, Y, seed=3).predict(X)["prediction"]
    np.testing.assert_array_equal(fitted.predict(X), by_hand)
    assert fitted.n_iter_ == fitted.run_.best_epoch
    assert list(fitted.feature_names_in_) == ["user", "item"]
    assert "val_loss" in fitted.run_.history


def test_the_held_out_ratings_calibrate_intervals(fitted):
    intervals = fitted.predictor_.predict(X, interval=0.8)
    assert (intervals["lower"] < intervals["upper"]).all()


def test_the_score_is_r2(fitted):
    residual, total = np.sum((Y - fitted.predict(X)) ** 2), np.sum((Y - Y.mean()) ** 2)
    assert fitted.score(X, Y) == pytest.approx(1 - residual / total)


def test_pairs_that_were_not_in_training_are_predicted_too():
    new = pd.DataFrame({"user": ["nobody"], "item": ["nothing"]})
    model = bias(training=rn.TrainConfig(validation=0, patience=None)).fit(X, Y)
    assert model.predict(new) == pytest.approx([Y.mean()])


@pytest.mark.slow
def test_refit_trains_on_all_ratings_for_the_epochs_that_validation_found():
    model = regressor(refit=True).fit(X, Y)
    assert model.predictor_.encoder.n_ratings == len(X)
    assert "val_loss" in model.run_.history


def test_few_ratings_are_trained_on_without_validation():
    x = pd.DataFrame({"user": [1, 1, 2, 2], "item": [1, 2, 1, 2]})
    with pytest.warns(
        UserWarning,
        match=(
            r"4 ratings are too few for validation=0\.1: 0 would be held out and 4 left for training; the "
            "training takes all 3 epochs without validation"
        ),
    ):
        model = regressor(refit=True).fit(x, [1, 2, 3, 5])
    assert model.n_iter_ == 3
    assert "val_loss" not in model.run_.history
    assert model.predictor_.encoder.n_ratings == 4


def test_an_integer_random_state_decides_everything():
    first, again = (bias(random_state=seed).fit(X, Y).predict(X) for seed in (3, np.int64(3)))
    np.testing.assert_array_equal(first, again)


def test_without_a_random_state_fits_differ():
    first, again = (bias(random_state=None).fit(X, Y).predict(X) for _ in range(2))
    assert np.abs(first - again).max() > 0.001


def test_the_training_has_a_seed_of_its_own_where_one_is_given(fitted):
    assert fitted.run_.config.seed == 3
    assert bias(random_state=3).set_params(training__seed=4).fit(X, Y).run_.config.seed == 4


# What X can be


def test_columns_are_recognised_or_named(by_bias):
    films = X.rename(columns={"user": "userId", "item": "movie_id"})
    named = X.rename(columns={"user": "who", "item": "what"})[["what", "who"]]
    np.testing.assert_array_equal(bias().fit(films, Y).predict(films), by_bias)
    np.testing.assert_array_equal(bias(user="who", item="what").fit(named, Y).predict(named), by_bias)
    with pytest.raises(
        DataError, match="X: there is no column for the user among 'what', 'who': set the option user to its column$"
    ):
        bias().fit(named, Y)


@pytest.mark.parametrize("container", [np.asarray, lambda frame: list(frame.itertuples(index=False, name=None))])
def test_an_array_or_a_list_has_the_columns_user_and_item(container, by_bias):
    model = bias().fit(container(X), Y)
    np.testing.assert_array_equal(model.predict(container(X)), by_bias)
    assert not hasattr(model, "feature_names_in_")


def test_ids_keep_their_type():
    pairs = [(1, "a"), (1, "b"), (2, "a"), (2, "b"), (3, "a"), (3, "b")]
    model = bias().fit(pairs, [1, 2, 3, 4, 5, 5])
    assert model.predictor_.encoder.id_types == {"user": "integer", "item": "string"}
    with pytest.raises(
        DataError,
        match="row 0: the user ids must be of type integer, as in training, not string as '1' is: "
        r"cast them \(1 of 1 would match then\)$",
    ):
        model.predict([("1", "a")])


def test_whole_numbers_of_an_array_of_floats_are_integer_ids():
    whole = X.apply(lambda ids: ids.str[1:].astype(int))
    model = bias().fit(whole.to_numpy(float), Y)
    np.testing.assert_array_equal(model.predict(whole.to_numpy(float)), bias().fit(whole, Y).predict(whole))
    assert model.predictor_.encoder.id_types == {"user": "integer", "item": "integer"}


@pytest.mark.parametrize("value", [2.5, 2.0**53])
def test_other_floats_are_no_ids(value):
    pairs = np.array([[1.0, 1.0], [1.0, 2.0], [value, 1.0]])
    with pytest.raises(
        DataError,
        match=(f"row 2: the user id must be an integer that float64 holds exactly, or a string, not {value!r}"),
    ):
        bias().fit(pairs, [1, 2, 3])


def test_the_largest_floats_that_are_one_whole_number_are_ids():
    pairs = np.array([[1.0, 1.0], [1.0, 2.0], [2.0**53 - 1, 1.0], [-(2.0**53) + 1, 2.0]])
    model = bias(training=rn.TrainConfig(validation=0, patience=None))
    ids = model.fit(pairs, [1, 2, 3, 4]).predictor_.encoder.users.ids
    assert sorted(ids) == [-(2**53) + 1, 1, 2**53 - 1]


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (np.array([[1, 2]]), r"Found array with 1 sample\(s\) .* while a minimum of 2 is required"),
        (np.array([[1], [2]]), r"Found array with 1 feature\(s\) .* while a minimum of 2 is required"),
    ],
)
def test_an_array_needs_two_rows_and_two_columns(pairs, message):
    with pytest.raises(ValueError, match=message):
        bias().fit(pairs, np.ones(len(pairs)))


def test_one_pair_is_predicted_and_ratings_may_be_a_column(by_bias):
    with pytest.warns(DataConversionWarning, match="A column-vector y was passed"):
        model = bias().fit(X.to_numpy(), Y.to_numpy()[:, None])
    np.testing.assert_array_equal(model.predict(X.to_numpy()[:1]), by_bias[:1])
    with pytest.raises(ValueError, match=r"inconsistent numbers of samples: \[400, 399\]"):
        bias().fit(X, Y[1:])


def test_scikit_learn_is_told_what_ids_are():
    tags = bias().__sklearn_tags__()
    assert (tags.input_tags.categorical, tags.input_tags.string, tags.regressor_tags.poor_score) == (True, True, True)
    assert tags.estimator_type == "regressor"


def test_floats_of_a_frame_whose_columns_have_types_are_no_ids():
    with pytest.raises(
        DataError,
        match="row 0: the user ids must be integers or strings, not floating as 1.0 is: convert "
        r"them, for example with frame\['user'\].astype\('int64'\) or .astype\(str\)$",
    ):
        bias().fit(pd.DataFrame({"user": [1.0, 2.0], "item": [1, 2]}), [1, 2])


def test_which_columns_of_a_wide_array_are_ids_is_not_guessed(by_bias):
    wide = np.column_stack([X["item"], Y, Y, X["user"]])
    with pytest.raises(
        DataError,
        match="X: there is no column for the user among '0', '1', '2', '3': set the option user to its column$",
    ):
        bias().fit(wide, Y)
    model = bias(user=3, item=0).fit(wide, Y)
    np.testing.assert_array_equal(model.predict(wide), by_bias)


@pytest.mark.slow
def test_a_third_column_of_an_array_is_the_time():
    model = regressor(features={"drift": "timestamp"})
    frame = RATINGS.frame[["user", "item", "timestamp"]]
    np.testing.assert_array_equal(
        model.fit(frame.to_numpy(), Y).predict(frame.to_numpy()), clone(model).fit(frame, Y).predict(frame)
    )
    assert model.predictor_.encoder.drift is not None


def test_features_stand_beside_the_ids_or_in_frames_of_their_own():
    model = regressor(
        rn.FMConfig(embedding_dim=2),
        features={"item": ["year"], "rating": ["device"]},
        item_features=RATINGS.item_features,
    )
    device = X.assign(device=np.where(np.arange(len(X)) % 2, "phone", "desk"))
    model.fit(device, Y)
    assert set(model.predictor_.encoder.features) == {"item", "rating"}
    switched = device.assign(device=device["device"].map({"phone": "desk", "desk": "phone"}))
    assert np.abs(model.predict(device) - model.predict(switched)).max() > 0
    with pytest.raises(DataError, match=r"X: rating features: there is no column 'device' \(known: item, user\)$"):
        clone(model).fit(X, Y)


def test_all_parameters_are_those_of_the_run(fitted, monkeypatch):
    """Texts of a DataFrame stay texts, though they be written as numbers."""
    asked = []
    result = SimpleNamespace(predictor=fitted.predictor_, run=fitted.run_)
    monkeypatch.setattr(
        "recsys_nn.experiment.run_on_split", lambda *given, **named: asked.append((*given, named)) or result
    )
    model = rn.RatingRegressor(
        SVD,
        QUICK.model_copy(update={"validation": 0.25}),
        ensemble=rn.PosteriorConfig(samples=3),
        refit=True,
        features={"rating": ["device"], "user": ["group"], "drift": "when"},
        user_features=RATINGS.user_features,
        item_features=RATINGS.item_features,
        user="who",
        item="what",
        scale=(0, 6),
        random_state=5,
        progress=True,
    )
    x = X.rename(columns={"user": "who", "item": "what"}).assign(device=["1", "2"] * 200, when=range(400), other=1)
    assert model.fit(x, Y) is model
    ((config, split, options),) = asked
    assert config == rn.load_config(
        {
            "seed": 5,
            "data": {"features": model.features, "split": {"validation": 0.25, "test": 0}},
            "model": SVD.model_dump(),
            "training": {"epochs": 3, "batch_size": 64, "learning_rate": 0.02, **TRACED_QUICKLY},
            "ensemble": {"samples": 3},
            "refit": True,
        }
    )
    assert options == {"progress": True}
    train = split.train
    assert (len(train), len(split.validation), len(split.test), train.scale) == (300, 100, 0, (0, 6))
    assert train.rating_features == ("device", "when")
    assert set(train.frame["device"]) == {"1", "2"}
    pd.testing.assert_frame_equal(train.user_features, RATINGS.user_features)
    pd.testing.assert_frame_equal(train.item_features, RATINGS.item_features)
    assert (model.predictor_, model.n_iter_) == (fitted.predictor_, fitted.run_.best_epoch)


def test_repeated_pairs_count_as_their_mean_unless_told_otherwise():
    twice, ratings = pd.concat([X, X]), np.concatenate([Y - 0.5, Y + 0.5])
    np.testing.assert_allclose(bias().fit(twice, ratings).predict(X), bias(scale=(0.5, 5.5)).fit(X, Y).predict(X))
    with pytest.raises(DataError, match="row 400: user .* already rated item .* at row 0"):
        bias(duplicates="error").fit(twice, ratings)


def test_what_is_no_rating_is_told():
    with pytest.raises(DataError, match="row 1: the rating must be a finite number, not nan$"):
        bias().fit(X[:3], [1, np.nan, 2])
    with pytest.raises(DataError, match="row 0: the rating 1 is outside the scale 2 to 5"):
        bias(scale=(2, 5)).fit(X[:3], [1, 3, 2])
    with pytest.raises(NotFittedError, match="This RatingRegressor instance is not fitted yet"):
        bias().predict(X)


# Parameters


def test_parameters_reach_into_the_configs():
    model = rn.RatingRegressor()
    assert model.get_params()["model__embedding_dim"] == rn.SVDConfig().embedding_dim
    assert model.get_params()["training__learning_rate"] == rn.TrainConfig().learning_rate
    assert not any("__" in name for name in model.get_params(deep=False))
    model.set_params(model__embedding_dim=5, training__optimizer="sgd", training__epochs=2)
    assert model.model == rn.SVDConfig(embedding_dim=5)
    assert model.get_params()["training__optimizer"] == "sgd"
    assert model.fit(X, Y).run_.config.optimizer.name == "sgd"


def test_a_model_and_its_parameters_can_be_set_together():
    model = regressor().set_params(model__widths=(4, 2), model=rn.NeuMFConfig(), training__epochs=1)
    assert model.model == rn.NeuMFConfig(widths=(4, 2))
    assert model.training == QUICK.model_copy(update={"epochs": 1})


def test_a_config_that_is_set_is_left_as_it_was():
    regressor().set_params(model__embedding_dim=9, training__epochs=9)
    assert SVD.embedding_dim == 3
    assert QUICK.epochs == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "model__embeding_dim",
            "^Invalid parameter 'model__embeding_dim' for estimator RatingRegressor: model is of type SVDConfig; did "
            "you mean 'embedding_dim'",
        ),
        ("training__lr", "Invalid parameter 'training__lr' for estimator RatingRegressor: training is of type TrainC"),
        ("ensemble__samples", "RatingRegressor: ensemble is of type NoneType"),
        ("model__kind", "Invalid parameter 'model__kind'"),
        ("modle", "Invalid parameter 'modle' for estimator RatingRegressor"),
    ],
)
def test_an_unknown_parameter_is_told_when_it_is_set(name, message):
    with pytest.raises(ValueError, match=message):
        regressor().set_params(**{name: 1})


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"model__embedding_dim": 0}, "model.embedding_dim must be greater than or equal to 1, not 0"),
        ({"training__validation": 2}, "training.validation must be less than 1, not 2"),
        ({"model": 3}, "model must be a valid dictionary or instance of ModelConfig, not 3$"),
        ({"training": 3}, "training must be a valid dictionary or instance of TrainConfig, not 3$"),
        ({"features": {"users": ["age"]}}, "data.features.users: there is no such key; did you mean 'user'"),
        ({"random_state": -1}, "seed must be greater than or equal to 0, not -1"),
    ],
)
def test_a_wrong_value_is_told_by_fit(parameters, message):
    with pytest.raises(ConfigError, match=message):
        regressor().set_params(**parameters).fit(X, Y)


def test_parameters_are_kept_as_they_are_given():
    given = {name: object() for name in inspect.signature(rn.RatingRegressor).parameters}
    assert rn.RatingRegressor(**given).get_params(deep=False) == given


def test_a_clone_has_the_same_parameters_and_is_not_fitted(fitted):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    assert not hasattr(copy, "predictor_")


# scikit-learn's tools


@pytest.mark.slow
def test_cross_validation_gives_what_a_loop_over_the_folds_gives():
    scores = cross_val_score(regressor(random_state=3), X, Y, cv=FOLDS, scoring="neg_root_mean_squared_error")
    np.testing.assert_allclose(-scores, rmse_by_hand(seed=3), rtol=1e-5)
    assert cross_val_predict(bias(), X, Y, cv=FOLDS).shape == (len(X),)


@pytest.mark.slow
def test_a_grid_search_in_two_processes_picks_what_a_loop_picks():
    grid = [{"model": [rn.BiasConfig()], "model__item_shrinkage": [0.0, 50.0]}, {"model": [rn.ItemMeanConfig()]}]
    search = GridSearchCV(regressor(), grid, cv=FOLDS, scoring="neg_root_mean_squared_error", n_jobs=2).fit(X, Y)
    tried = [rn.BiasConfig(item_shrinkage=0), rn.BiasConfig(item_shrinkage=50), rn.ItemMeanConfig()]
    errors = [rmse_by_hand(model=model, seed=0).mean() for model in tried]
    np.testing.assert_allclose(-search.cv_results_["mean_test_score"], errors, rtol=1e-5)
    assert search.best_estimator_.predictor_.config == tried[int(np.argmin(errors))]


@pytest.mark.slow
def test_a_pickled_estimator_predicts_the_same_in_another_process(fitted):
    pickled = pickle.dumps(fitted)
    ((process, predicted),) = Parallel(n_jobs=2)([delayed(lambda: (os.getpid(), pickle.loads(pickled).predict(X)))()])
    assert process != os.getpid()
    np.testing.assert_array_equal(predicted, fitted.predict(X))


@pytest.mark.slow
def test_a_randomised_search_draws_from_the_configs_parameters():
    space = {"model__item_shrinkage": [1.0, 5.0, 25.0], "training__validation": [0.1, 0.2]}
    search = RandomizedSearchCV(bias(), space, n_iter=2, cv=FOLDS, random_state=0).fit(X, Y)
    best = search.best_params_
    assert search.best_estimator_.predictor_.config.item_shrinkage == best["model__item_shrinkage"]
    assert search.best_estimator_.predictor_.encoder.n_ratings == len(X) * (1 - best["training__validation"])


@pytest.mark.slow
def test_validation_and_learning_curves():
    stronger = rn.RatingRegressor(rn.BiasConfig(item_shrinkage=50))
    weak, strong = (cross_val_score(bias(), X, Y, cv=FOLDS), cross_val_score(stronger, X, Y, cv=FOLDS))
    shrinkage = {"param_name": "model__item_shrinkage", "param_range": [rn.BiasConfig().item_shrinkage, 50]}
    _, by_shrinkage = validation_curve(bias(), X, Y, cv=FOLDS, **shrinkage)
    np.testing.assert_allclose(by_shrinkage, [weak, strong])
    sizes, _, by_size = learning_curve(bias(), X, Y, cv=FOLDS, train_sizes=[0.5, 1.0])
    assert list(sizes) == [100, 200]
    np.testing.assert_allclose(by_size[1], weak)


def test_a_pipeline_can_end_in_it():
    raw = X.rename(columns={"user": "who", "item": "what"}).assign(price=1.5)
    rename = FunctionTransformer(lambda frame: frame.rename(columns={"who": "user", "what": "item"})[["user", "item"]])
    pipeline = make_pipeline(rename, bias())
    pipeline.set_params(ratingregressor__model__item_shrinkage=3.0)
    expected = rn.RatingRegressor(rn.BiasConfig(item_shrinkage=3.0)).fit(X, Y).predict(X)
    np.testing.assert_array_equal(pipeline.fit(raw, Y).predict(raw), expected)


def test_resampling_may_repeat_rows():
    bagged = BaggingRegressor(bias(), n_estimators=2, random_state=0).fit(X, Y)
    members = [member.predict(X.to_numpy()) for member in bagged.estimators_]
    np.testing.assert_allclose(bagged.predict(X), np.mean(members, axis=0))


def test_shuffled_ids_are_worth_less():
    importance = permutation_importance(bias().fit(X, Y), X, Y, n_repeats=3, random_state=0)
    assert (importance.importances_mean > 0.05).all()


# Pickles


def test_a_pickle_keeps_intervals_and_history_and_can_be_trained_again(fitted):
    again = pickle.loads(pickle.dumps(fitted))
    pd.testing.assert_frame_equal(again.predictor_.predict(X, interval=0.8), fitted.predictor_.predict(X, interval=0.8))
    pd.testing.assert_frame_equal(again.run_.history, fitted.run_.history)
    assert again.run_.model is again.predictor_.model
    np.testing.assert_array_equal(again.fit(X, Y).predict(X), fitted.predict(X))


@pytest.mark.slow
def test_an_average_over_the_posterior_is_pickled_whole():
    model = regressor(
        ensemble=rn.PosteriorConfig(samples=2, thin=1, burn_in=1, temperature=0.5, penalties="fixed")
    ).fit(X, Y)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X), model.predict(X))


def test_a_kind_of_ones_own_must_be_registered_where_it_is_loaded(monkeypatch):
    class OwnConfig(rn.ModelConfig):
        kind: Literal["own"] = "own"

    monkeypatch.setattr(base, "_kinds", dict(base._kinds))
    rn.register_model(OwnConfig)(lambda config, encoder: rn.build_model(rn.BiasConfig(), encoder))
    model = rn.RatingRegressor(OwnConfig()).fit(X, Y)
    restored, arguments = model.predictor_.__reduce__()
    del base._kinds["own"]
    with pytest.raises(ArtifactError, match="there is no model kind 'own'.*import the module that registers it"):
        restored(*arguments)


def test_naming_it_loads_no_tensorflow():
    script = "import sys, recsys_nn as rn; rn.RatingRegressor(rn.NeuMFConfig()); print('tensorflow' in sys.modules)"
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    assert printed.strip() == "False"


def test_what_must_be_installed_is_told(monkeypatch):
    monkeypatch.delitem(sys.modules, "recsys_nn.estimator")
    for module in ("sklearn", "sklearn.base"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        ConfigError,
        match=r"^RatingRegressor needs sklearn, which is not installed: pip install 'recsys-nn\[sklearn\]'$",
    ):
        importlib.import_module("recsys_nn.estimator")
