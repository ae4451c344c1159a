"""What Windows has of Python's modules, as modules of the package see them once this one is imported.

They find neither modules nor names that are POSIX's, cannot open folders, rename nothing that is open and no folder
over another. Other packages see all there is: theirs is the standard library of the system that they really run on.
"""

import builtins
import os
import signal
import sys
import types

MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "resource", "termios"}
_OS = """
chown chroot confstr ctermid fchdir fchmod fchown fork forkpty getegid geteuid getgid getgroups getloadavg getpgid
getpgrp getpriority getsid getuid killpg lchown lockf mkfifo mknod nice openpty pathconf pipe2 posix_fallocate
posix_spawn pread preadv pwrite sched_getaffinity sched_setaffinity sendfile setpgid setpriority setsid setuid
statvfs sync sysconf tcgetpgrp ttyname uname wait wait3 wait4 O_CLOEXEC O_DIRECTORY O_DSYNC O_NOCTTY O_NOFOLLOW
O_NONBLOCK O_SYNC O_TMPFILE
"""
_OTHERWISE = {"getppid", "kill"}
"""What Windows has, and what does something else there: the number of a parent that may be gone, and always an end."""
_SIGNAL = "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGUSR1 SIGUSR2 alarm pause pthread_kill"
MISSING = {"os": {*_OS.split(), *_OTHERWISE}, "signal": set(_SIGNAL.split())}


class AsOnWindows(types.ModuleType):
    """A module, less what Windows does not have of it, and with what is different there."""

    def __init__(self, module: types.ModuleType, **different: object) -> None:
        super().__init__(module.__name__)
        self.__dict__.update(_module=module, **different)

    def __getattr__(self, name: str) -> object:
        if name in MISSING.get(self.__name__, ()):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(self._module, name)


def _open(path, *rest, **given):
    if os.path.isdir(path):
        raise PermissionError(13, "Permission denied", path)
    return os.open(path, *rest, **given)


def _replace(source, target):
    opened = {os.path.realpath(f"/proc/self/fd/{number}") for number in os.listdir("/proc/self/fd")}
    inside = os.path.realpath(source)
    if any(file == inside or file.startswith(f"{inside}{os.sep}") for file in opened):
        raise PermissionError(13, "The process cannot access the file because it is being used", source)
    if os.path.isdir(target):
        raise PermissionError(13, "Access is denied", target)
    os.replace(source, target)


_SEEN = {
    "os": AsOnWindows(os, name="nt", open=_open, replace=_replace, rename=_replace),
    "signal": AsOnWindows(signal),
    "sys": AsOnWindows(sys, platform="win32"),
}
_import = builtins.__import__


def _as_seen(name, globals=None, locals=None, fromlist=(), level=0):
    if (globals or {}).get("__name__", "").startswith("recsys_nn"):
        if name.partition(".")[0] in MODULES:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        if name in _SEEN:
            return _SEEN[name]
    return _import(name, globals, locals, fromlist, level)


def install() -> None:
    """From here on, in this process."""
    builtins.__import__ = _as_seen
