"""Run folders of an attacker: all are refused, and nothing of them is executed, whatever their manifests say."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import keras
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

import recsys_nn as rn
from recsys_nn import ArtifactError, Predictor
from tests.faults.folders import MANIFEST, files_of, saved, signed, write
from tests.faults.hostile import CANARY, CORPUS, Exploit
from tests.faults.watching import MAX_BYTES, watching


@pytest.fixture(scope="module", autouse=True)
def _imported(tmp_path_factory):
    """What reading and refusing import is imported."""
    for name in ("svd", "fm", "svdpp", "blend"):
        folder = write(saved(name), tmp_path_factory.mktemp("good") / "run")
        Predictor.load(folder)
        for spoilt in ("encoder.json", "member_1/users.parquet", "users.parquet", "weights.safetensors"):
            with suppress(ArtifactError):
                Predictor.load(write(signed({**files_of(folder), spoilt: b"PAR1"}), folder.parent / "bad"))


@pytest.fixture
def no_loading(monkeypatch):
    """Whatever Keras, TensorFlow and pickle could load with fails the test."""

    def called(*_, **__):
        raise AssertionError("something is loaded that could execute")

    for holder, names in {
        keras.models: ("load_model", "model_from_json"),
        keras.saving: ("load_model", "deserialize_keras_object", "load_weights"),
        keras.utils: ("get_file",),
        tf.saved_model: ("load",),
        pickle: ("load", "loads"),
    }.items():
        for name in names:
            monkeypatch.setattr(holder, name, called)


@pytest.mark.parametrize("name", CORPUS)
def test_a_hostile_folder_is_refused(name, tmp_path, no_loading):
    run, make, message = CORPUS[name]
    folder = write(saved(run), tmp_path / "run")
    make(folder)
    with watching(folder) as seen, pytest.raises(ArtifactError, match=message):
        Predictor.load(folder)
    seen.within_limits()
    assert not (tmp_path / CANARY).exists()


@pytest.mark.slow
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="asks the system how much memory a process has")
def test_a_process_that_refuses_them_all_grows_by_less_than_64_mib(tmp_path):
    """Without TensorFlow and in a process of its own, where no memory lies ready that was used before."""
    write(saved("svd"), tmp_path / "good")
    for place, (run, make, _) in enumerate(CORPUS.values()):
        if run == "svd":
            make(write(saved(run), tmp_path / f"{place}" / "run"))
    refused = subprocess.run(
        [sys.executable, "-c", _REFUSING, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "ARROW_DEFAULT_MEMORY_POOL": "system"},
        timeout=120,
    )
    assert refused.returncode == 0, refused.stderr[-2000:]
    n, grown = map(int, refused.stdout.split())
    assert n > 120
    assert grown < MAX_BYTES


_REFUSING = """
import sys
from pathlib import Path
from recsys_nn.errors import ArtifactError
from recsys_nn.prediction.saving.parts import RunParts

def memory(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name)) * 1024

RunParts.read(Path(sys.argv[1]) / "good")
before, refused = memory("VmRSS"), 0
for folder in sorted(Path(sys.argv[1]).glob("*/run")):
    try:
        RunParts.read(folder)
    except ArtifactError:
        refused += 1
assert "tensorflow" not in sys.modules
print(refused, memory("VmHWM") - before)
"""


def test_the_canary_would_sing(tmp_path):
    """The same bytes do execute where they are unpickled, and the watch sees it."""
    content = pickle.dumps(Exploit(tmp_path / CANARY))
    with watching(tmp_path) as seen:
        pickle.loads(content)
    assert (tmp_path / CANARY).exists()
    assert any(event.startswith(("pickle.find_class", "os.system")) for event in seen.forbidden)


def test_a_good_folder_is_loaded_without_executing_anything(tmp_path, no_loading):
    for name in ("svd", "fm", "svdpp", "blend"):
        folder = write(saved(name), tmp_path / name)
        with watching(folder) as seen:
            Predictor.load(folder)
        seen.within_limits()


@pytest.mark.parametrize("kind", ["arrow.py_extension_type", "no.such.type"])
def test_types_that_arrow_or_pandas_would_make_are_no_more_than_their_numbers(tmp_path, kind):
    """CVE-2023-47248: a Parquet file that has pyarrow unpickle a type; and what pandas has noted for itself."""
    files = saved("svd")
    table = pq.read_table(pa.BufferReader(files["users.parquet"]))
    exploit = pickle.dumps(Exploit(tmp_path / CANARY))
    extension = {"ARROW:extension:name": kind, "ARROW:extension:metadata": exploit}
    fields = [field.with_metadata(extension) if field.name == "id" else field for field in table.schema]
    noted = {b"pandas": b'{"index_columns": ["id"], "columns": [], "column_indexes": [], "creator": {}}'}
    content = io.BytesIO()
    pq.write_table(table.cast(pa.schema(fields, noted)), content)
    folder = write(signed({**files, "users.parquet": content.getvalue()}), tmp_path / "run")
    with watching(folder) as seen:
        loaded = Predictor.load(folder)
    seen.within_limits()
    assert not (tmp_path / CANARY).exists()
    assert loaded.encoder.users.ids.tolist() == [0, 1, 2, 3, 4]


# The manifest's hash


def test_a_run_that_somebody_has_changed_is_told_from_the_one_that_was_meant_by_its_hash_alone(tmp_path):
    meant = write(saved("svd"), tmp_path / "meant")
    sha256 = hashlib.sha256((meant / MANIFEST).read_bytes()).hexdigest()
    assert Predictor.load(meant, manifest_sha256=sha256.upper() + "\n").config == Predictor.load(meant).config
    changed = write(signed({**saved("svd"), "metrics.json": b'{"rmse": 0.1}'}), tmp_path / "changed")
    Predictor.load(changed)
    with pytest.raises(
        ArtifactError, match=rf"manifest.json has the SHA-256 \w+, not {sha256}: it was changed, or is another run"
    ):
        Predictor.load(changed, manifest_sha256=sha256)


def test_the_hash_is_looked_at_before_anything_else(tmp_path):
    (tmp_path / MANIFEST).write_bytes(b"[" * 1000)
    with pytest.raises(ArtifactError, match=r"manifest.json has the SHA-256 \w+, not abc"):
        Predictor.load(tmp_path, manifest_sha256="abc")


def test_a_blends_hash_holds_for_its_members(tmp_path):
    blend = write(saved("blend"), tmp_path / "blend")
    sha256 = hashlib.sha256((blend / MANIFEST).read_bytes()).hexdigest()
    assert list(Predictor.load(blend, manifest_sha256=sha256).members) == ["svd", "bias"]
    files = files_of(blend)
    write(signed({**files, "member_2/model.json": files["member_2/model.json"] + b" "}), blend)
    with pytest.raises(ArtifactError, match="it was changed, or is another run"):
        Predictor.load(blend, manifest_sha256=sha256)


# Kinds of users' own, and saving


def test_a_kind_of_a_users_own_may_make_no_weight_that_the_file_does_not_hold(tmp_path):
    class Wide(rn.ModelConfig):
        kind: str = "wide"
        width: int = 2

    @rn.register_model(Wide)
    def build(config, encoder):
        inputs = {name: keras.Input((), dtype="int32", name=name) for name in ("user", "item")}
        wide = keras.layers.Embedding(encoder.users.n_rows, config.width)(inputs["user"])
        return keras.Model(inputs, keras.ops.sum(wide, axis=-1) + keras.ops.cast(inputs["item"], "float32"))

    ratings = pd.DataFrame({"user": [1, 1, 2], "item": [1, 2, 1], "rating": [1.0, 2.0, 3.0]})
    encoder = rn.Encoder.fit(rn.Ratings(ratings))
    run = Predictor(rn.build_model(Wide(), encoder), encoder).save(tmp_path / "run")
    assert Predictor.load(run).config == Wide()
    write(signed({**files_of(run), "model.json": b'{"kind": "wide", "width": 1000000000}'}), run)
    with watching(run) as seen, pytest.raises(ArtifactError, match=r"it lacks float32 \(3, 1000000000\), which"):
        Predictor.load(run)
    assert seen.bytes < 64 * 2**20


def test_weights_that_are_not_finite_are_not_saved(tmp_path):
    folder = write(saved("svd"), tmp_path / "run")
    predictor = Predictor.load(folder)
    predictor.model.weights[0].assign(predictor.model.weights[0] * float("nan"))
    with pytest.raises(
        ArtifactError, match=r"the model: the weight 0000 .* must be finite, and is not, as its training"
    ):
        predictor.save(tmp_path / "other")
    with pytest.raises(ArtifactError, match="must be finite, and is not"):
        predictor.save(folder, overwrite=True)
    assert files_of(folder) == saved("svd")
    assert list(tmp_path.iterdir()) == [folder]


def test_where_nothing_is_wrong_nothing_is_said_of_a_link_to_the_folder_itself(tmp_path):
    folder = write(saved("svd"), tmp_path / "run")
    Path(tmp_path / "link").symlink_to(folder)
    assert Predictor.load(tmp_path / "link").config == Predictor.load(folder).config
