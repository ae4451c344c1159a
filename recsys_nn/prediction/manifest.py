"""manifest.json: what a run folder holds, checked before anything of it is used."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, ValidationError

import recsys_nn
from recsys_nn.errors import ArtifactError

MANIFEST = "manifest.json"
FORMAT = "recsys_nn run"
FORMAT_VERSION = 1
MAX_MANIFEST_BYTES = 4 * 2**20
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
_FILE_NAME = re.compile(rf"{_PART}(/{_PART})*")


class _FileEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    size: int
    sha256: str


class _Manifest(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    format: str
    format_version: int
    model_kind: str
    sizes: dict[str, int]
    shapes: dict[str, list[int]]
    files: dict[str, _FileEntry]
    versions: dict[str, str]
    threads: dict[str, int]


def write_manifest(folder: Path, *, model_kind: str, sizes: dict[str, int], shapes: dict[str, Any]) -> None:
    """Writes the manifest of the files that stand in ``folder`` and below."""
    files = {name: folder / name for name in sorted(files_in(folder) - {MANIFEST})}
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "model_kind": model_kind,
        "sizes": sizes,
        "shapes": shapes,
        "files": {name: {"size": file.stat().st_size, "sha256": _sha256(file)} for name, file in files.items()},
        "versions": versions(),
        "threads": _threads(),
    }
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=2) + "\n", encoding="utf-8")


def verified_manifest(folder: Path, *, required: tuple[str, ...]) -> dict[str, Any]:
    """The manifest of ``folder``, once every file it names has been found whole.

    Raises:
        ArtifactError: naming the file and what is wrong with it.
    """
    file = folder / MANIFEST
    manifest = _read(file)
    for name in required:
        if name not in manifest.files:
            raise ArtifactError(f"{file} does not list {name}, which every run has")
    for name, entry in manifest.files.items():
        _verify(folder, name, entry)
    return manifest.model_dump()


def listed_files(folder: Path) -> set[str]:
    """The names of the files that a run folder's manifest lists; an ArtifactError where it cannot be read."""
    return set(_read(folder / MANIFEST).files)


def files_in(folder: Path) -> set[str]:
    """The paths of all files in a folder and below, relative to it."""
    below = folder.rglob("*")
    return {file.relative_to(folder).as_posix() for file in below if file.is_symlink() or not file.is_dir()}


def _read(file: Path) -> _Manifest:
    folder = file.parent
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is not a folder" if folder.exists() else f"{folder} does not exist")
    if not file.is_file():
        raise ArtifactError(f"{folder} is not a run folder: it has no {MANIFEST}")
    if file.stat().st_size > MAX_MANIFEST_BYTES:
        raise ArtifactError(f"{file} is larger than a manifest can be")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise ArtifactError(f"{file} is not the manifest of a {FORMAT}")
        if isinstance(found := content.get("format_version"), int) and found > FORMAT_VERSION:
            raise ArtifactError(
                f"{file}: the run has format {found}, this version of recsys-nn reads up to {FORMAT_VERSION}: upgrade"
            )
        return _Manifest.model_validate(content)
    except (ValidationError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{file} is damaged: {error}") from error


def _verify(folder: Path, name: str, entry: _FileEntry) -> None:
    if not _FILE_NAME.fullmatch(name):
        raise ArtifactError(f"{folder / MANIFEST} lists a file of the impossible name {name!r}")
    file = folder / name
    if file.resolve() != folder.resolve() / name or not file.is_file():
        raise ArtifactError(f"{file} is missing" if not os.path.lexists(file) else f"{file} is not a plain file")
    if (size := file.stat().st_size) != entry.size:
        raise ArtifactError(f"{file} has {size} bytes, its manifest says {entry.size}: it was truncated or changed")
    if _sha256(file) != entry.sha256:
        raise ArtifactError(f"{file} does not have the SHA-256 that its manifest states: it was damaged or changed")


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def recorded_versions(folder: Path) -> dict[str, str]:
    """What the manifest of a run folder says it was made with; an ArtifactError where it cannot be read."""
    return _read(folder / MANIFEST).versions


def versions() -> dict[str, str]:
    """Of what runs are made with here."""
    import keras
    import tensorflow as tf

    modules = {"recsys_nn": recsys_nn, "tensorflow": tf, "keras": keras, "numpy": np, "pandas": pd}
    return {"python": platform.python_version(), **{name: module.__version__ for name, module in modules.items()}}


def _threads() -> dict[str, int]:
    import tensorflow as tf

    threading = tf.config.threading
    return {
        "cores": os.cpu_count() or 0,
        "intra_op": threading.get_intra_op_parallelism_threads(),
        "inter_op": threading.get_inter_op_parallelism_threads(),
    }
