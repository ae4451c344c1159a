import pandas as pd
import pytest

from recsys_nn import PosteriorConfig, Ratings, Suggestion, load_config, load_ratings, run_experiment, suggest
from recsys_nn.advice.suggest import suggesting
from recsys_nn.advice.suggest.suggestion import Choice
from recsys_nn.config.run import DataConfig
from recsys_nn.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def ratings() -> Ratings:
    return load_ratings("synthetic", n_users=60, n_items=40, n_ratings=1500, years=None)


@pytest.fixture(scope="module")
def suggestion(ratings) -> Suggestion:
    return suggest(ratings, kind="svd", seed=3, progress=False)


@pytest.mark.slow
def test_a_suggestion_is_complete(suggestion, ratings, tmp_path):
    keys = [choice.key for choice in suggestion.choices]
    assert keys == [
        *("seed", "data.split"),
        *("model.kind", "model.head", "model.embedding_dim", "model.l2", "model.bias_l2"),
        *("training.optimizer", "training.batch_size", "training.learning_rate", "training.epochs"),
        *("training.patience", "ensemble", "refit"),
    ]
    assert all(choice.reason for choice in suggestion.choices)
    assert "1,500 ratings" in suggestion.title
    (tmp_path / "suggested.yaml").write_text(suggestion.to_yaml(), encoding="utf-8")
    assert load_config(tmp_path / "suggested.yaml") == suggestion.config


@pytest.mark.slow
def test_rate_and_epochs_are_tried_out(suggestion):
    assert 0.001 <= suggestion.config.training.learning_rate <= 0.05
    assert suggestion.config.training.epochs in (20, 100)
    assert (
        "In a trial validation loss went from" in suggestion.reasons.set_index("key").loc["training.epochs", "reason"]
    )


@pytest.mark.slow
def test_the_same_seed_gives_the_same_whatever_the_test_part_holds(suggestion, ratings):
    test = suggestion.config.data.split.apply(ratings, 3).test.frame[["user", "item"]]
    frame = ratings.frame.merge(test, how="left", indicator=True)
    changed = frame["rating"].where(frame["_merge"] == "left_only", 6 - frame["rating"])
    other = Ratings(ratings.frame.assign(rating=changed.to_numpy()), scale=ratings.scale)
    assert suggest(other, kind="svd", seed=3, progress=False).choices == suggestion.choices


@pytest.mark.slow
def test_the_config_is_a_run_on_the_same_ratings(suggestion, ratings):
    quick = suggestion.config.model_copy(update={"ensemble": None, "refit": False})
    result = run_experiment(quick, ratings, progress=False)
    assert result.metrics["rmse"] < result.evaluation.baselines["global"]


@pytest.mark.slow
def test_the_default_kind_has_sets_whose_epochs_are_steps_and_drifts_where_there_are_times():
    ratings = load_ratings("synthetic", n_users=30, n_items=60, n_ratings=1200)
    suggestion = suggest(ratings, progress=False)
    config, reasons = suggestion.config, {choice.key: choice.reason for choice in suggestion.choices}
    assert suggestion.title == f"Suggested by recsys-nn suggest: {ratings}."
    assert reasons["seed"] == (
        "Seed of the split, the initial weights and the training order: the same seed gives the same run."
    )
    assert reasons["training.patience"] == (
        "After 20 epochs without a lower validation loss the best epoch is restored."
    )
    assert config.model.kind == "svdpp"
    assert config.training.batch_size == 1024
    assert (config.training.epochs, config.training.patience, config.training.shuffle) == (1000, 20, False)
    assert config.data.features.drift.column == "timestamp"
    assert config.ensemble.step_size == 0.18


def test_what_is_fitted_in_closed_form_has_nothing_to_train(ratings):
    config = suggest(ratings, kind="bias", progress=False)
    assert config.title == f"Suggested by recsys-nn suggest: {ratings}."
    assert {choice.key for choice in config.choices} == {"seed", "data.split", "model.kind", "refit"}


def test_what_is_given_stays(ratings):
    split = {"kind": "stratified", "test": 0}
    data = DataConfig(source="stars.csv", format={"user": "who"}, scale=(1, 6), features={}, split=split)
    suggestion = suggest(ratings, kind="global_mean", data=data, output="runs/x", progress=False)
    assert suggestion.title == f"Suggested by recsys-nn suggest stars.csv: {ratings}."
    assert suggestion.choices[1] == ("output", "runs/x", "Run folder to write.")
    assert suggestion.config.data == data


def test_the_scale_of_a_file_is_the_observed_one(ratings):
    given = suggest(ratings, kind="bias", data=DataConfig(source="stars.csv"), progress=False)
    assert given.config.data.scale == (1, 5)
    assert suggest(ratings, kind="bias", data=DataConfig(source="synthetic"), progress=False).config.data.scale is None


def test_progress_goes_to_the_error_output(ratings, capsys):
    suggest(ratings, kind="bias")
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (
        "960 ratings of 40 items by 60 users to train on: bias\n"
        "features left out: group of users, age of users, genres of items, year of items; name those that the model "
        "shall use in data.features\n"
    )


@pytest.mark.parametrize(
    ("wrong", "error", "message"),
    [
        ({"kind": "svdd"}, ConfigError, r"there is no model kind 'svdd'; did you mean 'svd'\?$"),
        (
            {"data": DataConfig(split={"validation": 0})},
            ConfigError,
            "data.split.validation must be above 0, as a suggestion needs a validation part$",
        ),
        (
            {"data": DataConfig(split={"kind": "files", "train": "a.csv"})},
            ConfigError,
            "data.split.kind cannot be files, as a suggestion needs one table: name the training file in data.source$",
        ),
    ],
)
def test_what_cannot_be_suggested(ratings, wrong, error, message):
    with pytest.raises(error, match=message):
        suggest(ratings, progress=False, **wrong)


def test_ratings_that_are_all_the_same_say_nothing(ratings):
    same = Ratings(ratings.frame.assign(rating=3.5))
    with pytest.raises(DataError, match="^all ratings are 3.5, so that nothing can be learned from them$"):
        suggest(same, progress=False)


@pytest.mark.parametrize(("drift", "step_size"), [("timestamp", 0.18), (None, PosteriorConfig().step_size)])
def test_drift_shortens_the_steps_of_the_samples(ratings, monkeypatch, drift, step_size):
    """In a trial that is not made."""
    tried = []

    class Untried:
        def __init__(self, config, split):
            tried.append((config, len(split.train)))

        def choices(self, console):
            yield Choice("training.learning_rate", 0.5, "Because.")

    monkeypatch.setattr(suggesting, "Trial", Untried)
    dated = Ratings(ratings.frame.assign(timestamp=range(len(ratings))), scale=(1, 5))
    data = DataConfig(features={} if drift is None else {"drift": drift})
    config = suggest(dated, kind="svd", data=data, seed=3, progress=False).config
    assert (config.ensemble.step_size, config.training.learning_rate, config.seed) == (step_size, 0.5, 3)
    ((before, n_train),) = tried
    assert (before.model.kind, before.seed, n_train) == ("svd", 3, 960)


def test_only_ratings_are_taken():
    with pytest.raises(DataError, match=r"ratings must be Ratings \(rn.load_ratings makes them\), not DataFrame$"):
        suggest(pd.DataFrame())
