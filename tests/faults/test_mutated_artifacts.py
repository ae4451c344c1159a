"""Run folders in which something has changed, by chance or on purpose: none loads with other numbers.

What "other numbers" are. A folder whose manifest was not made to agree with the change loads only where nothing but the
manifest's remarks (versions, threads, white space) has changed, and then with the numbers that were saved; with the
manifest's hash given, it does not load at all. One that was made to agree, by whoever could also have trained another
model, loads only with the numbers that its bytes state, as other readers than ours find them there, in the shapes that
its manifest states. Whatever happens, nothing is executed, nothing but a RecsysError naming the place is raised, and
neither 64 MiB nor a second of processor time is taken.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import recsys_nn as rn
from recsys_nn import ArtifactError
from recsys_nn.errors import RecsysError
from recsys_nn.prediction.predictor import predictor_of
from recsys_nn.prediction.saving.parts import RunParts
from recsys_nn.runs.finished import FinishedRun
from tests.faults.conftest import ALL
from tests.faults.folders import MANIFEST, Files, files_of, saved, signed, write
from tests.faults.mutations import mutated
from tests.faults.watching import watching

RUNS = ("svd", "fm", "svdpp", "average")
FEW, MANY = 60, 10_000 if ALL else 1_000
"""Seventeen mutations of four runs, signed or not: with a thousand, each is tried about seven times."""
FEW_BLENDS, MANY_BLENDS = 30, 1_000 if ALL else 100
RECORDS = ("config", "training", "metrics", "data", "judged", "held_out", "item_features", "versions")
_NOBODY = SimpleNamespace(model=None)
BUILT = 300 if ALL else 40
"""Of the folders whose parts are accepted, so many are also built into networks."""


def numbers_of(parts: RunParts) -> dict[str, Any]:
    """All numbers and ids of the parts that were read."""
    encoder, seen = parts.encoder, parts.seen
    numbers: dict[str, Any] = {f"weight {name}": values for name, values in parts.weights.items()}
    numbers |= {"config": parts.config.model_dump(mode="json"), "members": parts.n_members}
    numbers |= {"mean": encoder.rating_mean, "std": encoder.rating_std, "scale": list(encoder.scale)}
    numbers |= {"levels": encoder.levels, "level counts": encoder.level_counts}
    for side, vocabulary in encoder.vocabularies.items():
        numbers |= {f"{side} ids": vocabulary.ids.to_numpy(), f"{side} counts": encoder.counts[side][1:]}
        numbers |= {f"{side} {name}": getattr(biases, side)[1:] for name, biases in encoder.baselines.items()}
        if side in encoder.features:
            values = encoder.features[side].values
            numbers |= {f"{side} feature:{name}": values[name].to_numpy(object) for name in values}
    if encoder.drift is not None:
        numbers |= {"drift users": encoder.drift.users, "drift times": encoder.drift.times}
    if parts.calibration is not None:
        numbers["calibration"] = parts.calibration.model_dump(mode="json")
    if seen is not None:
        numbers |= {"seen": np.stack([seen.users, seen.items, seen.ratings])}
    return numbers


def numbers_stated_by(files: Files) -> dict[str, Any]:
    """The same as pyarrow, the json module and a reader of safetensors in five lines find them in the files."""
    manifest, encoder = json.loads(files[MANIFEST]), json.loads(files["encoder.json"])
    numbers = {f"weight {name}": values for name, values in _weights(files["weights.safetensors"]).items()}
    config = rn.models.model_kind(manifest["model_kind"]).config(**json.loads(files["model.json"]))
    numbers |= {"config": config.model_dump(mode="json"), "members": manifest["sizes"].get("members")}
    numbers |= {"mean": encoder["rating_mean"], "std": encoder["rating_std"], "scale": encoder["scale"]}
    numbers |= {"levels": encoder.get("levels"), "level counts": encoder.get("level_counts")}
    for side in ("user", "item"):
        table = _table(files[f"{side}s.parquet"])
        numbers |= {f"{side} {name}s": table[name].to_numpy() for name in ("id", "count")}
        numbers |= {f"{side} {name}": table[name].to_numpy() for name in ("global", "user", "item", "bias")}
        columns = {column["name"] for column in encoder.get("features", {}).get(side, ())}
        numbers |= {f"{side} feature:{name}": table[f"feature:{name}"].to_numpy(object) for name in columns}
    if encoder.get("drift") is not None:
        table = _table(files["drift.parquet"])
        numbers |= {"drift users": table["user"].to_numpy(), "drift times": table["time"].to_numpy().astype(np.int64)}
    if "calibration.json" in files:
        numbers["calibration"] = json.loads(files["calibration.json"])
    if "seen.parquet" in files:
        table = _table(files["seen.parquet"]).sort_values(["user", "item"], kind="stable")
        numbers["seen"] = table[["user", "item", "rating"]].to_numpy().T
    return numbers


def _table(content: bytes) -> pd.DataFrame:
    return pq.read_table(pa.BufferReader(content)).replace_schema_metadata().to_pandas()


def _weights(content: bytes) -> dict[str, np.ndarray]:
    size = int.from_bytes(content[:8], "little")
    header, body = json.loads(content[8 : 8 + size]), content[8 + size :]
    types = {"F32": "<f4", "I32": "<i4", "F64": "<f8", "I64": "<i8", "U32": "<u4", "F16": "<f2"}
    return {
        name: np.frombuffer(body[slice(*entry["data_offsets"])], types[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }


def assert_same(found: dict[str, Any], stated: dict[str, Any]) -> None:
    assert found.keys() == stated.keys()
    for name, value in found.items():
        if isinstance(value, np.ndarray):
            missing = pd.isna(value)
            np.testing.assert_array_equal(missing, pd.isna(stated[name]), err_msg=name)
            assert (value[~missing] == stated[name][~missing]).all(), name
        else:
            assert json.loads(json.dumps(value)) == json.loads(json.dumps(stated[name])), name


def judge(files: Files, folder: Path, *, agrees: bool, original: Files) -> tuple[str, Any, float, int]:
    """Reads a changed folder and checks all that is promised; what became of it, its parts, seconds and bytes."""
    write(files, folder)
    parts, message, records = None, "", FinishedRun(_NOBODY, folder)
    with watching(folder) as seen:
        try:
            parts = RunParts.read(folder)
        except RecsysError as error:
            message = str(error)
        for record in RECORDS if parts is not None else ():
            with suppress(RecsysError):
                getattr(records, record)
    seen.within_limits()
    assert (parts is None) == (str(folder) in message), message
    if parts is not None:
        others = files.keys() - {MANIFEST}
        assert agrees or {name: files[name] for name in others} == {name: original[name] for name in others}
        found = numbers_of(parts)
        assert_same(found, numbers_stated_by(files))
        shapes = json.loads(files[MANIFEST])["shapes"]
        assert {name: list(values.shape) for name, values in parts.weights.items()} == shapes
        if not agrees:
            assert_same(found, numbers_stated_by(original))
    return "refused" if parts is None else "read", parts, seen.seconds, seen.bytes


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Where folders are written one after another; all that reading imports is imported."""
    folder = tmp_path_factory.mktemp("mutated") / "run"
    for name in RUNS:
        predictor = predictor_of(RunParts.read(write(saved(name), folder)))
        for record in RECORDS:
            getattr(FinishedRun(predictor, folder), record)
        for spoilt in (
            {"encoder.json": b"{}"},
            {"users.parquet": b"PAR1"},
            {"model.json": b"[", "weights.safetensors": b""},
        ):
            with pytest.raises(ArtifactError):
                RunParts.read(write(signed({**saved(name), **spoilt}), folder))
    return folder


@pytest.mark.parametrize("n", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
def test_no_mutated_artifact_loads_with_other_numbers(folder, n):
    outcomes, accepted = Counter(), []
    worst_seconds, worst_bytes = 0.0, 0
    for seed in range(n):
        original = saved(RUNS[seed % len(RUNS)])
        files, agrees = mutated(seed, original)
        try:
            outcome, parts, seconds, size = judge(files, folder, agrees=agrees, original=original)
        except Exception as error:
            raise AssertionError(f"mutation {seed} of {RUNS[seed % len(RUNS)]}: {error!r}") from error
        outcomes[f"{outcome}{', signed' if agrees else ''}"] += 1
        worst_seconds, worst_bytes = max(worst_seconds, seconds), max(worst_bytes, size)
        if parts is not None:
            accepted.append((seed, parts))
    for seed, parts in random.Random(0).sample(accepted, min(BUILT, len(accepted))):
        with watching(folder) as seen:
            try:
                predictor = predictor_of(parts)
                outcomes["built"] += 1
            except RecsysError:
                outcomes["not built"] += 1
                predictor = None
        assert not seen.forbidden, (seed, seen.forbidden)
        assert seen.bytes < 64 * 2**20, (seed, seen.bytes)
        if predictor is not None:
            ids = [side.ids.iloc[:2] for side in predictor.encoder.vocabularies.values()]
            predictor.predict(users=ids[0], items=ids[1])
    print(f"\n{n} mutated artifacts: {dict(outcomes)}; at most {worst_seconds:.3f} s and {worst_bytes / 2**20:.1f} MiB")
    assert outcomes["refused"] > 0.4 * n
    assert outcomes["read, signed"] > 0.02 * n


@pytest.mark.parametrize("n", [FEW_BLENDS, pytest.param(MANY_BLENDS, marks=pytest.mark.slow)])
def test_no_mutated_blend_does_more_than_be_refused_or_load(folder, n):
    """Of a blend, whose members' manifests are not made to agree: what loads was changed in its own files alone."""
    original = saved("blend")
    rn.Predictor.load(write(original, folder))
    for seed in range(n):
        files, agrees = mutated(seed, original)
        write(files, folder)
        loaded = None
        with watching(folder) as seen, suppress(RecsysError):
            loaded = rn.Predictor.load(folder)
        assert not seen.forbidden, (seed, seen.forbidden)
        assert seen.bytes < 64 * 2**20, (seed, seen.bytes)
        if loaded is not None:
            others = [
                name
                for name in original
                if name not in (MANIFEST, "blend.json", "member_1/manifest.json", "member_2/manifest.json")
            ]
            assert {name: files[name] for name in others} == {name: original[name] for name in others}, seed
            state = json.loads(files["blend.json"])["members"]
            assert loaded.weights == {member["name"]: member["weight"] for member in state}, seed
            assert agrees or state == json.loads(original["blend.json"])["members"], seed


# Properties


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.data())
def test_any_byte_that_is_changed_in_any_listed_file_is_found(folder, data):
    original = saved(data.draw(st.sampled_from(RUNS)))
    name = data.draw(st.sampled_from(sorted(original.keys() - {MANIFEST})))
    place = data.draw(st.integers(0, len(original[name]) - 1))
    changed = bytearray(original[name])
    changed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(ArtifactError, match=f"{name} has another SHA-256 than its manifest states"):
        RunParts.read(write({**original, name: bytes(changed)}, folder))


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.data())
def test_any_byte_that_is_changed_in_the_manifest_is_found_by_who_knows_its_hash(folder, data):
    original = saved("svd")
    sha256 = hashlib.sha256(original[MANIFEST]).hexdigest()
    changed = bytearray(original[MANIFEST])
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    write({**original, MANIFEST: bytes(changed)}, folder)
    with pytest.raises(ArtifactError, match=r"manifest.json has the SHA-256 \w+, not"):
        RunParts.read(folder, sha256=sha256)


IDS = st.one_of(
    st.lists(st.integers(-(2**63), 2**63 - 1), min_size=2, max_size=6, unique=True),
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8).filter(
            lambda text: text == text.strip()
        ),
        min_size=2,
        max_size=6,
        unique=True,
    ),
)
KINDS = (rn.BiasConfig(), rn.SVDConfig(embedding_dim=2), rn.SVDPPConfig(embedding_dim=2), rn.GMFConfig(embedding_dim=2))


@settings(derandomize=True, deadline=None, max_examples=8)
@given(users=IDS, items=IDS, kind=st.sampled_from(KINDS), keeps=st.booleans(), data=st.data())
def test_what_is_saved_comes_back(tmp_path_factory, users, items, kind, keeps, data):
    values = st.floats(-5, 5, width=32)
    pairs = [(user, item) for user in users for item in items]
    ratings = data.draw(
        st.lists(values, min_size=len(pairs), max_size=len(pairs)).filter(lambda drawn: len({*drawn}) > 1)
    )
    table = rn.Ratings(
        pd.DataFrame({"user": [user for user, _ in pairs], "item": [item for _, item in pairs], "rating": ratings})
    )
    encoder = rn.Encoder.fit(table)
    predictor = rn.Predictor(rn.build_model(kind, encoder, seed=1), encoder)
    predictor = predictor.with_seen(table) if keeps else predictor
    run = predictor.save(tmp_path_factory.mktemp("saved") / "run")
    loaded = rn.Predictor.load(run, manifest_sha256=hashlib.sha256((run / MANIFEST).read_bytes()).hexdigest())
    pd.testing.assert_frame_equal(loaded.predict(table), predictor.predict(table))
    assert_same(numbers_of(RunParts.read(run)), numbers_stated_by(files_of(run)))
    if keeps:
        np.testing.assert_array_equal(loaded.seen.ratings, predictor.seen.ratings)
