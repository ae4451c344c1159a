import hashlib
import json
import shutil
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import pandas as pd
import pytest

import recsys_nn as rn
from recsys_nn import ArtifactError, DataError, Encoder, Predictor, SVDConfig, build_model
from recsys_nn.models import base
from recsys_nn.prediction.saving.folder import check_place, write_run_folder
from tests.models.contract import twenty_ratings


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    encoder = Encoder.fit(twenty_ratings())
    return Predictor(build_model(SVDConfig(embedding_dim=2), encoder, seed=1), encoder)


@pytest.fixture(scope="module")
def saved(predictor, tmp_path_factory) -> Path:
    return predictor.save(tmp_path_factory.mktemp("saved") / "run")


def edit_manifest(run: Path, **changes) -> None:
    manifest = json.loads((run / "manifest.json").read_text())
    (run / "manifest.json").write_text(json.dumps(manifest | changes))


def test_the_folder_holds_plain_data_alone(saved):
    names = {file.name for file in saved.iterdir()}
    assert names == {
        "manifest.json",
        "model.json",
        "weights.safetensors",
        "encoder.json",
        "users.parquet",
        "items.parquet",
    }


def test_the_manifest_states_kind_shapes_sizes_and_versions(saved):
    manifest = json.loads((saved / "manifest.json").read_text())
    assert (manifest["model_kind"], manifest["sizes"]) == ("svd", {"users": 5, "items": 6})
    assert manifest["shapes"]["0000 user_factors/embeddings"] == [6, 2]
    assert manifest["versions"]["keras"] == keras.__version__
    assert manifest["threads"]["cores"] >= 1
    assert manifest["files"]["model.json"]["size"] == (saved / "model.json").stat().st_size


def test_documents_stand_beside_and_are_checked_too(predictor, tmp_path):
    run = write_run_folder(tmp_path / "run", predictor, documents={"metrics.json": '{"rmse": 1}'})
    assert (run / "metrics.json").read_text() == '{"rmse": 1}'
    (run / "metrics.json").write_text('{"rmse": 0}')
    with pytest.raises(ArtifactError, match="metrics.json has another SHA-256"):
        Predictor.load(run)


@pytest.mark.parametrize("name", ["model.json", "weights.safetensors", "encoder.json", "users.parquet"])
def test_a_flipped_byte_is_found_in_every_file(run, name):
    content = bytearray((run / name).read_bytes())
    content[len(content) // 2] ^= 1
    (run / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=f"{name} has another SHA-256 than its manifest states"):
        Predictor.load(run)


def test_a_truncated_file_is_found(run):
    content = (run / "weights.safetensors").read_bytes()
    (run / "weights.safetensors").write_bytes(content[:-5])
    with pytest.raises(ArtifactError, match=rf"weights.safetensors has {len(content) - 5} bytes, .* {len(content)}"):
        Predictor.load(run)


def test_a_missing_file_is_found(run):
    (run / "items.parquet").unlink()
    with pytest.raises(ArtifactError, match="items.parquet is missing"):
        Predictor.load(run)


def test_a_link_in_place_of_a_file_is_refused(run, tmp_path):
    (run / "model.json").rename(tmp_path / "elsewhere")
    (run / "model.json").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ArtifactError, match="model.json is not a plain file"):
        Predictor.load(run)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"format_version": 2},
            "the run has format 2, but this version of recsys-nn reads formats up to 1: upgrade recsys-nn",
        ),
        ({"format": "other"}, "manifest.json is damaged: format: .* 'recsys_nn run', not 'other'"),
        ({"files": {}}, "does not list model.json"),
        ({"sizes": {"users": 10**9, "items": 6}}, "users.parquet is damaged: it must have 1,000,000,000 rows, not 5"),
        ({"sizes": {"users": 5, "items": 6, "members": -1}}, "manifest.json is damaged: sizes.members: .* 1, not -1"),
        ({"model_kind": "own"}, "model.json: there is no model kind 'own'.*import the module that registers it"),
        ({"model_kind": "bias"}, "model.json is damaged: kind: Input should be 'bias', not 'svd'"),
        ({"surprise": 1}, "manifest.json is damaged"),
    ],
)
def test_a_manifest_of_another_kind_is_refused(run, changes, message):
    edit_manifest(run, **changes)
    with pytest.raises(ArtifactError, match=message):
        Predictor.load(run)


def test_a_path_that_leaves_the_folder_is_refused(run):
    files = json.loads((run / "manifest.json").read_text())["files"]
    edit_manifest(run, files=files | {"../outside": {"size": 1, "sha256": "0"}})
    with pytest.raises(ArtifactError, match=r"manifest.json is damaged: files.*, not '\.\./outside'"):
        Predictor.load(run)


@pytest.mark.parametrize("content", ["", "{", "[]", "[" * 100_000, '"x"'])
def test_a_manifest_that_is_none_is_refused(run, content):
    (run / "manifest.json").write_text(content)
    with pytest.raises(ArtifactError, match="manifest.json is damaged"):
        Predictor.load(run)


def test_a_folder_that_is_no_run_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="does not exist"):
        Predictor.load(tmp_path / "none")
    with pytest.raises(ArtifactError, match="is not a run folder: it has no manifest.json"):
        Predictor.load(tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="is not a folder"):
        Predictor.load(tmp_path / "file")


def test_weights_of_another_shape_are_refused(predictor, run, tmp_path):
    """A folder whose hashes are right but whose parts do not belong together."""
    encoder = predictor.encoder
    other = Predictor(build_model(SVDConfig(embedding_dim=3), encoder), encoder).save(tmp_path / "other")
    files = json.loads((run / "manifest.json").read_text())["files"]
    shutil.copy(other / "model.json", run / "model.json")
    others = json.loads((other / "manifest.json").read_text())["files"]
    edit_manifest(run, files=files | {"model.json": others["model.json"]})
    with pytest.raises(
        ArtifactError,
        match=r"user_factors/embeddings must be float32 \(6, 3\), as .* of the model is, not float32 \(6, 2\)",
    ):
        Predictor.load(run)


def test_the_calibration_of_intervals_is_kept_and_checked(predictor, tmp_path):
    calibrated = predictor.calibrated(twenty_ratings())
    run = calibrated.save(tmp_path / "run")
    loaded = Predictor.load(run)
    assert loaded.calibration == calibrated.calibration
    asked = {"pairs": twenty_ratings(), "interval": 0.8}
    pd.testing.assert_frame_equal(loaded.predict(**asked), calibrated.predict(**asked))
    (run / "calibration.json").write_text('{"variance": [1, 2]}')
    files = json.loads((run / "manifest.json").read_text())["files"]
    content = (run / "calibration.json").read_bytes()
    files["calibration.json"] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    edit_manifest(run, files=files)
    with pytest.raises(ArtifactError, match=r"calibration.json is damaged: variance"):
        Predictor.load(run)


def test_a_run_without_a_calibration_has_no_intervals(run):
    loaded = Predictor.load(run)
    assert loaded.calibration is None
    with pytest.raises(DataError) as told:
        loaded.predict(twenty_ratings(), interval=0.9)
    assert str(told.value) == (
        "this predictor has no intervals, as there was no validation part to calibrate them on: "
        "calibrate it with predictor.calibrated(ratings), on ratings that the model was not trained on"
    )


def test_a_run_is_replaced_only_when_asked(predictor, run):
    with pytest.raises(ArtifactError, match="already holds a run: .*--overwrite"):
        predictor.save(run)
    (run / "weights.safetensors").write_bytes(b"damaged")
    predictor.save(run, overwrite=True)
    Predictor.load(run)


@pytest.mark.parametrize("overwrite", [False, True])
def test_what_is_no_run_is_never_replaced(predictor, tmp_path, overwrite):
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match="exists and is not a run folder"):
        predictor.save(tmp_path, overwrite=overwrite)
    with pytest.raises(ArtifactError, match="exists and is not a run folder"):
        predictor.save(tmp_path / "thesis.txt", overwrite=overwrite)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_file_that_is_no_part_of_the_run_is_not_lost_with_it(predictor, run):
    (run / "notes.txt").write_text("years of work")
    with pytest.raises(
        ArtifactError, match="holds notes.txt, which is not part of its run and would be lost: move it away"
    ):
        predictor.save(run, overwrite=True)
    assert (run / "notes.txt").read_text() == "years of work"


def test_a_link_to_a_run_is_followed(predictor, run, tmp_path):
    (tmp_path / "link").symlink_to(run)
    predictor.save(tmp_path / "link", overwrite=True)
    assert (tmp_path / "link").is_symlink()
    Predictor.load(run)


def test_a_place_that_cannot_be_written_is_found_before_the_work(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ArtifactError, match="cannot be written: .*file is not a writable folder"):
        check_place(tmp_path / "file" / "run", overwrite=False)
    with pytest.raises(ArtifactError, match="dangling exists and is not a run folder"):
        check_place(tmp_path / "dangling", overwrite=False)
    check_place(tmp_path / "new" / "run", overwrite=False)
    assert sorted(file.name for file in tmp_path.iterdir()) == ["dangling", "file"]


def test_a_failure_while_writing_leaves_the_old_run_and_nothing_else(predictor, run, monkeypatch):
    def full_disk(*_):
        raise OSError(28, "No space left on device")

    before = {file.name: file.read_bytes() for file in run.iterdir()}
    monkeypatch.setattr(Encoder, "save", full_disk)
    with pytest.raises(ArtifactError, match="cannot be written: No space left on device"):
        predictor.save(run, overwrite=True)
    assert {file.name: file.read_bytes() for file in run.iterdir()} == before
    assert list(run.parent.iterdir()) == [run]


def test_an_unregistered_model_is_refused_with_advice(predictor, tmp_path):
    inputs = {name: keras.Input((), dtype="int32", name=name) for name in ("user", "item")}
    total = keras.ops.cast(inputs["user"] + inputs["item"], "float32")
    foreign = Predictor(keras.Model(inputs, total), predictor.encoder)
    assert np.isfinite(foreign.predict([(0, 100)])["prediction"]).all()
    with pytest.raises(ArtifactError, match=r"make it a kind of your own .*@rn.register_model"):
        foreign.save(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


class SubclassedConfig(rn.ModelConfig):
    kind: Literal["subclassed"] = "subclassed"
    depth: int = 1


class Subclassed(keras.Model):
    """Has no weights before its first call."""

    def __init__(self, config, encoder):
        super().__init__()
        self.tables = {side: keras.layers.Embedding(ids.n_rows, 2) for side, ids in encoder.vocabularies.items()}
        self.users, self.items = self.tables["user"], self.tables["item"]
        self.out = [keras.layers.Dense(1) for _ in range(config.depth)]

    def call(self, inputs):
        found = keras.ops.concatenate([self.users(inputs["user"]), self.items(inputs["item"])], axis=-1)
        for layer in self.out:
            found = layer(found)
        return found[:, 0]


@pytest.fixture
def subclassed(monkeypatch):
    monkeypatch.setattr(base, "_kinds", dict(base._kinds))
    rn.register_model(SubclassedConfig)(Subclassed)
    return Encoder.fit(twenty_ratings())


def test_a_subclassed_model_of_ones_own_is_built_and_so_saved_and_loaded(subclassed, tmp_path):
    first, second = (rn.build_model(SubclassedConfig(depth=2), subclassed, seed=seed) for seed in (1, 1))
    assert len(first.weights) == 6
    for one, other in zip(first.get_weights(), second.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    predictor = Predictor(first, subclassed)
    again = Predictor.load(predictor.save(tmp_path / "run"))
    pd.testing.assert_frame_equal(
        again.predict(twenty_ratings()), predictor.predict(twenty_ratings()), check_exact=True
    )


def test_a_run_that_could_not_be_loaded_is_not_written(subclassed, tmp_path):
    """Its builder makes another network each time."""
    depths = iter((1, 2, 3))

    @rn.register_model(SubclassedConfig)
    def build(config, encoder):
        return Subclassed(SubclassedConfig(depth=next(depths)), encoder)

    predictor = Predictor(rn.build_model(SubclassedConfig(), subclassed), subclassed)
    with pytest.raises(
        ArtifactError, match="run is not written, since it could not be loaded again: .*as many weights as the model"
    ):
        predictor.save(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_a_place_too(predictor, tmp_path):
    predictor.save(tmp_path)
    assert Predictor.load(tmp_path).encoder.n_users == predictor.encoder.n_users


def test_a_builder_that_stumbles_is_an_error_of_the_folder(run, monkeypatch):
    def stumbling(*_, **__):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("recsys_nn.prediction.saving.folder.build_model", stumbling)
    with pytest.raises(ArtifactError, match="no model can be built from its parts: division by zero"):
        Predictor.load(run)
