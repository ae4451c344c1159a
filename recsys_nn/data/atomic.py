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
def atomic_folder(path: Path) -> Iterator[Path]:
    """A folder to fill, which replaces ``path`` when the block ends; an exception leaves ``path`` as it was.

    Where a folder stood before, a crash between the two renames leaves none, never a mixture.
    """
    draft, old = _beside(path), _beside(path)
    try:
        draft.mkdir(parents=True)
        yield draft
        for file in (*draft.iterdir(), draft):
            _sync(file)
        if path.exists():
            os.replace(path, old)
        os.replace(draft, path)
        _sync(path.absolute().parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def _beside(path: Path) -> Path:
    return path.absolute().with_name(f".{path.name}.{uuid4().hex[:12]}")


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
