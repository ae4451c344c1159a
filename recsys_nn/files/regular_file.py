"""Files that can be read more than once, as opposed to pipes, from which a reader might wait for ever."""

from __future__ import annotations

from pathlib import Path

from recsys_nn.errors import DataError


def refuse_pipe(path: Path) -> None:
    """Raises a DataError for a path that exists and is neither a file nor a folder, such as a pipe or a device."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise DataError(f"{path} is a pipe or a device, where a file is expected: write what comes from it into one")
