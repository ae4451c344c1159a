"""Files and folders that appear whole or not at all.

Each is written beside its final place as a draft, synced to disk and moved there in one step, so that a crash at any
moment leaves what stood there before, or nothing. The draft that a killed process leaves is not locked by anyone any
more: whoever next writes to the same place removes it.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from recsys_nn.data.exchanging import exchange
from recsys_nn.errors import ArtifactError, RecsysError

_OLD = ".old"


@contextmanager
def atomic_file(path: Path) -> Iterator[BinaryIO]:
    """A stream whose content replaces ``path`` when the block ends; an exception leaves ``path`` as it was.

    Raises:
        ArtifactError: where the disk refuses.
    """
    with _refused_by_disk(path):
        _make_room(path)
        draft, descriptor = _draft(path, lambda draft: os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666))
        try:
            with os.fdopen(descriptor, "r+b") as stream:
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

    Where a folder stands there already, ``replace`` decides between replacing it and an error. The two change places
    in one step; only on file systems that know no such step a kill can leave none at ``path``, until :func:`sweep`
    puts the old one back.

    Raises:
        ArtifactError: where the disk refuses, or a folder stands there that is not to be replaced.
    """
    with _refused_by_disk(path):
        _make_room(path)
        draft, descriptor = _draft(path, _made_folder)
        try:
            yield draft
            for file in (*draft.rglob("*"), draft):
                _sync(file)
            if replace and path.is_dir():
                if not exchange(draft, path):
                    _replace_in_two_steps(draft, path)
            else:
                os.replace(draft, path)
            _sync(path.absolute().parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
            os.close(descriptor)


def sweep(path: Path) -> None:
    """Removes the drafts of ``path`` that killed processes have left, and puts back what they were about to replace."""
    name = re.compile(re.escape(f".{path.name}") + rf"({re.escape(_OLD)})?\.[0-9a-f]{{12}}")
    folder = path.absolute().parent
    for entry in [folder / entry.name for entry in os.scandir(folder) if name.fullmatch(entry.name)]:
        _remove_unless_in_use(entry, path)


@contextmanager
def _refused_by_disk(path: Path) -> Iterator[None]:
    try:
        yield
    except RecsysError:
        raise
    except OSError as error:
        raise ArtifactError(f"{path} cannot be written: {error.strerror or error}") from error


def _make_room(path: Path) -> None:
    """The folder that ``path`` is to stand in, without drafts of it."""
    folder = path.absolute().parent
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    folder.mkdir(parents=True, exist_ok=True)
    sweep(path)


def _remove_unless_in_use(entry: Path, path: Path) -> None:
    with suppress(OSError):  # in use, of another user, swept by somebody else meanwhile, or without locks there
        descriptor = os.open(entry, os.O_RDONLY | os.O_NOFOLLOW)
        try:
            flock(descriptor, LOCK_EX | LOCK_NB)
            if entry.name.startswith(f".{path.name}{_OLD}.") and not os.path.lexists(path):
                os.replace(entry, path)
            elif entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()
        finally:
            os.close(descriptor)


def _draft(path: Path, make: Callable[[Path], int]) -> tuple[Path, int]:
    """A new draft of ``path`` and the descriptor that locks it as long as it is open."""
    while True:
        draft = path.absolute().with_name(f".{path.name}.{uuid4().hex[:12]}")
        descriptor = make(draft)
        try:
            flock(descriptor, LOCK_EX)
        except OSError as error:
            if error.errno not in _WITHOUT_LOCKS:
                raise
        if draft.exists():  # nobody has swept it away before it was locked
            return draft, descriptor
        os.close(descriptor)


_WITHOUT_LOCKS = (errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP)
"""What file systems without locks answer; there, nothing is swept either."""


def _made_folder(draft: Path) -> int:
    draft.mkdir()
    return os.open(draft, os.O_RDONLY)


def _replace_in_two_steps(draft: Path, path: Path) -> None:
    old = path.absolute().with_name(f".{path.name}{_OLD}.{uuid4().hex[:12]}")
    os.replace(path, old)
    try:
        os.replace(draft, path)
    except BaseException:
        os.replace(old, path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
