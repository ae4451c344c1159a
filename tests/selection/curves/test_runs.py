import pickle
import re
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from recsys_nn import ConfigError, GlobalMeanConfig, Ratings, RunConfig, Split, SVDConfig, load_ratings
from recsys_nn.selection.curves.runs import Point, alone, measured, named, points
from recsys_nn.selection.processes import in_order

TRAIN = Ratings(pd.DataFrame({"user": list("aabb"), "item": list("xyxy"), "rating": [1.0, 2, 4, 5]}), scale=(1, 5))
VALIDATION = Ratings(pd.DataFrame({"user": list("ab"), "item": list("zz"), "rating": [2.0, 5]}), scale=(1, 5))
SPLIT = Split(TRAIN, VALIDATION)
CONFIG = RunConfig(seed=3, model=SVDConfig(embedding_dim=2))


@pytest.fixture(scope="module")
def ratings():
    return load_ratings("synthetic", n_users=30, n_items=20, n_ratings=300)


class TestPoints:
    def test_each_change_is_made_once_a_seed(self):
        changes = [({"dim": dim}, {"model.embedding_dim": dim}) for dim in (4, 8)]
        made = list(points(CONFIG, SPLIT, changes, 2))
        assert [dict(point.at) for point in made] == [
            {"dim": 4, "seed": 3},
            {"dim": 8, "seed": 3},
            {"dim": 4, "seed": 4},
            {"dim": 8, "seed": 4},
        ]
        assert [point.config.model.embedding_dim for point in made] == [4, 8, 4, 8]
        assert [(point.config.seed, point.config.training.seed) for point in made] == [(3, 3), (3, 3), (4, 4), (4, 4)]

    def test_ratings_are_split_once_a_seed_without_their_test_part(self, ratings):
        made = list(points(CONFIG, ratings, [({}, {}), ({}, {"training.epochs": 2})], 2))
        assert made[0].split is made[1].split
        assert made[0].split is not made[2].split
        assert [len(part) for part in (made[0].split.train, made[0].split.validation, made[0].split.test)] == [
            243,
            27,
            0,
        ]

    def test_another_split_can_be_what_is_changed(self, ratings):
        changes = [({}, {"data.split.validation": share}) for share in (0.1, 0.5)]
        assert [len(point.split.validation) for point in points(CONFIG, ratings, changes, 1)] == [27, 135]

    def test_a_wrong_key_is_refused_before_the_first_run(self):
        made = points(CONFIG, SPLIT, [({}, {}), ({}, {"model.embeding_dim": 2})], 1)
        with pytest.raises(ConfigError, match="model.embeding_dim: there is no such key; did you mean 'embedding_dim'"):
            next(made)

    def test_without_a_validation_part_there_is_no_error_to_draw(self):
        with pytest.raises(ConfigError, match="a curve needs a validation part: set data.split.validation above 0$"):
            next(points(CONFIG, Split(TRAIN), [({}, {})], 1))

    def test_a_number_of_seeds(self):
        with pytest.raises(ConfigError, match="seeds must be a positive integer such as 3, not 0$"):
            next(points(CONFIG, SPLIT, [({}, {})], 0))


def test_nothing_is_written_refitted_or_searched_for_a_curve():
    searching = {"search": {"space": {"model.embedding_dim": [2, 4]}}, "output": "run", "refit": True}
    searching |= {"tracking": {"tensorboard": "logs"}}
    assert alone({"model": {"kind": "svd"}, **searching}, ["seed=3"]) == RunConfig(seed=3, model=SVDConfig())
    assert alone(GlobalMeanConfig()).model == GlobalMeanConfig()


class TestMeasured:
    def test_by_hand(self):
        """The mean of the training ratings is 3: errors -2, -1, 1, 2 there, -1 and 2 in validation."""
        point = Point({"seed": 0}, RunConfig(model=GlobalMeanConfig()), SPLIT)
        (row,) = measured([point], workers=1, progress=False).to_dict("records")
        assert row["training_rmse"] == pytest.approx(np.sqrt(10 / 4))
        assert row["validation_rmse"] == pytest.approx(np.sqrt(5 / 2))
        # The squared errors 1 and 4 have the standard deviation 3 / √2.
        assert row["standard_error"] == pytest.approx(3 / np.sqrt(2) / (2 * np.sqrt(5 / 2) * np.sqrt(2)))
        assert (row["seed"], row["best_epoch"], row["epochs"], row["diverged"]) == (0, 1, 1, False)
        assert row["seconds"] > 0

    def test_the_baseline_is_that_of_the_same_training_part(self, ratings):
        split = next(points(RunConfig(), ratings, [({}, {})], 1)).split
        rows = measured([Point({}, RunConfig(model={"kind": "bias"}), split)], workers=1, progress=False)
        assert rows["bias_rmse"][0] == pytest.approx(rows["validation_rmse"][0], rel=1e-5)

    def test_what_diverges_is_a_row_too(self, capsys):
        training = {"optimizer": "sgd", "learning_rate": 1e9, "epochs": 10}
        config = RunConfig(model=SVDConfig(embedding_dim=2), training=training)
        (row,) = measured([Point({"rate": 1e9}, config, SPLIT)], workers=1, progress=True).to_dict("records")
        assert (row.pop("rate"), row.pop("diverged")) == (1e9, True)
        assert list(row) == [
            *("training_rmse", "validation_rmse", "standard_error", "bias_rmse", "best_epoch", "epochs", "seconds")
        ]
        assert np.isnan(list(row.values())).all()
        assert capsys.readouterr().out == "rate 1e+09: diverged\n"

    def test_an_interrupted_run_ends_the_curve(self, monkeypatch):
        interrupted = SimpleNamespace(run=SimpleNamespace(stop_reason="interrupted"))
        monkeypatch.setattr("recsys_nn.selection.curves.runs.run_on_split", lambda *_: interrupted)
        with pytest.raises(KeyboardInterrupt):
            measured([Point({}, CONFIG, SPLIT)], workers=1, progress=False)

    def test_without_an_error_there_is_no_standard_error(self):
        of_the_mean = Ratings(VALIDATION.frame.assign(rating=3.0), scale=(1, 5))
        point = Point({}, RunConfig(model=GlobalMeanConfig()), Split(TRAIN, of_the_mean))
        (row,) = measured([point], workers=1, progress=False).to_dict("records")
        assert (row["validation_rmse"], row["standard_error"]) == (0, 0)

    def test_a_line_a_run(self, capsys):
        measured([Point({"dim": 2, "seed": 0}, RunConfig(model=GlobalMeanConfig()), SPLIT)], workers=1, progress=True)
        assert re.sub(r"[\d.]+ s$", "0 s", capsys.readouterr().out) == (
            "dim 2, seed 0: training RMSE 1.5811, validation RMSE 1.5811, best epoch 1 of 1, 0 s\n"
        )


@pytest.mark.slow
def test_a_point_can_be_sent_to_another_process(ratings):
    (point,) = points(RunConfig(model={"kind": "bias"}), ratings, [({"dim": 2}, {})], 1)
    sent = pickle.loads(pickle.dumps(point))
    here, there = (measured([one], workers=1, progress=False).drop(columns="seconds") for one in (point, sent))
    pd.testing.assert_frame_equal(here, there)


def test_what_is_found_is_in_the_order_of_the_jobs(capsys):
    found = in_order(abs, [-3, 1, -2], told=lambda job, one: f"{job} is {one}", workers=1, progress=True)
    assert found == [3, 1, 2]
    assert capsys.readouterr().out.split("\n")[:3] == ["-3 is 3", "1 is 1", "-2 is 2"]


def test_names_of_values():
    assert named([1, 0.5, "svd", [64, 32]]) == {1: 1, 0.5: 0.5, "svd": "svd", "64-32": [64, 32]}
    (plain,) = named([np.int64(3)]).values()
    assert (plain, type(plain)) == (3, int)
    assert named({"narrow": [8], "wide": [64]}) == {"narrow": [8], "wide": [64]}
    with pytest.raises(ConfigError, match="values must not be empty: give one value or more to try$"):
        named([])
