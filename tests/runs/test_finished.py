import hashlib
import math
import shutil
from pathlib import Path

import pandas as pd
import pytest

import recsys_nn as rn
from recsys_nn import ArtifactError, DataError, Ratings, run_experiment
from recsys_nn.prediction.saving.manifest import read_manifest, versions
from recsys_nn.runs.data import load_split
from recsys_nn.runs.finished import FinishedRun, common_part, unseen
from tests.faults.folders import files_of, signed, write


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The same table as a run's two ways: ``a`` and ``b`` with the same test part, ``other`` with another seed's."""
    folder = tmp_path_factory.mktemp("runs")
    frame = rn.load_ratings("synthetic", n_users=50, n_items=40, n_ratings=1000).frame
    frame.to_csv(folder / "ratings.csv", index=False)
    data = {"source": str(folder / "ratings.csv"), "split": {"test": 0.2}, "scale": [1, 5]}
    for name, kind, seed in (("a", "bias", 7), ("b", "user_mean", 7), ("other", "bias", 8)):
        config = {"seed": seed, "data": data, "model": {"kind": kind}, "output": str(folder / name)}
        run_experiment(config, progress=False)
    return folder


def runs(folder: Path, *names: str) -> dict[str, FinishedRun]:
    return {name: FinishedRun.load(folder / name) for name in names}


def parts(folder: Path, seed: int) -> rn.Split:
    config = rn.load_config(folder / "a" / "config.yaml")
    return load_split(config.data, seed)


@pytest.fixture
def changed(folder) -> Path:
    """The folder, with a rating fewer in the file that the runs were trained on."""
    file = folder / "ratings.csv"
    before = file.read_text()
    file.write_text("\n".join(before.splitlines()[:-1]))
    yield folder
    file.write_text(before)


def test_a_run_tells_its_seconds_and_its_parts(folder):
    run = FinishedRun.load(folder / "a")
    assert run.seconds > 0
    assert set(run.fingerprints) == {"train", "validation", "test"}
    pd.testing.assert_frame_equal(run.split().train.frame, parts(folder, 7).train.frame)


def test_a_folder_that_no_experiment_wrote_tells_nothing(folder, tmp_path):
    predictor = FinishedRun.load(folder / "a").predictor
    for run in (FinishedRun(predictor), FinishedRun.load(predictor.save(tmp_path / "saved"))):
        assert math.isnan(run.seconds)
        assert run.fingerprints == {}
        with pytest.raises(
            DataError,
            match="saved has no record of its test part: give ratings that none of the runs was "
            r"trained on \(--ratings\)$",
        ):
            common_part({"saved": run}, "test")


def test_the_test_part_that_runs_share(folder):
    test = common_part(runs(folder, "a", "b"), "test")
    pd.testing.assert_frame_equal(test.frame, parts(folder, 7).test.frame)


def test_runs_with_other_test_parts_do_not_compare(folder):
    with pytest.raises(
        DataError,
        match="the test parts of other and a differ: give ratings that none of the runs was "
        r"trained on \(--ratings\)$",
    ):
        common_part(runs(folder, "a", "other"), "test")


def test_a_test_part_that_is_no_longer_there_is_not_replaced_by_another(changed):
    with pytest.raises(
        DataError,
        match="the test part of a has changed since that run: give ratings that none of the runs "
        r"was trained on \(--ratings\)$",
    ):
        common_part(runs(changed, "a", "b"), "test")


def test_ratings_that_a_run_was_trained_on_are_refused(folder):
    split = parts(folder, 7)
    with pytest.raises(DataError, match="720 of the 720 ratings are in the training part of a"):
        unseen(split.train, runs(folder, "a"))
    mixed = Ratings(pd.concat([split.train.frame.head(3), split.test.frame]), scale=(1, 5))
    with pytest.raises(
        DataError,
        match=(
            "3 of the 203 ratings are in the training part of a: give ratings that none of the "
            "runs was trained on .--ratings.$"
        ),
    ):
        unseen(mixed, runs(folder, "a"))


def test_what_one_run_was_tested_on_another_may_have_been_trained_on(folder):
    test = parts(folder, 7).test
    assert unseen(test, runs(folder, "a", "b")) is test
    with pytest.raises(DataError, match="of the 200 ratings are in the training part of other"):
        unseen(test, runs(folder, "a", "other"))


def test_new_ratings_are_taken(folder):
    new = Ratings(pd.DataFrame({"user": ["new", "newer"], "item": ["i", "i"], "rating": [1.0, 2.0]}))
    assert unseen(new, runs(folder, "a", "b", "other")) is new


def test_where_the_training_part_is_gone_that_is_said(changed):
    new = Ratings(pd.DataFrame({"user": ["new", "newer"], "item": ["i", "i"], "rating": [1.0, 2.0]}))
    with pytest.warns(
        UserWarning, match="may have been trained on some of these ratings: its data have changed since the run$"
    ):
        unseen(new, runs(changed, "a"))
    (changed / "ratings.csv").unlink()
    with pytest.warns(UserWarning, match="may have been trained on some of these ratings: .*ratings.csv"):
        unseen(new, runs(changed, "a"))


def test_compare_takes_folders(folder):
    comparison = rn.compare([folder / "a", str(folder / "b")], resamples=20)
    assert set(comparison.predictors) == {"a", "b"}
    assert comparison.n == 200
    assert comparison.table["seconds"].gt(0).all()
    twice = rn.compare([folder / "a", folder / "a"], resamples=20)
    assert set(twice.predictors) == {f"{folder / 'a'} 1", f"{folder / 'a'} 2"}
    assert twice.table["p_value"].tolist()[1] == 1


def test_a_run_tells_the_versions_that_it_was_made_with(folder):
    run = FinishedRun.load(folder / "a")
    assert run.versions == read_manifest(folder / "a").versions
    assert FinishedRun(run.predictor).versions == versions()


# What a folder records, in a folder whose manifest agrees with whatever it is


@pytest.fixture
def recorded(folder, tmp_path) -> Path:
    return shutil.copytree(folder / "a", tmp_path / "a")


def rewrite(run: Path, name: str, content: bytes) -> FinishedRun:
    write(signed({**files_of(run), name: content}), run)
    return FinishedRun.load(run)


@pytest.mark.parametrize(
    ("name", "content", "attribute", "message"),
    [
        ("metrics.json", b'{"rmse": "low"}', "metrics", "metrics.json is damaged: rmse"),
        ("metrics.json", b'{"rmse": NaN}', "metrics", "metrics.json is damaged: 'NaN' is not a finite number"),
        ("data.json", b'{"parts": {"train": {"ratings": -1}}}', "data", "data.json is damaged: parts.train.ratings"),
        ("data.json", b"[]", "parts", "data.json is damaged: Input should be a mapping"),
        ("training.json", b'{"best_epoch": 1}', "training", "training.json is damaged: stop_reason: Field required"),
        ("history.csv", b"\xff,\n1,2\n", "training", "history.csv is damaged: .*can't decode byte"),
        (
            "history.csv",
            b"epoch,loss\n",
            "training",
            "history.csv is damaged: it must hold columns of numbers, with epoch and loss",
        ),
        (
            "history.csv",
            b"epoch,loss\n1,low\n",
            "training",
            "history.csv is damaged: it must hold columns of numbers, with epoch and loss",
        ),
        (
            "history.csv",
            b"epoch\n1\n",
            "training",
            "history.csv is damaged: it must hold columns of numbers, with epoch and loss",
        ),
        (
            "history.csv",
            b"epoch,loss\n" + b"1,1\n" * 300_000,
            "training",
            "history.csv is damaged: it has 1,200,011 bytes, too many for a history",
        ),
        ("config.yaml", b"\xff", "config", "config.yaml is damaged: .*the byte 0xff is not UTF-8"),
        ("config.yaml", b"seed: many", "config", "config.yaml is damaged: seed"),
        ("test.parquet", b"PAR1", "judged", "test.parquet is damaged"),
        ("item_features.parquet", b"PAR1", "item_features", "item_features.parquet is damaged"),
    ],
)
def test_a_record_that_is_none_is_refused_by_name(recorded, name, content, attribute, message):
    run = rewrite(recorded, name, content)
    with pytest.raises(ArtifactError, match=message):
        getattr(run, attribute)


def test_a_record_without_a_folder_is_named_too(recorded):
    run = FinishedRun.load(recorded)
    for folder, named in ((None, "metrics.json"), (recorded, str(recorded / "metrics.json"))):
        damaged = FinishedRun(run.predictor, folder, documents={"metrics.json": '{"rmse": "low"}'})
        with pytest.raises(ArtifactError) as told:
            _ = damaged.metrics
        assert str(told.value).startswith(f"{named} is damaged: rmse")


@pytest.mark.parametrize(("name", "attribute"), [("validation.parquet", "held_out"), ("test.parquet", "judged")])
def test_other_columns_beside_the_predictions_are_left_alone(recorded, name, attribute):
    table = pd.read_parquet(recorded / name)
    run = rewrite(recorded, name, table.assign(remark="none").to_parquet(index=False))
    pd.testing.assert_frame_equal(getattr(run, attribute), table, check_like=True)


def test_a_record_that_has_changed_since_the_run_was_loaded_is_not_read(recorded):
    run = FinishedRun.load(recorded)
    (recorded / "metrics.json").write_text('{"rmse": 0.0}')
    with pytest.raises(ArtifactError, match="metrics.json has 13 bytes, but its manifest says"):
        _ = run.metrics


def test_the_manifests_hash_holds_for_what_is_read_later(recorded):
    sha256 = hashlib.sha256((recorded / "manifest.json").read_bytes()).hexdigest()
    run = FinishedRun.load(recorded, manifest_sha256=sha256)
    write(signed({**files_of(recorded), "metrics.json": b'{"rmse": 0.0}'}), recorded)
    with pytest.raises(ArtifactError, match="it was changed, or is another run"):
        _ = run.metrics
