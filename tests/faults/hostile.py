"""Hostile run folders: what the known ways into Keras, pickles, archives and links would be in this format.

Each makes a good run into a hostile one. Unless it says otherwise its manifest agrees with it, as an attacker's would.
"""

from __future__ import annotations

import io
import json
import marshal
import os
import pickle
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors.numpy import load, save

from tests.faults.folders import MANIFEST, Files, files_of, signed, with_json, write

CANARY = "canary"
"""What is executed would leave a file of this name beside the folder."""

Hostile = Callable[[Path], Any]
CORPUS: dict[str, tuple[str, Hostile, str]] = {}
"""By name: the run that it begins with, what is done to its folder, and what is said of it."""


def hostile(name: str, message: str, *, run: str = "svd") -> Callable[[Hostile], Hostile]:
    def register(make: Hostile) -> Hostile:
        CORPUS[name] = (run, make, message)
        return make

    return register


def changed(change: Callable[[Files], Files]) -> Hostile:
    return lambda folder: write(change(files_of(folder)), folder)


def of_json(name: str, **values: Any) -> Hostile:
    return changed(lambda files: with_json(files, name, **values))


def of_text(name: str, content: bytes | Callable[[bytes], bytes]) -> Hostile:
    return changed(
        lambda files: signed({**files, name: content if isinstance(content, bytes) else content(files[name])})
    )


def of_manifest(**values: Any) -> Hostile:
    return changed(lambda files: signed(files, **values))


def unlisted(name: str, content: bytes) -> Hostile:
    return changed(lambda files: {**files, name: content})


class Exploit:
    """What unpickling would execute."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self._canary}",)


# Keras

_LAMBDA = {
    "module": "keras.layers",
    "class_name": "Lambda",
    "config": {"function": {"class_name": "__lambda__", "config": {"code": marshal.dumps((lambda: 1).__code__).hex()}}},
    "registered_name": None,
}
_SYSTEM = {"module": "os", "class_name": "function", "config": "system", "registered_name": "system"}
_GET_FILE = {"module": "keras.utils", "class_name": "function", "config": "get_file", "registered_name": "get_file"}
_UNSAFE = {"module": "keras.config", "class_name": "function", "config": "enable_unsafe_deserialization"}
_SAVED_MODEL = {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/tmp/saved_model"}}


def _keras_archive(config: dict[str, Any]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("config.json", json.dumps(config))
        file.writestr("model.weights.h5", _H5)
    return archive.getvalue()


_H5 = b"\x89HDF\r\n\x1a\n" + b"\0" * 500 + b"/etc/passwd"
_NOT_THERE = r"model.json is damaged: {}: Extra inputs are not permitted"

for advisory, config in {
    "CVE-2024-3660, a Lambda layer": _LAMBDA,
    "CVE-2025-1550, a function of any module": _SYSTEM,
    "CVE-2025-8747, a download by get_file": _GET_FILE,
    "CVE-2025-9906, safe mode switched off first": _UNSAFE,
    "CVE-2026-1462, a SavedModel by its path": _SAVED_MODEL,
}.items():
    hostile(f"{advisory}, in the config", _NOT_THERE.format("module"))(of_json("model.json", **config))
    hostile(f"{advisory}, as a config's value", "model.json is damaged: embedding_dim: .*valid integer")(
        of_json("model.json", embedding_dim=config)
    )
    hostile(
        f"{advisory}, in a .keras beside it",
        "model.keras is not part of the run, as manifest.json does not list it: remove it",
    )(unlisted("model.keras", _keras_archive(config)))
    hostile(f"{advisory}, in a .keras for the weights", "weights.safetensors is damaged|a header of")(
        of_text("weights.safetensors", _keras_archive(config))
    )

hostile("CVE-2025-1550, as the kind", "there is no model kind 'os.system'")(of_manifest(model_kind="os.system"))
hostile("CVE-2025-9905, a legacy .h5 beside it", "model.h5 is not part of the run")(unlisted("model.h5", _H5))
hostile("CVE-2025-9905, a legacy .h5 for the weights", "weights.safetensors(: a header of| is damaged)")(
    of_text("weights.safetensors", _H5)
)
hostile("CVE-2026-1669, HDF5 with external storage", "weights.safetensors(: a header of| is damaged)")(
    of_text("weights.safetensors", _H5 * 3)
)
hostile(
    "CVE-2026-1462, a SavedModel beside it",
    "saved_model is not part of the run, as manifest.json lists nothing in it: remove it",
)(unlisted("saved_model/saved_model.pb", b"\x08\x01"))


@hostile(
    "CVE-2026-12479, a layer's name that is a path",
    "'0000 ../../evil' must be in it and in the manifest, and is in one alone",
)
def _path_for_a_layer(folder: Path) -> None:
    files = files_of(folder)
    weights = load(files["weights.safetensors"])
    weights["0000 ../../evil"] = weights.pop(min(weights))
    write(signed({**files, "weights.safetensors": save(weights)}), folder)


# Archives, pickles, links and other files

for name in ("model.json", "encoder.json", "calibration.json", "users.parquet", "seen.parquet", "weights.safetensors"):

    @hostile(f"a pickle for {name}", f"{name}(: a header of| is damaged)")
    def _pickle(folder: Path, name: str = name) -> None:
        content = pickle.dumps(Exploit(folder.parent / CANARY))
        write(signed({**files_of(folder), name: content}), folder)


@hostile("a pickle for the manifest", "manifest.json is damaged")
def _pickled_manifest(folder: Path) -> None:
    (folder / MANIFEST).write_bytes(pickle.dumps(Exploit(folder.parent / CANARY)))


@hostile("CVE-2025-12060, an archive with names that leave the folder, for the folder", "is not a folder")
def _tar(folder: Path) -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as file:
        file.addfile(tarfile.TarInfo("../../canary"), io.BytesIO())
    write({}, folder)
    folder.rmdir()
    folder.write_bytes(archive.getvalue())


for name in (
    *("../outside", "/etc/passwd", "member/../../outside", "./model.json", "model.json/", "a//b", "a\\b", "c:evil", ""),
    *("a\0b", "a\nb", ".hidden", "a" * 200, "/".join("a" * 20), "\u0430.json", "model.json ", "~root", "%2e%2e/x"),
):
    hostile(f"CVE-2025-12060, a file of the name {name[:20]!r}", r"manifest.json is damaged: files\.")(
        changed(
            lambda files, name=name: {
                **files,
                MANIFEST: json.dumps(
                    (found := json.loads(files[MANIFEST]))
                    | {"files": found["files"] | {name: {"size": 0, "sha256": "0" * 64}}}
                ).encode(),
            }
        )
    )


def _in_place_of(name: str, make: Callable[[Path], Any]) -> Hostile:
    def replace(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return replace


@hostile("CVE-2026-1669, a link to another file, with its size and hash", "model.json is not a plain file")
def _link(folder: Path) -> None:
    outside = folder.parent / "outside"
    outside.write_bytes(Path("/etc/passwd").read_bytes())
    write(signed({**files_of(folder), "model.json": outside.read_bytes()}), folder)
    (folder / "model.json").unlink()
    (folder / "model.json").symlink_to(outside)


@hostile("a link to the good file in another folder", "users.parquet is not a plain file")
def _good_link(folder: Path) -> None:
    (folder / "users.parquet").rename(folder.parent / "users.parquet")
    (folder / "users.parquet").symlink_to("../users.parquet")


hostile("a link to a device without an end", "encoder.json is not a plain file")(
    _in_place_of("encoder.json", lambda file: file.symlink_to("/dev/zero"))
)
hostile("a pipe that nobody writes to", "encoder.json is not a plain file")(_in_place_of("encoder.json", os.mkfifo))
hostile("a pipe for the manifest", "manifest.json is not a plain file")(_in_place_of(MANIFEST, os.mkfifo))
hostile("a link for the manifest", "manifest.json is not a plain file")(
    _in_place_of(MANIFEST, lambda file: file.symlink_to("/etc/passwd"))
)
hostile("a folder for a file", "model.json is not part of the run, as manifest.json lists nothing in it: remove it")(
    _in_place_of("model.json", Path.mkdir)
)
hostile("a folder for the manifest", "manifest.json (is not a plain file|cannot be read)")(
    _in_place_of(MANIFEST, Path.mkdir)
)


@hostile("two thousand files more", "is not part of the run")
def _many_files(folder: Path) -> None:
    for number in range(2000):
        (folder / f"{number}").touch()


@hostile("a link among the files to the folder itself", "again is not part of the run")
def _loop(folder: Path) -> None:
    (folder / "again").symlink_to(folder)


@hostile(
    "a file of a terabyte, with nothing in it", "weights.safetensors has 1099511627776 bytes, but its manifest says"
)
def _sparse(folder: Path) -> None:
    os.truncate(folder / "weights.safetensors", 2**40)


# CVE-2026-0897: a few bytes that ask for gigabytes

_SHAPE_BOMB = b'{"0000 x":{"dtype":"F32","shape":[1000000000,1000000000],"data_offsets":[0,4000000000000000000]}}'
for name, content in {
    "a shape that the file does not hold": struct.pack("<Q", len(_SHAPE_BOMB)) + _SHAPE_BOMB + b"\0" * 64,
    "a header of 2^63 bytes": struct.pack("<Q", 2**63) + b"{}",
    "a header of 100 MB": struct.pack("<Q", 10**8) + b"{}",
    "nothing": b"",
    "three bytes": b"\0\0\0",
}.items():
    hostile(f"CVE-2026-0897, weights with {name}", "weights.safetensors(: a header of| is damaged)")(
        of_text("weights.safetensors", content)
    )

for name, values in {
    "an embedding of 10^9": {"embedding_dim": 10**9},
    "an embedding of 1025": {"embedding_dim": 1025},
    "an embedding of 10^400": {"embedding_dim": 10**400},
    "an embedding of half a number": {"embedding_dim": 1.5},
    "a penalty that is no number": {"l2": float("nan")},
    "a penalty without an end": {"l2": float("inf")},
}.items():
    hostile(f"CVE-2026-0897, {name}", "model.json is damaged")(of_json("model.json", **values))
hostile(
    "CVE-2026-0897, a shape in the manifest",
    "0000 .* must have shape .*, as the manifest states|must be in it and in the manifest",
)(of_manifest(shapes={"0000 user_factors/embeddings": [10**9, 10**9]}))
hostile("CVE-2026-0897, 10^9 members", "manifest.json is damaged: sizes.members")(
    of_manifest(sizes={"users": 5, "items": 6, "members": 10**9})
)
hostile("CVE-2026-0897, 10^9 users", "users.parquet is damaged: it must have 1,000,000,000 rows, not 5")(
    of_manifest(sizes={"users": 10**9, "items": 6})
)


def _parquet(table: pa.Table, **options: Any) -> bytes:
    content = io.BytesIO()
    pq.write_table(table, content, **options)
    return content.getvalue()


def _seen(n: int) -> bytes:
    rows = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int8)), pa.array([1], pa.int32()))
    ratings = pa.DictionaryArray.from_arrays(pa.array(np.zeros(n, np.int8)), pa.array([1.0], pa.float32()))
    table = pa.table({"user": rows, "item": rows, "rating": ratings})
    return _parquet(table, store_schema=False, compression="zstd")


@hostile(
    "CVE-2026-0897, ten million rows in a few bytes",
    "seen.parquet is damaged: its rows must take at most .*, not 120,000,000",
)
def _rows(folder: Path) -> None:
    write(signed({**files_of(folder), "seen.parquet": _seen(10**7)}), folder)


@hostile(
    "CVE-2026-0897, a page that unpacks to 20 MB", "users.parquet is damaged: its rows must take at most .*, not 20,0"
)
def _page(folder: Path) -> None:
    texts = pa.array(["a" * 4_000_000] * 5)
    table = pa.table({"id": texts, "count": [1] * 5, **dict.fromkeys(("global", "user", "item", "bias"), [0.0] * 5)})
    content = _parquet(table, compression="zstd", use_dictionary=False)
    assert len(content) < 20_000
    write(signed({**files_of(folder), "users.parquet": content}), folder)


@hostile(
    "CVE-2026-0897, a long text repeated by reference",
    "items.parquet is damaged: its rows must take at most .*, not 30,000,000",
)
def _text(folder: Path) -> None:
    long = pa.DictionaryArray.from_arrays(pa.array(np.zeros(6, np.int8)), pa.array(["a" * 5_000_000]))
    files = files_of(folder)
    table = pq.read_table(pa.BufferReader(files["items.parquet"])).append_column("name", long)
    write(signed({**files, "items.parquet": _parquet(table.replace_schema_metadata(), compression="zstd")}), folder)


@hostile("CVE-2026-0897, texts as long as they may be, and a bias too many", "'bias' must hold finite numbers")
def _longest_texts(folder: Path) -> None:
    files = files_of(folder)
    table = pq.read_table(pa.BufferReader(files["items.parquet"])).replace_schema_metadata()
    table = table.set_column(table.schema.get_field_index("bias"), "bias", pa.array([np.nan] * 6))
    table = table.append_column("name", pa.array([f"{k}" * 1_350_000 for k in range(6)]))
    write(signed({**files, "items.parquet": _parquet(table, compression="zstd")}), folder)


@hostile("CVE-2026-0897, as many rows as there may be, and one beyond", "it names users that the encoder does not have")
def _most_rows(folder: Path) -> None:
    rows = np.full(690_000, 7, np.int32)
    table = pa.table({"user": rows, "item": rows, "rating": rows.astype(np.float32)})
    write(signed({**files_of(folder), "seen.parquet": _parquet(table, compression="zstd")}), folder)


@hostile(
    "CVE-2026-1669, Parquet whose columns lie in another file",
    "users.parquet is damaged: (a header of a page|a column that lies)",
)
def _external_column(folder: Path) -> None:
    files, metadata = files_of(folder), io.BytesIO()
    table = pq.read_metadata(pa.BufferReader(files["users.parquet"]))
    table.set_file_path("/etc/passwd")
    table.write_metadata_file(metadata)
    write(signed({**files, "users.parquet": metadata.getvalue()}), folder)


for name, content in {
    "a million lists": b"[" + b"[]," * 300_000 + b"[]]",
    "lists a thousand deep": b"[" * 1000 + b"]" * 1000,
    "lists without an end": b"[" * 500_000,
    "mappings a thousand deep": b'{"a":' * 1000 + b"1" + b"}" * 1000,
    "as many texts as there may be": b'{"levels": ["' + b'","'.join([b"aa"] * 400_000) + b'"]}',
    "as many numbers as there may be": b'{"levels": [' + b",".join([b"1e5"] * 500_000) + b"]}",
    "five megabytes of nothing": b" " * 5_000_000,
    "a number of a million digits": b'{"rating_mean": ' + b"9" * 1_000_000 + b"}",
    "a key twice": b'{"rating_mean": 3, "rating_mean": 4}',
    "NaN": b'{"rating_mean": NaN}',
    "a number beyond all others": b'{"rating_mean": 1e999}',
    "UTF-16": '{"rating_mean": 3}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"rating_mean": 3}',
    "half a character": b'{"rating_mean": "\\ud800"}',
    "no UTF-8": b'{"rating_mean": "\xff"}',
    "something behind": b"{} {}",
}.items():
    hostile(f"JSON with {name}", "encoder.json (is damaged|has .* bytes)")(of_text("encoder.json", content))
    hostile(f"a manifest with {name}", "manifest.json (is damaged|has .* bytes)")(unlisted(MANIFEST, content))


# Parts that do not belong together, or say what cannot be

for name, values in {
    "no spread of ratings": {"rating_std": 0},
    "a negative spread": {"rating_std": -1},
    "a scale upside down": {"scale": [5, 1]},
    "a mean beside the scale": {"rating_mean": 6},
    "a billion slots": {
        "features": {"rating": [{"kind": "categories", "name": "x", "values": ["a"], "n_slots": 10**9}]}
    },
    "edges that do not ascend": {"features": {"rating": [{"kind": "bins", "name": "x", "edges": [2, 1]}]}},
    "features of nobody": {"features": {"nobody": [{"kind": "bins", "name": "x", "edges": [1, 2]}]}},
    "features that the table does not have": {"features": {"user": [{"kind": "bins", "name": "x", "edges": [1, 2]}]}},
    "levels without counts": {"level_counts": None},
    "more levels than there can be": {"levels": list(range(101)), "level_counts": [1] * 101},
}.items():
    hostile(f"an encoder with {name}", "(encoder.json|users.parquet) is damaged")(of_json("encoder.json", **values))


def _of_table(name: str, change: Callable[[pd.DataFrame], pd.DataFrame], run: str = "svd") -> Hostile:
    def apply(folder: Path) -> None:
        files = files_of(folder)
        table = change(pd.read_parquet(io.BytesIO(files[name])))
        write(signed({**files, name: table.to_parquet(index=False)}), folder)

    return apply


for name, (change, message) in {
    "an id twice": (lambda table: table.assign(id=[0, 0, 1, 2, 3]), "the id 0 occurs twice"),
    "ids that are no numbers": (lambda table: table.assign(id=[0.5, 1, 2, 3, 4]), "ids must be integers or strings"),
    "an id that is missing": (lambda table: table.assign(id=pd.array([0, None, 1, 2, 3], "Int64")), "id is missing"),
    "negative counts": (lambda table: table.assign(count=-table["count"]), "'count' must say how often"),
    "no counts": (lambda table: table.drop(columns="count"), "'count' is missing"),
    "nobody who was rated": (lambda table: table.assign(count=0), "'count' must say how often"),
    "counts beyond 32 bits": (lambda table: table.assign(count=2**40), "'count' must say how often"),
    "biases that are no numbers": (lambda table: table.assign(bias=np.nan), "'bias' must hold finite numbers"),
    "biases without an end": (lambda table: table.assign(user=np.inf), "'user' must hold finite numbers"),
    "lists": (lambda table: table.assign(more=[[1]] * 5), "'more' must hold numbers, texts or times, not list"),
    "periods, a type of pandas's own": (
        lambda table: table.assign(more=pd.period_range("2000", periods=5, freq="M")),
        r"'more' must hold numbers, texts or times, not extension<pandas.period",
    ),
    "a user fewer": (lambda table: table.iloc[1:], "must have 5 rows, not 4"),
}.items():
    hostile(f"users with {name}", f"users.parquet is damaged: .*{message}")(_of_table("users.parquet", change))

for name, change in {
    "a user beyond all": lambda table: table.assign(user=np.int32(6)),
    "an item below all": lambda table: table.assign(item=np.int32(-1)),
    "ratings that are no numbers": lambda table: table.assign(rating=np.float32("nan")),
    "ratings as texts": lambda table: table.assign(rating="5"),
}.items():
    hostile(f"known ratings with {name}", "seen.parquet is damaged")(_of_table("seen.parquet", change))

hostile("a drift of two billion users", "drift.parquet is damaged: .* must be of 30 users", run="fm")(
    _of_table("drift.parquet", lambda table: table.assign(user=np.int32(2**31 - 1)))
)
hostile("calibration that falls", "calibration.json is damaged: scores.model: .*the quantiles must ascend")(
    changed(
        lambda files: with_json(
            files,
            "calibration.json",
            scores=json.loads(files["calibration.json"])["scores"] | {"model": {"n": 2, "quantiles": [2, 1]}},
        )
    )
)


def _of_weights(change: Callable[[dict[str, np.ndarray]], dict[str, np.ndarray]]) -> Hostile:
    def apply(folder: Path) -> None:
        files = files_of(folder)
        weights = change(load(files["weights.safetensors"]))
        shapes = {name: list(values.shape) for name, values in weights.items()}
        write(signed({**files, "weights.safetensors": save(weights)}, shapes=shapes), folder)

    return apply


hostile("weights that are no numbers", "weights.safetensors: the weight 0000 .* must be finite, and is not")(
    _of_weights(lambda weights: {name: values * np.float32("nan") for name, values in weights.items()})
)
hostile("weights of another type", "0000 .* must be float32 .*, not int8")(
    _of_weights(lambda weights: {name: values.astype(np.int8) for name, values in weights.items()})
)
hostile("weights of double width", "0000 .* must be float32 .*, not float64")(
    _of_weights(lambda weights: {name: values.astype(np.float64) for name, values in weights.items()})
)
hostile("a weight fewer", "must have as many weights as the model")(
    _of_weights(lambda weights: dict(sorted(weights.items())[1:]))
)
hostile(
    "sets of users that do not exist",
    "weights.safetensors: the rows of each member in the sets of 'user_set' must be from 0",
    run="svdpp",
)(_of_weights(lambda weights: {name: np.full_like(v, 99) if "members" in name else v for name, v in weights.items()}))
hostile("an average of what is not trained", "an average needs weights that are trained", run="bias")(
    of_manifest(sizes={"users": 5, "items": 6, "members": 5})
)

# Blends

for name, members in {
    "none": [],
    "a thousand": [{"name": str(k), "weight": 1} for k in range(1000)],
    "one without a folder": [{"name": str(k), "weight": 1} for k in range(3)],
    "one of a weight without an end": [{"name": "svd", "weight": 1e308 * 10}],
    "one with a path": [{"name": "svd", "weight": 1, "path": "/etc"}],
}.items():
    hostile(f"a blend of {name}", "blend.json is damaged|member_3 does not exist", run="blend")(
        of_json("blend.json", members=members)
    )


@hostile("blends within blends without an end", r"manifest.json is damaged: files\.", run="blend")
def _nested(folder: Path) -> None:
    for depth in range(1, 12):
        below = folder.joinpath(*["member_1"] * depth)
        below.mkdir(exist_ok=True)
        (below / "blend.json").write_bytes((folder / "blend.json").read_bytes())
    write(signed(files_of(folder)), folder)


@hostile("a blend that is its own member", "member_1 is not a plain file", run="blend")
def _own_member(folder: Path) -> None:
    for file in (folder / "member_1").iterdir():
        file.unlink()
    (folder / "member_1").rmdir()
    (folder / "member_1").symlink_to(folder)
