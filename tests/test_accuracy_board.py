"""The leader board of benchmarks/accuracy: its splits and its report."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

import recsys_nn as rn
from benchmarks.accuracy.myfm_models import ids_and_sets
from benchmarks.accuracy.ours import ours
from benchmarks.accuracy.peers import peers
from benchmarks.accuracy.report import MEAN, Board, read_log, write_report
from benchmarks.accuracy.tables import FOLDS, Table, fold, official, thinned
from recsys_nn.data.datasets import get_dataset

generated = get_dataset("synthetic").load


def line(contestant: str, table: str, rmse: float = 1.0, *, seconds: float = 1.0, run: int = 1) -> dict:
    figures = {"rmse": rmse, "mae": rmse / 2, "seconds": seconds}
    return {"run": run, "table": table, "contestant": contestant, **figures, "versions": {"numpy": "2"}}


def test_the_rule_for_u2_to_u5_gives_the_official_first_split(real_data):
    made, given = fold("u1"), official("u1")
    for part in ("train", "test"):
        columns = ["user", "item", "timestamp"]
        pd.testing.assert_frame_equal(getattr(made, part).frame[columns], getattr(given, part).frame[columns])


def test_the_five_folds_share_no_test_rating_and_are_the_whole_table(real_data):
    pairs = pd.concat([fold(name).test.frame[["user", "item"]] for name in FOLDS])
    assert len(pairs) == 100_000
    assert not pairs.duplicated().any()


def test_thinning_leaves_its_share_of_users_and_items_with_two_ratings_at_most():
    ratings = generated(n_users=50, n_items=40, n_ratings=1_000, activity=0, popularity=0)
    left = thinned(ratings).frame
    kept = left.merge(ratings.frame, how="left", indicator=True)["_merge"]
    assert (kept == "both").all()
    for side, owners in (("user", 50), ("item", 40)):
        counts = left[side].value_counts().reindex(ratings.frame[side].unique(), fill_value=0)
        assert np.sum(counts <= 2) == owners // 5


def test_a_written_table_is_read_by_a_run_as_it_was(tmp_path):
    split = rn.random_split(generated(n_ratings=500, scale=(1, 100)), validation=0, test=0.2)
    table = Table("generated", split.train, split.test)
    table.write(tmp_path)
    data = rn.load_config({"data": table.section(tmp_path)}).data
    for part in ("train", "test"):
        read = rn.load_ratings(getattr(data.split, part), separator="\t", header=False, scale=data.scale)
        assert read.scale == (1, 100)
        written = getattr(table, part).frame.reset_index(drop=True)
        pd.testing.assert_frame_equal(read.frame, written.astype(read.frame.dtypes))


@pytest.mark.parametrize(("scale", "step", "fits"), [((1, 5), 1, True), ((1, 100), 1, False)])
def test_an_ordered_probit_is_for_few_levels(scale, step, fits):
    ratings = generated(n_ratings=500, scale=scale, step=step)
    table = Table("generated", ratings, ratings)
    suited = [contestant.name for contestant in peers() if contestant.suits(table)]
    assert ("myfm-probit" in suited) is fits
    assert "myfm" in suited
    assert "myfm-everything" not in suited  # its features are those of MovieLens 100K


def test_a_row_of_myfm_is_the_identity_and_the_rated_by_set_over_the_root_of_its_size():
    train = pd.DataFrame({"user": ["a", "a", "b"], "item": ["x", "y", "x"]})
    test = pd.DataFrame({"user": ["a", "c"], "item": ["z", "x"]})
    users, (identity, rated) = ids_and_sets(train, test, "user", "item")
    assert list(users) == ["a", "b", "c"]
    np.testing.assert_array_equal(identity.toarray(), [[1, 0], [0, 1], [0, 0]])  # c is not trained on
    np.testing.assert_allclose(rated.toarray(), [[0.5**0.5, 0.5**0.5], [1, 0], [0, 0]])


def test_single_kinds_are_for_the_tables_that_they_were_tuned_on():
    ratings = generated(n_ratings=500)
    (svd,) = (contestant for contestant in ours() if contestant.name == "svd")
    assert svd.suits(Table("u1", ratings, ratings))
    assert not svd.suits(Table("small", ratings, ratings))


def test_the_board_shows_the_last_scoring_and_the_mean_of_all_five_folds():
    of_folds = [line("myfm", name, rmse) for name, rmse in zip(FOLDS, (0.1, 0.2, 0.3, 0.4, 0.5), strict=True)]
    board = Board([*of_folds, line("myfm", "u1", 0.6, run=2), line("best", "u1", 0.4)])
    assert board.figure("myfm", "u1", lambda line: line["rmse"]) == 0.6
    assert board.figure("myfm", MEAN, lambda line: line["rmse"]) == pytest.approx(0.4)
    assert board.figure("best", MEAN, lambda line: line["rmse"]) is None


def test_seconds_are_compared_within_a_run():
    mine = line("best", "u1", seconds=6, run=2)
    runs = [line("myfm", "u1", seconds=2, run=1), line("myfm", "u1", seconds=3, run=2)]
    assert Board([*runs, mine]).over_myfm(mine) == 2
    assert Board([runs[0], mine]).over_myfm(mine) is None


def test_the_report_marks_the_least_error_of_a_table(tmp_path):
    log = tmp_path / "accuracy.jsonl"
    log.write_text("\n".join(json.dumps(entry) for entry in [line("myfm", "u1", 0.9), line("best", "u1", 0.8)]))
    assert len(read_log(log)) == 2
    write_report(log)
    text = (tmp_path / "accuracy.md").read_text()
    assert "| myfm | 0.9000 |\n| best | **0.8000** |" in text
    assert "numpy 2." in text
