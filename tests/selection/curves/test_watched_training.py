import pytest

from recsys_nn import BiasConfig, ConfigError, RunConfig, Split, load_config, load_ratings, random_split
from recsys_nn.evaluation.evaluate import rmse_of
from recsys_nn.experiment.run import run_on_split
from recsys_nn.selection.curves.watched_training import followed

CONFIG = load_config(
    {
        "model": {"kind": "svd", "embedding_dim": 8, "l2": 0},
        "training": {"epochs": 25, "patience": 2, "batch_size": 64, "learning_rate": 0.03},
    }
)


@pytest.fixture(scope="module")
def split():
    ratings = load_ratings("synthetic", n_users=40, n_items=30, n_ratings=600)
    return random_split(ratings, validation=0.2, test=0.0)


@pytest.fixture(scope="module")
def found(split):
    return followed(CONFIG, split, 25, lambda predictor: rmse_of(predictor, split.validation))


@pytest.fixture(scope="module")
def stopped_early(split):
    return run_on_split(CONFIG, split)


def test_it_goes_on_past_the_end_of_early_stopping(found):
    assert len(found.seen) == 25
    assert found.kept < found.stopped < 25


def test_the_end_of_early_stopping_is_where_it_would_have_been(found, stopped_early):
    assert (found.kept, found.stopped) == (stopped_early.run.best_epoch, len(stopped_early.run.history))


def test_what_is_seen_is_the_predictor_of_the_epoch(found, stopped_early):
    assert found.seen[found.kept - 1] == pytest.approx(stopped_early.metrics["validation_rmse"], rel=1e-6)


def test_without_patience_it_never_stops(split):
    patient = CONFIG.with_values({"training.patience": None})
    found = followed(patient, split, 5, lambda _: None)
    assert (len(found.seen), found.stopped) == (5, None)


def test_without_a_validation_part_nothing_is_known_of_early_stopping(split):
    found = followed(CONFIG, Split(split.train), 2, lambda _: None)
    assert (len(found.seen), found.kept, found.stopped) == (2, None, None)


def test_a_closed_form_has_no_epochs(split):
    with pytest.raises(
        ConfigError, match="model.kind: bias is fitted in closed form, without epochs; choose another kind$"
    ):
        followed(RunConfig(model=BiasConfig()), split, 5, lambda _: None)


def test_the_end_of_early_stopping_depends_on_min_delta(split):
    """No epoch is better than the first by 10, so that two of patience are over after the third."""
    never_enough = CONFIG.with_values({"training.min_delta": 10.0})
    found = followed(never_enough, split, 4, lambda _: None)
    assert (found.kept, found.stopped) == (1, 3)
