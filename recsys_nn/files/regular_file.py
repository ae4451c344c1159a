"""Files that can be read more than once, as opposed to pipes, from which a reader might wait for ever."""

from __future__ import annotations

from pathlib import Path

from recsys_nn.errors import DataError


def refuse_pipe(path: Path) -> None:
    """A DataError for what is neither a file nor a folder, where there is something of this name."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DataError(f"{path} is a pipe or a device, where a file is expected: write what comes from it into one")
