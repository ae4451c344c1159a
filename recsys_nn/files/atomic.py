"""Files and folders that appear whole or not at all.

Each is written beside its final place as a draft, synced to disk and moved there in one step, so that a crash at any
moment leaves what stood there before, or nothing. A draft ``.run.0123456789ab`` has a lock beside it,
``.run.0123456789ab.lock``, which nobody holds any more once its process was killed: whoever next writes to the same
place removes both.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from filelock import FileLock

from recsys_nn.errors import ArtifactError, RecsysError
from recsys_nn.files.system import exchange, move, sync

_OLD, _LOCK = ".old", ".lock"


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A stream whose content replaces ``path`` when the block ends; an exception leaves ``path`` as it was.

    Raises:
        ArtifactError: where the disk refuses.
    """
    with _refused_by_disk(path), _draft(path) as draft:
        try:
            with draft.open("x+b") as stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            move(draft, path)
            sync(path.absolute().parent)
        finally:
            draft.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: Path, *, replace: bool) -> Iterator[Path]:
    """A folder to fill, which becomes ``path`` when the block ends; an exception leaves ``path`` as it was.

    Where a folder stands there already, ``replace`` decides between replacing it and an error. The two change places
    in one step; only on file systems that know no such step a kill can leave none at ``path``, until :func:`sweep`
    puts the old one back.

    Raises:
        ArtifactError: where the disk refuses, or a folder stands there that is not to be replaced.
    """
    with _refused_by_disk(path), _draft(path) as draft:
        try:
            draft.mkdir()
            yield draft
            for file in (*draft.rglob("*"), draft):
                sync(file)
            if not replace or not path.is_dir():
                move(draft, path)
            elif not exchange(draft, path):
                _replace_in_two_steps(draft, path)
            sync(path.absolute().parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def sweep(path: Path) -> None:
    """Removes the drafts of ``path`` that killed processes have left, and puts back what they were about to replace."""
    name = re.compile(rf"\.{re.escape(path.name)}\.([0-9a-f]{{12}})({re.escape(_OLD)}|{re.escape(_LOCK)})?")
    folder = path.absolute().parent
    found = filter(None, (name.fullmatch(entry.name) for entry in os.scandir(folder)))
    for draft in {match[1] for match in found}:
        _remove_unless_in_use(path.absolute().with_name(f".{path.name}.{draft}"), path)


@contextmanager
def _refused_by_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except RecsysError:
        raise
    except OSError as error:
        raise ArtifactError(f"{path} cannot be written: {error.strerror or error}") from error


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """The name of a new draft of ``path``, locked as long as the block lasts; those of killed processes are gone."""
    folder = path.absolute().parent
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    folder.mkdir(parents=True, exist_ok=True)
    sweep(path)
    draft = path.absolute().with_name(f".{path.name}.{uuid4().hex[:12]}")
    lock = FileLock(_beside(draft, _LOCK))
    try:
        lock.acquire()
    except OSError as error:
        if error.errno not in _WITHOUT_LOCKS:
            raise
    try:
        yield draft
    finally:
        _unlock(lock)


_WITHOUT_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)
"""Errors of file systems without locks; there, nothing is swept either."""


def _remove_unless_in_use(draft: Path, path: Path) -> None:
    lock, old = FileLock(_beside(draft, _LOCK), timeout=0), _beside(draft, _OLD)
    with suppress(OSError):  # in use, of another user, swept by somebody else meanwhile, or without locks there
        lock.acquire()
        try:
            if old.is_dir() and not os.path.lexists(path):
                move(old, path)
            for left in (draft, old):
                if left.is_dir():
                    shutil.rmtree(left)
                else:
                    left.unlink(missing_ok=True)
        finally:
            _unlock(lock)


def _beside(draft: Path, ending: str) -> Path:
    return draft.with_name(draft.name + ending)


def _unlock(lock: FileLock) -> None:
    with suppress(OSError):  # Windows removes no open file, and this one when it is released
        Path(lock.lock_file).unlink()
    lock.release()


def _replace_in_two_steps(draft: Path, path: Path) -> None:
    old = _beside(draft, _OLD)
    move(path, old)
    try:
        move(draft, path)
    except BaseException:
        move(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)
