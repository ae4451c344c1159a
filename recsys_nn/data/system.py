"""Everything in which operating systems differ: no other module of the package asks which one it runs on."""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from pathlib import Path

_HERE = -100  # AT_FDCWD
_EXCHANGE = 2  # RENAME_EXCHANGE of renameat2(2) on Linux, RENAME_SWAP of renamex_np(2) on macOS
_UNKNOWN = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EXDEV)
_AS_IT_IS = ("O_NOFOLLOW", "O_NONBLOCK", "O_BINARY", "O_CLOEXEC")


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


def sync(path: Path) -> None:
    """Writes a file, or the names in a folder, through to the disk.

    Windows opens no folders (NTFS writes names to its journal by itself), and syncs what is open for writing alone.
    """
    on_windows = sys.platform == "win32"
    if on_windows and path.is_dir():
        return
    descriptor = os.open(path, os.O_RDWR if on_windows else os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_as_it_is(file: Path) -> int:
    """Opens a file for reading, without following a link or waiting for the other end of a pipe.

    Windows has neither flag; there, the caller's look at the type of what is open has to do.
    """
    return os.open(file, os.O_RDONLY | sum(getattr(os, name, 0) for name in _AS_IT_IS))
