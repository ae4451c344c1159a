"""Runs whose training ratings are a stream: as those of the same table in memory, and what they refuse."""

import json

import numpy as np
import pandas as pd
import pytest

from recsys_nn import (
    ConfigError,
    DataError,
    Predictor,
    RunConfig,
    Split,
    compare,
    cross_validate,
    diagnose,
    load_config,
    load_ratings,
    random_split,
    run_experiment,
    stream_ratings,
)
from recsys_nn.config.run import DataConfig
from recsys_nn.data import stream as stream_module
from recsys_nn.data.fingerprints import fingerprint
from recsys_nn.runs.data import described, load_parts, load_split
from recsys_nn.runs.finished import FinishedRun, unseen
from recsys_nn.tensors.row_file import RowFile
from recsys_nn.training.checkpoints import Checkpoints


@pytest.fixture(scope="module", autouse=True)
def chunks_of_a_hundred_rows():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stream_module, "CHUNK_ROWS", 100)
        yield


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """The same training ratings as one file and as a folder of two; validation and test as text."""
    folder = tmp_path_factory.mktemp("data")
    split = random_split(load_ratings("synthetic", n_users=50, n_items=40, n_ratings=1000), seed=7)
    train = split.train.frame.drop(columns="timestamp")
    (folder / "parts").mkdir()
    for place, part in (("train", train), ("parts/a", train[:333]), ("parts/b", train[333:])):
        part.to_parquet(folder / f"{place}.parquet", index=False)
    for name in ("validation", "test"):
        getattr(split, name).frame.to_csv(folder / f"{name}.csv", index=False)
    return folder


def section(files, *, stream: bool, **split) -> dict:
    """The data section."""
    train = files / ("parts" if stream else "train.parquet")
    of_files = {"kind": "files", "train": str(train)} | {n: str(files / f"{n}.csv") for n in ("validation", "test")}
    return {"stream": stream, "scale": [1, 5], "split": of_files | split}


def config(files, *, stream: bool = True, **sections) -> dict:
    training = {"epochs": 3, "batch_size": 100, "shuffle": False}
    model = {"kind": "svd", "embedding_dim": 3}
    return {"seed": 7, "data": section(files, stream=stream), "model": model, "training": training, **sections}


@pytest.fixture(scope="module")
def runs(files, tmp_path_factory):
    """Of the stream and of the table, refitted."""
    place = tmp_path_factory.mktemp("runs")
    return [
        run_experiment(config(files, stream=stream, refit=True, output=str(place / name)), progress=False)
        for stream, name in ((True, "streamed"), (False, "in_memory"))
    ]


def test_it_is_the_run_of_the_same_table_in_memory(runs):
    streamed, in_memory = runs
    for name, values in in_memory.run.history.drop(columns="seconds").items():
        np.testing.assert_allclose(streamed.run.history[name], values, rtol=1e-6)
    assert streamed.metrics.keys() == in_memory.metrics.keys()
    for name in in_memory.metrics.keys() - {"seconds"}:
        assert streamed.metrics[name] == pytest.approx(in_memory.metrics[name], rel=1e-6), name
    for ours, theirs in zip(*(run.predictor.model.get_weights() for run in runs), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-6)
    (encoder, other) = (run.predictor.encoder for run in runs)
    assert encoder.users.ids.equals(other.users.ids)
    assert (encoder.levels, encoder.level_counts) == (other.levels, other.level_counts)


def test_its_folder_says_the_same_of_its_data_but_for_the_order_in_time(runs):
    streamed, in_memory = (json.loads((run.path / "data.json").read_text())["parts"] for run in runs)
    assert streamed["train"]["ratings"] == 900
    for part, known in in_memory.items():
        if part != "train":  # to which the validation part, read with its times, has been joined in memory
            assert streamed[part].items() <= known.items()
    for name in ("ratings", "users", "items", "mean", "std", "min", "max"):
        assert streamed["train"][name] == pytest.approx(in_memory["train"][name], rel=1e-12)


def test_its_folder_predicts_and_keeps_no_ratings(runs, files):
    predictor = Predictor.load(runs[0].path)
    assert predictor.seen is None
    pairs = pd.read_csv(files / "test.csv", dtype={"user": str, "item": str})[["user", "item"]]
    pd.testing.assert_frame_equal(predictor.predict(pairs), runs[0].predictor.predict(pairs))


def test_its_predictor_can_be_told_what_was_rated_part_by_part(runs, files):
    told = [
        runs[0].predictor.with_seen(each).seen.to_parquet()
        for each in (stream_ratings(files / "parts"), load_ratings(files / "train.parquet"))
    ]
    assert told[0] == told[1]


def test_what_it_left_beside_its_folder_goes_with_its_end(runs):
    assert {entry.name for entry in runs[0].path.parent.iterdir()} == {"streamed", "in_memory"}


def test_the_doctor_looks_at_it_before_and_after(runs, files):
    assert diagnose(runs[0].path).summary == diagnose(runs[0]).summary
    of_training = section(files, stream=True, test=str(files / "parts" / "a.parquet"))
    assert "333 of the 333 ratings" in str(diagnose(load_config(config(files, data=of_training))))


def test_its_parts_can_be_read_again(runs, files):
    finished = FinishedRun.load(runs[0].path)
    split = finished.split()
    assert fingerprint(split.train) == finished.fingerprints["train"]
    assert fingerprint(split.test) == finished.fingerprints["test"]
    whole = load_ratings(files / "train.parquet", scale=(1, 5))
    with pytest.raises(DataError, match="5 of the 5 ratings are in the training part of mine"):
        unseen(whole.take(range(5)), {"mine": finished})


def test_the_fingerprint_and_figures_of_a_stream_are_those_of_a_table(files):
    stream = stream_ratings(files / "parts")
    table = load_ratings(files / "train.parquet")
    assert fingerprint(stream) == fingerprint(table)
    values = table.frame["rating"]
    sizes = {"ratings": 810, "users": table.n_users, "items": table.n_items}
    figures = {"mean": values.mean(), "std": values.std(), "min": values.min(), "max": values.max()}
    for each in (stream, table):
        found = described(each)
        assert found.pop("sha256") == fingerprint(table)
        assert found == pytest.approx(sizes | figures, rel=1e-12)


def test_the_types_in_which_numbers_are_written_do_not_matter_to_a_fingerprint(files, tmp_path):
    table = load_ratings(files / "train.parquet").frame.assign(user=range(810)).astype({"rating": "int64"})
    table.to_parquet(tmp_path / "wide.parquet")
    table.astype({"user": "int16", "rating": "float32"}).to_parquet(tmp_path / "narrow.parquet")
    assert fingerprint(stream_ratings(tmp_path / "narrow.parquet")) == fingerprint(
        load_ratings(tmp_path / "wide.parquet")
    )


def test_a_fraction_of_the_stream_validates(files):
    data = section(files, stream=True, validation=0.1)
    result = run_experiment(config(files, data=data), progress=False)
    assert (len(result.split.train), len(result.split.validation)) == (729, 81)
    assert result.findings.means == "a validation part of 81 ratings"
    drawn = load_parts(result.config.data, 7).validation
    assert fingerprint(drawn) == fingerprint(result.split.validation)
    assert result.finished.parts["validation"]["pairs_in_training"] == 0


def test_what_is_liked_can_be_streamed(files):
    streamed, in_memory = (
        load_parts(DataConfig(**section(files, stream=stream), liked=4), 0) for stream in (True, False)
    )
    assert streamed.train.scale == in_memory.train.scale == (0.0, 1.0)
    for name in ("train", "validation", "test"):
        assert fingerprint(getattr(streamed, name)) == fingerprint(getattr(in_memory, name))


@pytest.mark.slow
def test_a_run_that_was_killed_goes_on_with_the_rows_that_it_has_encoded(files, tmp_path, monkeypatch, runs):
    class Killed(BaseException):
        pass

    def save_and_die(checkpoints, epoch, state, save=Checkpoints.save):
        save(checkpoints, epoch, state)
        raise Killed

    settings = config(files, output=str(tmp_path / "run"))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Checkpoints, "save", save_and_die)
        run_experiment(settings, progress=False)
    assert (tmp_path / "run.unfinished" / "training" / "encoded" / "encoded.arrow").exists()
    monkeypatch.setattr(RowFile, "write", None)  # so that nothing could be encoded anew
    result = run_experiment(settings, progress=False, resume=True)
    assert {entry.name for entry in tmp_path.iterdir()} == {"run"}
    histories = (each.run.history.drop(columns="seconds") for each in (result, runs[0]))
    pd.testing.assert_frame_equal(*histories, check_exact=True)


def test_the_resolved_config_says_that_no_ratings_are_kept(files):
    resolved = load_config(config(files))
    assert not resolved.keep_ratings
    assert load_config(resolved.values()) == resolved
    assert not RunConfig(data=resolved.data).keep_ratings
    assert load_config(config(files), overrides=["data.stream=false"]).keep_ratings


REFUSED = {
    "keep_ratings": (
        {"keep_ratings": True},
        {},
        "^keep_ratings needs all ratings in memory: leave it out, or leave data.stream out$",
    ),
    "ensemble": (
        {"ensemble": {}},
        {},
        "^ensemble needs all ratings in memory: leave it out, or leave data.stream out$",
    ),
    "svdpp": (
        {"model": {"kind": "svdpp"}},
        {},
        "^model.kind: svdpp needs all training ratings in memory; with data.stream, choose "
        "one of bspline, deepfm, fm, gmf, kernel, loose, mlp, neumf, polynomial, svd$",
    ),
    "a closed form": (
        {"model": {"kind": "bias"}},
        {},
        "^model.kind: bias needs all training ratings in memory; with data.stream, choose "
        "one of bspline, deepfm, fm, gmf, kernel, loose, mlp, neumf, polynomial, svd$",
    ),
    "another split": (
        {},
        {"split": {"kind": "random"}},
        "^data.stream needs Parquet files of training ratings: name them, such as with "
        r"data.split: \{kind: files, train: ratings.parquet, validation: 0.1, test: "
        r"test.csv\}$",
    ),
    "a source": (
        {},
        {"source": "movielens-100k", "scale": None},
        "^data.source cannot be streamed: leave it out, or leave data.stream out$",
    ),
    "features": (
        {},
        {"features": {"user": ["age"]}, "user_features": "users.csv"},
        "^data.features needs all ratings in memory: leave it out, or leave data.stream out$",
    ),
    "drift": (
        {},
        {"features": {"drift": "timestamp"}},
        "^data.features needs all ratings in memory: leave it out, or leave data.stream out$",
    ),
    "features of ratings": (
        {},
        {"format": {"features": ["device"]}},
        "^data.format.features cannot be streamed: leave it out, or leave data.stream out$",
    ),
    "duplicates": (
        {},
        {"duplicates": "mean"},
        "^data.duplicates needs all ratings in memory: leave it out, or leave data.stream out$",
    ),
}


@pytest.mark.parametrize(("sections", "data", "message"), REFUSED.values(), ids=REFUSED)
def test_what_needs_all_ratings_in_memory_is_refused_in_the_config(files, sections, data, message):
    with pytest.raises(ConfigError, match=message):
        load_config(config(files, **sections) | {"data": section(files, stream=True) | data})


def test_what_is_more_than_one_run_is_refused(files):
    mine = load_config(config(files))
    alone = (
        r"^data.stream must be left out, as only a single run \(recsys-nn train\) can stream: "
        "name a sample of the training ratings in data.split.train$"
    )
    with pytest.raises(ConfigError, match=alone):
        load_split(mine.data, 0)
    with pytest.raises(ConfigError, match=alone):
        cross_validate(mine)
    with pytest.raises(ConfigError, match=alone):
        compare({"mine": mine, "too": mine})


def test_ratings_in_memory_are_no_stream(files):
    stream = stream_ratings(files / "parts")
    with pytest.raises(ConfigError, match="^data.stream must be left out, as the ratings are given in memory$"):
        run_experiment(config(files), load_ratings(files / "train.parquet"))
    with pytest.raises(
        DataError,
        match="the training part of a Split must be Ratings, not RatingsStream: to stream, name "
        "the files in data.split and set data.stream$",
    ):
        run_experiment({}, Split(stream))
