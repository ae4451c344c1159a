"""What a piece of code does while it is watched: what Python's audit events tell, how long it takes, and its memory."""

from __future__ import annotations

import gc
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_SECONDS, MAX_BYTES = 1.0, 64 * 2**20
_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_FORBIDDEN = (
    *("exec", "compile", "import", "code.__new__", "marshal.", "pickle.", "ctypes."),
    *("subprocess.", "os.system", "os.exec", "os.spawn", "os.posix_spawn", "os.fork", "pty."),
    *("socket.", "urllib.", "http.", "ftplib.", "smtplib.", "webbrowser."),
    *("os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate", "shutil."),
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_watched: list[Watched] = []


@dataclass
class Watched:
    """What was seen.

    Attributes:
        folder: in which alone files may be opened, and for reading alone.
        forbidden: audit events that reading numbers has no need of.
        seconds: of processor time.
        bytes: by which the process grew at its largest; 0 where the system does not tell.
    """

    folder: Path
    forbidden: list[str] = field(default_factory=list)
    seconds: float = 0.0
    bytes: int = 0

    def within_limits(self) -> None:
        assert not self.forbidden, self.forbidden
        assert self.seconds < MAX_SECONDS or sys.gettrace(), self.seconds  # a tracer's time is not the reader's
        assert self.bytes < MAX_BYTES, self.bytes


@contextmanager
def watching(folder: Path) -> Iterator[Watched]:
    """Watches a block that reads a folder, without the collector, whose time is that of all other objects."""
    seen = Watched(folder)
    gc.collect(0)
    gc.disable()
    before, began = _memory(reset=True), time.process_time()
    _watched.append(seen)
    try:
        yield seen
    finally:
        _watched.remove(seen)
        seen.seconds = time.process_time() - began
        seen.bytes = _memory() - before
        gc.enable()


def _memory(*, reset: bool = False) -> int:
    """The most memory that the process has held since the last reset."""
    if not _RESET.exists():
        return 0
    if reset:
        _RESET.write_text("5")
    return next(int(line.split()[1]) for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM")) * 1024


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    for seen in _watched:
        if event == "open":
            path, _, flags = arguments
            outside = isinstance(path, str | bytes) and not Path(os.fsdecode(path)).is_relative_to(seen.folder)
            if path == tempfile.gettempdir():
                continue  # a nameless file, which holds back TensorFlow's greetings
            if outside or (isinstance(flags, int) and flags & _WRITING):
                seen.forbidden.append(f"open {path!r}")
        elif event.startswith(_FORBIDDEN):
            seen.forbidden.append(f"{event} {str(arguments)[:100]}")


sys.addaudithook(_audit)
