"""A folder of Parquet predicted by one process; tests/cluster has workers."""

import errno
import json
import os
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.fs as fs
import pytest

from recsys_nn import (
    ArtifactError,
    BiasConfig,
    ConfigError,
    DataError,
    Encoder,
    Predictor,
    Ratings,
    build_model,
    predict_folder,
)
from recsys_nn.data.table_format import TableFormat
from recsys_nn.files import folders
from recsys_nn.files.folders import Folder
from recsys_nn.prediction.batch.folder import RECORD, FolderScoring, PredictedFolder

FRAME = pd.DataFrame({"user": list("aabbc"), "item": list("xyxyx"), "rating": [1, 5, 2, 4, 3]})
PAIRS = {"one": FRAME[["user", "item"]], "deep/two": pd.DataFrame({"user": ["nobody", "a"], "item": ["y", "y"]})}


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    encoder = Encoder.fit(Ratings(FRAME, scale=(1, 5)))
    return Predictor(build_model(BiasConfig(), encoder), encoder)


@pytest.fixture
def pairs(tmp_path):
    for name, frame in PAIRS.items():
        file = tmp_path / "pairs" / f"{name}.parquet"
        file.parent.mkdir(parents=True, exist_ok=True)
        frame.to_parquet(file, index=False)
    (tmp_path / "pairs" / "_SUCCESS").write_text("")
    (tmp_path / "pairs" / ".hidden.parquet").write_text("no Parquet")
    return tmp_path / "pairs"


@pytest.mark.parametrize("as_uri", [False, True])
def test_each_file_is_predicted_into_one_of_its_name(predictor, pairs, tmp_path, as_uri):
    output = tmp_path / "new" / "predicted"
    shares = []
    found = predict_folder(
        predictor,
        pairs.as_uri() if as_uri else pairs,
        output.as_uri() if as_uri else output,
        progress=lambda rows, share: shares.append((rows, share)),
    )
    for name, frame in PAIRS.items():
        written = pd.read_parquet(output / f"{name}.parquet")
        own = predictor.predict(frame)
        pd.testing.assert_frame_equal(written, own.astype(written.dtypes))
    assert (found.files, found.rows, found.skipped, dict(found.sources)) == (2, 7, 0, {"item": 1, "model": 6})
    assert shares == [(2, 0.5), (7, 1.0)]
    assert sorted(file.name for file in output.rglob("*")) == [RECORD, "deep", "one.parquet", "two.parquet"]


def test_files_are_read_by_their_layout_and_predicted_with_intervals(predictor, pairs, tmp_path):
    calibrated = predictor.calibrated(Ratings(FRAME, scale=(1, 5)))
    FRAME.rename(columns={"user": "who", "item": "what"}).to_parquet(pairs / "one.parquet", index=False)
    (pairs / "deep" / "two.parquet").unlink()
    layout = {"user": "who", "item": "what"}
    found = predict_folder(calibrated, pairs, tmp_path / "predicted", layout=layout, interval=0.8)
    written = pd.read_parquet(tmp_path / "predicted" / "one.parquet")
    own = calibrated.predict(FRAME[["user", "item"]], interval=0.8)
    assert list(written) == ["who", "what", "rating", *own.columns[2:]]
    np.testing.assert_array_equal(written["upper"], own["upper"])
    assert found == PredictedFolder(str(tmp_path / "predicted"), 1, 5, {"model": 5}, skipped=0, missing=())
    assert found == PredictedFolder(str(tmp_path / "predicted"), 1, 5, {"model": 5})


def test_the_record_says_that_all_is_there(predictor, pairs, tmp_path):
    predict_folder(predictor, pairs, tmp_path / "predicted")
    assert json.loads((tmp_path / "predicted" / RECORD).read_text()) == {
        "finished": True,
        "output": str(tmp_path / "predicted"),
        "files": 2,
        "rows": 7,
        "sources": {"item": 1, "model": 6},
        "skipped": 0,
        "missing": [],
    }


def test_a_file_that_cannot_be_predicted_ends_it_unfinished(predictor, pairs, tmp_path):
    pd.DataFrame({"user": ["a", None], "item": ["x", "y"]}).to_parquet(pairs / "bad.parquet")
    with pytest.raises(DataError, match=r"pairs/bad.parquet, row 1: the user id is missing"):
        predict_folder(predictor, pairs, tmp_path / "predicted")
    assert json.loads((tmp_path / "predicted" / RECORD).read_text()) == {"finished": False}
    found = predict_folder(predictor, pairs, tmp_path / "predicted", on_error="skip", overwrite=True)
    assert (found.rows, found.skipped) == (8, 1)
    left_out = pd.read_csv(tmp_path / "predicted" / "bad.parquet.skipped.csv")
    assert left_out["where"].tolist() == [f"{pairs}/bad.parquet, row 1"]


def test_what_was_predicted_before_goes_as_a_whole(predictor, pairs, tmp_path):
    predict_folder(predictor, pairs, tmp_path / "predicted")
    (pairs / "one.parquet").unlink()
    with pytest.raises(DataError, match="predicted is not empty: choose another output, or overwrite it"):
        predict_folder(predictor, pairs, tmp_path / "predicted")
    assert predict_folder(predictor, pairs, tmp_path / "predicted", overwrite=True).files == 1
    assert not (tmp_path / "predicted" / "one.parquet").exists()


def test_drafts_of_killed_workers_go_with_what_was_predicted(predictor, pairs, tmp_path):
    predict_folder(predictor, pairs, tmp_path / "predicted")
    for name in (".one.parquet.0123456789ab", "deep/_two.parquet.part", "deep/.two.parquet.skipped.csv.0123456789ab"):
        (tmp_path / "predicted" / name).write_text("half a file")
    predict_folder(predictor, pairs, tmp_path / "predicted", overwrite=True)
    left = sorted(file.name for file in (tmp_path / "predicted").rglob("*"))
    assert left == [RECORD, "deep", "one.parquet", "two.parquet"]


@pytest.mark.parametrize("with_predictions", [False, True])
def test_other_things_are_not_removed(predictor, pairs, tmp_path, with_predictions):
    if with_predictions:
        predict_folder(predictor, pairs, tmp_path / "own")
    (tmp_path / "own" / "deep").mkdir(parents=True, exist_ok=True)
    (tmp_path / "own" / "deep" / "_thesis.txt").write_text("mine")
    with pytest.raises(DataError, match="own holds more than predictions, such as deep/_thesis.txt"):
        predict_folder(predictor, pairs, tmp_path / "own", overwrite=True)
    assert (tmp_path / "own" / "deep" / "_thesis.txt").read_text() == "mine"
    assert (tmp_path / "own" / "one.parquet").exists() == with_predictions


def test_a_link_does_not_hide_that_the_output_lies_in_the_pairs(predictor, pairs, tmp_path):
    (tmp_path / "link").symlink_to(pairs, target_is_directory=True)
    with pytest.raises(DataError, match=", overlap: choose another output$"):
        predict_folder(predictor, pairs, tmp_path / "link" / "predicted")


def test_without_ray_nothing_is_written(predictor, pairs, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"cluster needs ray, which is not installed: pip install 'recsys-nn\[ray\]'"):
        predict_folder(predictor, pairs, tmp_path / "predicted", cluster={"workers": 2})
    assert not (tmp_path / "predicted").exists()


@pytest.mark.parametrize(
    ("source", "output", "message"),
    [
        ("pairs", "pairs/predicted", ", overlap: choose another output$"),
        ("pairs", ".", ", overlap: choose another output$"),
        ("nothing", "predicted", "nothing holds no Parquet file"),
        ("pairs/one.parquet", "predicted", "one.parquet is a file, not a folder"),
    ],
)
def test_what_cannot_be_is_told_before_anything_is_written(predictor, pairs, tmp_path, source, output, message):
    with pytest.raises(DataError, match=message):
        predict_folder(predictor, tmp_path / source, tmp_path / output, overwrite=True)
    assert not (tmp_path / "predicted").exists()


def test_an_unknown_store_is_named(predictor, tmp_path):
    with pytest.raises(DataError, match="ftp://there/pairs cannot be reached"):
        predict_folder(predictor, "ftp://there/pairs", tmp_path / "predicted")


def test_a_store_of_another_machine_is_read_and_written_by_copies(pairs, tmp_path):
    """As pyarrow shows it: a file system in which a local path means nothing."""
    (tmp_path / "store").mkdir()
    store = Folder("store://out", fs.SubTreeFileSystem(str(tmp_path / "store"), fs.LocalFileSystem()), "out")
    assert store.files() == []
    store.store("deep/one.parquet", pairs / "one.parquet")
    assert store.parquet_files() == ["deep/one.parquet"]
    assert not store.is_local
    with store.fetched("deep/one.parquet") as copy:
        pd.testing.assert_frame_equal(pd.read_parquet(copy), PAIRS["one"])
        assert tmp_path not in copy.parents
    assert [file.name for file in (tmp_path / "store" / "out" / "deep").iterdir()] == ["one.parquet"]
    store.clear()
    assert store.files() == []
    with pytest.raises(DataError, match=r"store://out/gone.parquet cannot be read"), store.fetched("gone.parquet"):
        pass


def test_a_store_is_predicted_as_a_folder_here_is(predictor, pairs, tmp_path):
    """Bad rows are told by the names that they have in the store, not by those of the copies."""
    pd.DataFrame({"user": ["a", None], "item": ["x", "y"]}).to_parquet(pairs / "bad.parquet")
    store = fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem())

    def scoring(on_error):
        places = (Folder(f"store://{name}", store, name) for name in ("pairs", "predicted"))
        return FolderScoring(*places, TableFormat(), on_error=on_error)

    assert scoring("stop").checked(overwrite=False) == ["bad.parquet", "deep/two.parquet", "one.parquet"]
    with pytest.raises(DataError, match=r"^store://pairs/bad.parquet, row 1: the user id is missing"):
        scoring("stop").carry_out(predictor, "bad.parquet")
    skipping = scoring("skip")
    names = skipping.checked(overwrite=True)
    skipping.begin()
    found = skipping.conclude([skipping.carry_out(predictor, name) for name in names])
    predict_folder(predictor, pairs, tmp_path / "here", on_error="skip")
    assert (found.rows, found.skipped) == (8, 1)
    for name in names:
        assert (tmp_path / "predicted" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()
    left_out = pd.read_csv(tmp_path / "predicted" / "bad.parquet.skipped.csv")
    assert left_out["where"].tolist() == ["store://pairs/bad.parquet, row 1"]
    assert len([file for file in (tmp_path / "predicted").rglob("*") if file.is_file()]) == 5


def test_an_output_that_another_machine_does_not_see_is_named(pairs, tmp_path):
    scoring = FolderScoring(Folder.at(pairs), Folder.at(tmp_path / "predicted"), TableFormat())
    with pytest.raises(
        ArtifactError, match="predicted does not exist on .*: name an output on storage that all machines share"
    ):
        scoring.check_begun()
    scoring.begin()
    scoring.check_begun()


def test_a_disk_that_refuses_is_named(predictor, pairs, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    scoring = FolderScoring(Folder.at(pairs), Folder.at(tmp_path / "predicted"), TableFormat())
    scoring.begin()
    monkeypatch.setattr(folders.shutil, "copyfileobj", full)
    with pytest.raises(ArtifactError, match=r"predicted/one.parquet cannot be written: No space left on device"):
        scoring.carry_out(predictor, "one.parquet")
    assert [file.name for file in (tmp_path / "predicted").iterdir()] == [RECORD]


@pytest.fixture
def bucket():
    """The URI of a bucket of an S3 on this machine, by its name and path below it."""
    server = pytest.importorskip(
        "moto.server", reason="without an S3 to try (moto[s3], flask, flask-cors)"
    ).ThreadedMotoServer(port=0)
    server.start()
    host, port = server.get_host_and_port()
    store = fs.S3FileSystem(
        access_key="key", secret_key="secret", scheme="http", endpoint_override=f"{host}:{port}", region="us-east-1",
        allow_bucket_creation=True,
    )  # fmt: skip
    store.create_dir("bucket")
    yield lambda path: f"s3://key:secret@bucket/{path}?scheme=http&endpoint_override={host}%3A{port}&region=us-east-1"
    server.stop()


def test_folders_in_s3(predictor, pairs, tmp_path, bucket):
    source = Folder.at(bucket("pairs"))
    for name, frame in PAIRS.items():
        frame.to_parquet(tmp_path / "copy.parquet", index=False)
        source.store(f"{name}.parquet", tmp_path / "copy.parquet")
    predict_folder(predictor, pairs, tmp_path / "here")
    for overwrite in (False, True):
        found = predict_folder(predictor, bucket("pairs/"), bucket("predicted"), overwrite=overwrite)
        assert (found.output, found.files, found.rows) == ("s3://bucket/predicted", 2, 7)
    output = Folder.at(bucket("predicted"))
    assert sorted(output.files()) == [RECORD, "deep/two.parquet", "one.parquet"]
    for name in PAIRS:
        with output.fetched(f"{name}.parquet") as copy:
            assert copy.read_bytes() == (tmp_path / "here" / f"{name}.parquet").read_bytes()
    with pytest.raises(DataError, match="^s3://bucket/predicted is not empty"):
        predict_folder(predictor, bucket("pairs"), bucket("predicted"))
    with pytest.raises(
        DataError,
        match="^s3://bucket/pairs/predicted and the folder of the pairs, s3://bucket/pairs, "
        "overlap: choose another output$",
    ):
        predict_folder(predictor, bucket("pairs"), bucket("pairs/predicted"))
    with pytest.raises(DataError, match="^s3://bucket/nothing holds no Parquet file"):
        predict_folder(predictor, bucket("nothing"), bucket("new"))


def test_what_is_secret_in_a_uri_is_not_repeated():
    """The name stands in errors and in the record."""
    place = Folder.at("s3://key:secret@bucket/pairs/?region=eu-west-1&endpoint_override=store%3A9000")
    assert (place.name, place.path.rstrip("/")) == ("s3://bucket/pairs", "bucket/pairs")


def test_a_store_that_refuses_is_named(pairs):
    def refuse(*_, **__):
        raise OSError("access denied")

    refusing = dict.fromkeys(("get_file_info", "create_dir", "delete_dir_contents"), refuse)
    store = Folder("s3://out", SimpleNamespace(type_name="s3", **refusing), "out")
    for reading in (store.files, lambda: store.has(RECORD)):
        with pytest.raises(DataError, match="s3://out cannot be read: access denied"):
            reading()
    with pytest.raises(DataError, match="s3://out/one.parquet cannot be written: access denied"):
        store.store("one.parquet", pairs / "one.parquet")
    with pytest.raises(DataError, match="s3://out cannot be emptied: access denied"):
        store.clear()


@pytest.mark.parametrize(("whole", "draft"), [((), "_one.parquet.part"), (("subtree",), "one.parquet")])
def test_a_file_is_written_beside_its_place_where_it_would_be_seen_before_it_is_whole(
    pairs, tmp_path, monkeypatch, whole, draft
):
    monkeypatch.setattr(folders, "_WHOLE_BY_THEMSELVES", whole)
    copied, copy_files = [], fs.copy_files
    monkeypatch.setattr(
        folders.fs, "copy_files", lambda file, target, **to: copied.append(target) or copy_files(file, target, **to)
    )
    store = Folder("store://out", fs.SubTreeFileSystem(str(tmp_path), fs.LocalFileSystem()), "out")
    store.store("one.parquet", pairs / "one.parquet")
    assert copied == [f"out/{draft}"]
    assert store.files() == ["one.parquet"]
