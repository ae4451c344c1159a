"""Files and folders that appear whole or not at all.

Each is written beside its final place, synced to disk and renamed into it, so that a crash at any moment
leaves what stood there before, or nothing.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A stream whose content replaces ``path`` when the block ends; an exception leaves ``path`` as it was."""
    draft = _beside(path)
    try:
        with draft.open("xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.replace(draft, path)
        _sync(path.absolute().parent)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, *, replace: bool) -> Iterator[Path]:
    """A folder to fill, which becomes ``path`` when the block ends; an exception leaves ``path`` as it was.

    Where a folder stands there already, ``replace`` decides between replacing it and an OSError. A kill between
    the two renames that replacing takes leaves none at ``path`` (and the old one beside it), never a mixture.
    """
    draft, old = _beside(path), _beside(path)
    try:
        draft.mkdir(parents=True)
        yield draft
        for file in (*draft.rglob("*"), draft):
            _sync(file)
        if replace and path.exists():
            os.replace(path, old)
        try:
            os.replace(draft, path)
        except BaseException:
            if old.exists():
                os.replace(old, path)
            raise
        _sync(path.absolute().parent)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _beside(path: Path) -> Path:
    return path.absolute().with_name(f".{path.name}.{uuid4().hex[:12]}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
