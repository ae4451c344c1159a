"""manifest.json: what a run folder holds, checked before anything of it is used.

The folder is taken for what a stranger has sent. Names, kinds and sizes of all files are looked at first, then their
SHA-256, and a file is checked again as it is read; nothing is followed that leads out of the folder. The hashes tell
damage. They tell tampering only where the caller brings that of the manifest itself, from elsewhere.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

import recsys_nn
from recsys_nn.errors import ArtifactError
from recsys_nn.files import MAX_BYTES, open_as_it_is, read_json

MANIFEST = "manifest.json"
FORMAT_VERSION = 1
MAX_FILES = 2500
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"

_FileName = Annotated[str, StringConstraints(pattern=rf"^{_PART}(/{_PART}){{0,9}}$")]
_Text = Annotated[str, StringConstraints(max_length=500)]
_Count = Annotated[int, Field(ge=0, lt=2**31)]


class _FileEntry(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    size: int = Field(ge=0, lt=2**63)
    sha256: Annotated[str, StringConstraints(pattern="^[0-9a-f]{64}$")]


class Sizes(BaseModel):
    """Number of users and of items that a model has rows for, and number of members of an average."""

    model_config = ConfigDict(extra="forbid", strict=True)

    users: int = Field(ge=1, lt=2**31)
    items: int = Field(ge=1, lt=2**31)
    members: int | None = Field(default=None, ge=1, le=10_000)


class _Envelope(BaseModel):
    """Fields that manifests of all versions have."""

    format: Literal["recsys_nn run"]
    format_version: int


class Manifest(BaseModel):
    """Content of manifest.json: kind and shapes of the model, files and versions of the run."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: str
    format_version: Literal[1]
    model_kind: _Text
    sizes: Sizes
    shapes: dict[_Text, Annotated[list[_Count], Field(max_length=8)]] = Field(max_length=MAX_FILES)
    files: dict[_FileName, _FileEntry] = Field(max_length=MAX_FILES)
    versions: dict[_Text, _Text] = Field(max_length=100)
    threads: dict[_Text, int] = Field(max_length=100)


@dataclass(frozen=True)
class VerifiedFolder:
    """A run folder whose files have all been found whole.

    Attributes:
        path: path of the run folder.
        manifest: manifest that lists its files.
    """

    path: Path
    manifest: Manifest

    def __contains__(self, name: str) -> bool:
        return name in self.manifest.files

    def read(self, name: str) -> bytes:
        """The content of a file, which is again as the manifest states; an ArtifactError where it is not."""
        return read_listed(self.path, name, self.manifest)


def write_manifest(folder: Path, *, model_kind: str, sizes: dict[str, int], shapes: dict[str, Any]) -> None:
    """Writes the manifest of the files that stand in ``folder`` and below."""
    files = {name: folder / name for name in sorted(files_in(folder) - {MANIFEST})}
    manifest = {
        "format": "recsys_nn run",
        "format_version": FORMAT_VERSION,
        "model_kind": model_kind,
        "sizes": sizes,
        "shapes": shapes,
        "files": {name: {"size": file.stat().st_size, "sha256": _of_file(file)} for name, file in files.items()},
        "versions": versions(),
        "threads": _threads(),
    }
    content = (json.dumps(manifest, indent=2) + "\n").encode()
    read_json(content, Manifest, str(folder / MANIFEST))  # what could not be read again is not written
    (folder / MANIFEST).write_bytes(content)


def verified(folder: Path, *, required: tuple[str, ...] = (), sha256: str | None = None) -> VerifiedFolder:
    """Verifies that a run folder holds the files of its manifest, whole, and nothing else.

    Args:
        folder: path of the run folder.
        required: files that it has to have.
        sha256: SHA-256 that its manifest has to have, in hexadecimal digits.

    Raises:
        ArtifactError: naming the file and what is wrong with it.
    """
    manifest = read_manifest(folder, sha256=sha256)
    for name in required:
        if name not in manifest.files:
            raise ArtifactError(f"{folder / MANIFEST} is damaged: it does not list {name}, which every run has")
    folders = {parent.as_posix() for name in manifest.files for parent in PurePosixPath(name).parents}
    sizes = dict(_sizes(folder, "", manifest.files, folders))
    for name, entry in manifest.files.items():
        if name not in sizes:
            raise ArtifactError(f"{folder / name} is missing")
        _check_size(folder / name, sizes[name], entry)
    for name, entry in manifest.files.items():
        _check_hash(folder / name, _of_file(folder / name), entry)
    return VerifiedFolder(folder, manifest)


def read_manifest(folder: Path, *, sha256: str | None = None) -> Manifest:
    """Reads the manifest of a run folder, whose files are not looked at.

    Args:
        folder: path of the run folder.
        sha256: SHA-256 that it has to have, in hexadecimal digits.

    Raises:
        ArtifactError: where it is none, or has not this SHA-256.
    """
    file = folder / MANIFEST
    if not folder.is_dir():
        raise ArtifactError(f"{folder} is not a folder" if folder.exists() else f"{folder} does not exist")
    if not os.path.lexists(file):
        raise ArtifactError(f"{folder} is not a run folder: it has no {MANIFEST}")
    with _opened(file) as stream:
        content = stream.read(MAX_BYTES + 1)
    if sha256 is not None and (found := _sha256(content)) != sha256.strip().lower():
        raise ArtifactError(f"{file} has the SHA-256 {found}, not {sha256}: it was changed, or is another run")
    envelope: _Envelope = read_json(content, _Envelope, str(file))
    if envelope.format_version > FORMAT_VERSION:
        raise ArtifactError(
            f"{file}: the run has format {envelope.format_version}, but this version of recsys-nn reads formats up to "
            f"{FORMAT_VERSION}: upgrade recsys-nn"
        )
    manifest: Manifest = read_json(content, Manifest, str(file))
    return manifest


def read_listed(folder: Path, name: str, manifest: Manifest) -> bytes:
    """The content of a file that a manifest lists; an ArtifactError where it is not as the manifest states."""
    entry = manifest.files.get(name)
    if entry is None:
        raise ArtifactError(f"{folder / MANIFEST} does not list {name}")
    with _opened(folder / name) as stream:
        _check_size(folder / name, os.fstat(stream.fileno()).st_size, entry)
        content = stream.read(entry.size)
    _check_hash(folder / name, _sha256(content), entry)
    return content


def listed_files(folder: Path) -> set[str]:
    """The names of the files that a run folder's manifest lists; an ArtifactError where it cannot be read."""
    return set(read_manifest(folder).files)


def files_in(folder: Path) -> set[str]:
    """The paths of all files in a folder and below, relative to it."""
    below = folder.rglob("*")
    return {file.relative_to(folder).as_posix() for file in below if file.is_symlink() or not file.is_dir()}


def _sizes(folder: Path, below: str, listed: Mapping[str, Any], folders: set[str]) -> Iterator[tuple[str, int]]:
    """The size of each file of a folder; an ArtifactError at the first that is not listed, or no plain file."""
    with _reading(folder), os.scandir(folder) as entries:
        for entry in entries:
            name = f"{below}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if name not in folders:
                    raise ArtifactError(
                        f"{folder / entry.name} is not part of the run, as {MANIFEST} lists nothing in it: remove it"
                    )
                yield from _sizes(folder / entry.name, f"{name}/", listed, folders)
            elif name in listed or name in folders:
                found = entry.stat(follow_symlinks=False)
                if not stat.S_ISREG(found.st_mode):
                    raise ArtifactError(f"{folder / entry.name} is not a plain file")
                yield name, found.st_size
            elif name != MANIFEST:
                raise ArtifactError(
                    f"{folder / entry.name} is not part of the run, as {MANIFEST} does not list it: remove it"
                )


@contextmanager
def _opened(file: Path) -> Iterator[BufferedReader]:
    """A plain file, opened without waiting for the other end of a pipe, and without following a link."""
    with _reading(file), open(open_as_it_is(file), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise ArtifactError(f"{file} is not a plain file")
        yield stream


@contextmanager
def _reading(place: Path) -> Iterator[None]:
    try:
        yield
    except ArtifactError:
        raise
    except OSError as error:
        unlike = "is not a plain file" if place.is_symlink() else f"cannot be read: {error.strerror or error}"
        raise ArtifactError(f"{place} {unlike}") from None


def _check_size(file: Path, size: int, entry: _FileEntry) -> None:
    if size != entry.size:
        raise ArtifactError(f"{file} has {size} bytes, but its manifest says {entry.size}: it was truncated or changed")


def _check_hash(file: Path, sha256: str, entry: _FileEntry) -> None:
    if sha256 != entry.sha256:
        raise ArtifactError(f"{file} has another SHA-256 than its manifest states: it was damaged or changed")


def _of_file(file: Path) -> str:
    with _opened(file) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def versions() -> dict[str, str]:
    """Versions of what runs are made with here."""
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
