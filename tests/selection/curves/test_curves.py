import re

import numpy as np
import pandas as pd
import pytest

from recsys_nn import (
    ConfigError,
    DataError,
    RunConfig,
    TrainingError,
    epoch_curve,
    learning_curve,
    load_ratings,
    random_split,
    run_experiment,
    sensitivity,
    validation_curve,
)
from recsys_nn.selection.curves import curves
from recsys_nn.selection.curves.curves import nested

SMALL = {
    "data": {"source": "synthetic", "options": {"n_users": 40, "n_items": 30, "n_ratings": 600}},
    "model": {"kind": "svd", "embedding_dim": 2},
    "training": {"epochs": 6, "batch_size": 64, "learning_rate": 0.03},
}
CLOSED = {**SMALL, "model": {"kind": "bias"}}


def lines(figure):
    """The points of each line by its label."""
    return {line.get_label(): line.get_xydata() for line in figure.axes[0].lines}


def legend(figure):
    return [text.get_text() for text in figure.legends[0].get_texts()]


@pytest.fixture(scope="module")
def by_epoch():
    return epoch_curve(SMALL, seeds=2, overrides=["training.patience=1", "training.epochs=8"], progress=False)


class TestEpochCurve:
    def test_every_epoch_of_every_seed_is_a_row(self, by_epoch):
        assert by_epoch.table.groupby("seed")["epoch"].apply(list).tolist() == [list(range(1, 9))] * 2

    def test_the_training_error_is_without_what_the_loss_has_more(self, by_epoch):
        """Measured at the epoch's end and without penalties, it is that of the run which is ended there."""
        config = {**SMALL, "training": {**SMALL["training"], "epochs": 1}}
        result = run_experiment(config, progress=False)
        train = result.split.train.frame
        errors = result.predictor.predict(train)["prediction"] - train["rating"]
        row = by_epoch.table.iloc[0]
        assert row["training_rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)), rel=1e-6)
        assert row["validation_rmse"] == pytest.approx(result.metrics["validation_rmse"], rel=1e-6)

    def test_the_epochs_of_early_stopping_are_marked(self, by_epoch):
        kept = by_epoch.table.query("kept")["epoch"]
        assert by_epoch.marks["kept"] == min(kept)
        stopped = by_epoch.table.query("stopped")["epoch"]
        assert by_epoch.marks["stopped"] == (min(stopped) if len(stopped) else None)
        assert f"kept by early stopping (epoch {min(kept)})" in legend(by_epoch.figure)

    def test_the_figure_shows_the_table(self, by_epoch):
        drawn = lines(by_epoch.figure)
        for name in ("training", "validation"):
            means = by_epoch.table.groupby("epoch")[f"{name}_rmse"].mean()
            np.testing.assert_allclose(drawn[name], np.column_stack([means.index, means]))
        axes = by_epoch.figure.axes[0]
        assert (axes.get_xlabel(), axes.get_ylabel()) == ("epoch", "RMSE (rating units)")


class TestValidationCurve:
    @pytest.mark.slow
    def test_by_a_setting(self):
        ratings = load_ratings("synthetic", n_users=40, n_items=30, n_ratings=600)
        values = [1000.0, 10.0, 1.0]
        config = RunConfig(model={"kind": "bias"})
        curve = validation_curve(config, ratings, key="model.user_shrinkage", values=values, seeds=2, progress=False)
        assert curve.table["model.user_shrinkage"].tolist() == values * 2
        assert curve.table["seed"].tolist() == [0, 0, 0, 1, 1, 1]
        changed = config.model_copy(update={"seed": 1}).with_values({"model.user_shrinkage": 10.0})
        expected = run_experiment(changed, ratings, progress=False).metrics["validation_rmse"]
        assert curve.table["validation_rmse"][4] == pytest.approx(expected)
        means = curve.table.groupby("model.user_shrinkage", sort=False)["validation_rmse"].mean()
        np.testing.assert_allclose(lines(curve.figure)["validation"], np.column_stack([values, means]))
        assert curve.figure.axes[0].get_xlabel() == "model.user_shrinkage"

    @pytest.mark.slow
    def test_lists_are_told_by_their_lengths(self):
        config = {**SMALL, "model": {"kind": "mlp", "embedding_dim": 2}, "training": {"epochs": 1}}
        curve = validation_curve(config, key="model.widths", values=[[4], [4, 2]], seeds=1, progress=False)
        assert curve.table["model.widths"].tolist() == ["4", "4-2"]
        assert [tick.get_text() for tick in curve.figure.axes[0].get_xticklabels()] == ["4", "4-2"]

    def marks(self, monkeypatch, errors, standard_error=0.02):
        """Of errors by hand, for values 1, 2, ... and one seed."""
        values = list(range(1, len(errors) + 1))
        table = pd.DataFrame({"model.embedding_dim": values, "seed": 0, "validation_rmse": errors})
        table = table.assign(standard_error=standard_error, training_rmse=0.5, bias_rmse=1.0)
        monkeypatch.setattr(curves, "measured", lambda *_, **__: table)
        return validation_curve(SMALL, key="model.embedding_dim", values=values, seeds=1, progress=False)

    def test_the_simplest_within_one_standard_error_of_the_best(self, monkeypatch):
        curve = self.marks(monkeypatch, [0.95, 0.91, 0.90, 0.92])
        assert curve.marks == {"best": 3, "within one standard error": 2}
        np.testing.assert_allclose(lines(curve.figure)["best (3)"], [[3, 0.90]])
        np.testing.assert_allclose(lines(curve.figure)["within one standard error (2)"], [[2, 0.91]])

    def test_what_has_diverged_is_not_chosen(self, monkeypatch):
        curve = self.marks(monkeypatch, [np.nan, 0.93, 0.90, np.nan])
        assert curve.marks == {"best": 3, "within one standard error": 3}

    def test_where_all_have_diverged_there_is_nothing_to_choose(self, monkeypatch):
        with pytest.raises(
            TrainingError, match="model.embedding_dim: all runs diverged; lower training.learning_rate$"
        ):
            self.marks(monkeypatch, [np.nan, np.nan])

    def test_a_wrong_key_is_refused_with_the_nearest(self):
        with pytest.raises(ConfigError, match="model.shrinkage_user: there is no such key"):
            validation_curve(CLOSED, key="model.shrinkage_user", values=[1], progress=False)


class TestLearningCurve:
    def test_larger_parts_hold_the_smaller_ones(self):
        ratings = load_ratings("synthetic", n_users=40, n_items=30, n_ratings=600)
        parts = [
            set(part.frame[["user", "item"]].itertuples(index=False, name=None))
            for part in nested(ratings, (0.1, 0.5, 1.0), seed=0).values()
        ]
        assert [len(part) for part in parts] == [60, 300, 600]
        assert parts[0] < parts[1] < parts[2]
        assert nested(ratings, (0.1,), seed=1)[0.1].frame["user"].tolist() != sorted(ratings.frame["user"])[:60]

    @pytest.mark.slow
    def test_the_whole_training_part_gives_the_run_itself(self):
        split = random_split(
            load_ratings("synthetic", n_users=40, n_items=30, n_ratings=600), validation=0.25, test=0.2
        )
        curve = learning_curve({"model": {"kind": "item_mean"}}, split, fractions=(0.5, 1.0), seeds=2, progress=False)
        table = curve.table
        assert table["ratings"].tolist() == [180, 360, 180, 360]
        result = run_experiment({"model": {"kind": "item_mean"}}, split, progress=False)
        assert table["validation_rmse"][1] == table["validation_rmse"][3] == result.metrics["validation_rmse"]
        assert table["validation_rmse"][0] != table["validation_rmse"][2]  # other ratings of the same number
        drawn = lines(curve.figure)
        assert set(drawn) == {"training", "validation", "bias baseline"}
        np.testing.assert_allclose(drawn["bias baseline"][:, 0], [180, 360])

    @pytest.mark.parametrize("fractions", [(), (0.0, 1.0), (0.5, 0.2), (0.5, 0.5), (0.5, 1.05)])
    def test_fractions_ascend(self, fractions):
        with pytest.raises(ConfigError, match=re.escape(f"up to 1, not {tuple(fractions)}")):
            learning_curve(CLOSED, fractions=fractions, progress=False)


@pytest.mark.slow
def test_sensitivity_tells_where_a_training_diverges():
    overrides = ["training.optimizer=sgd", "training.epochs=3"]
    curve = sensitivity(SMALL, learning_rates=[0.1, 1e9], batch_sizes=[64, 256], overrides=overrides, progress=False)
    table = curve.table
    assert table["learning_rate"].tolist() == [0.1, 0.1, 1e9, 1e9]
    assert table["batch_size"].tolist() == [64, 256, 64, 256]
    assert table["diverged"].tolist() == [False, False, True, True]
    assert curve.marks["best"] == {
        "learning_rate": 0.1,
        "batch_size": [64, 256][int(table["validation_rmse"].argmin())],
    }
    written = [text.get_text() for text in curve.figure.axes[0].texts]
    assert written == [*(f"{error:.4f}" for error in table["validation_rmse"][:2]), "diverged", "diverged"]


def test_a_curve_without_a_validation_part_is_refused():
    with pytest.raises(ConfigError, match="a curve needs a validation part: set data.split.validation above 0$"):
        epoch_curve(SMALL, overrides=["data.split.validation=0"], progress=False)


def test_data_that_are_no_ratings_are_refused():
    with pytest.raises(DataError, match="the ratings must be Ratings or a Split, not DataFrame$"):
        epoch_curve(RunConfig(), pd.DataFrame(), progress=False)
