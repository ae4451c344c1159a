"""Everything in which operating systems differ: no other module of the package asks which one it runs on."""

from __future__ import annotations

import ctypes
import errno
import os
import shutil
import sys
import time
from contextlib import suppress
from pathlib import Path

from filelock import BaseFileLock

_HERE = -100  # AT_FDCWD
_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2) on Linux, RENAME_SWAP of renamex_np(2) on macOS
_UNKNOWN = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EXDEV)
_AS_IT_IS = ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_CLOEXEC", "O_NOINHERIT")
_PAUSES = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Seconds between the attempts to move what another process has open for a moment, such as a virus scanner."""


def exchange(one: Path, other: Path) -> bool:
    """Lets two folders change places in one step, for which Python has no function of its own.

    Returns:
        whether they have; False where the system (Windows) or its file system cannot do so.

    Raises:
        OSError: where it can, and refuses.
    """
    if sys.platform == "win32":
        return False
    names = os.fsencode(one), os.fsencode(other)
    library = ctypes.CDLL(None, use_errno=True)
    if sys.platform == "darwin":
        failed = library.renamex_np(*names, _EXCHANGE)
    elif hasattr(library, "renameat2"):
        failed = library.renameat2(_HERE, names[0], _HERE, names[1], _EXCHANGE)
    else:
        return False
    code = ctypes.get_errno()
    if failed and code not in _UNKNOWN:
        raise OSError(code, os.strerror(code), str(one), None, str(other))
    return not failed


def move(source: Path, target: Path) -> None:
    """Renames a file or a folder in one step, over a file or an empty folder that stands there.

    Windows renames nothing that is open, and no folder over another: there, what is open is tried for again, and an
    empty folder removed before.
    """
    if sys.platform == "win32":
        if source.is_dir() and target.is_dir():
            target.rmdir()
        for pause in _PAUSES:
            try:
                os.replace(source, target)
                return
            except PermissionError:
                time.sleep(pause)
    os.replace(source, target)


def remove_locked(folder: Path, lock: BaseFileLock) -> None:
    """Removes a folder and a lock in it that is held; Windows removes nothing open, so there the lock goes last."""
    shutil.rmtree(folder, ignore_errors=True)
    is_left = folder.exists()
    lock.release()
    if is_left:
        with suppress(OSError):  # another process has it by now
            Path(lock.lock_file).unlink(missing_ok=True)
            folder.rmdir()


def sync(path: Path) -> None:
    """Writes a file, or the names in a folder, through to the disk.

    Windows opens no folders (NTFS writes names to its journal by itself), and syncs what is open for writing alone.
    """
    if sys.platform == "win32" and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_as_it_is(file: Path) -> int:
    """Opens a file for reading, without following a link or waiting for the other end of a pipe.

    Raises:
        OSError: where it cannot be opened; on Windows, which has no such flags, for a link too.
    """
    if sys.platform == "win32" and file.is_symlink():
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(file))
    return os.open(file, os.O_RDONLY | sum(getattr(os, name, 0) for name in _AS_IT_IS))
