"""The run that a service answers from: replaced as a whole when the folder holds another one."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from recsys_nn.prediction import files_in
from recsys_nn.serving.answers import ServedRun
from recsys_nn.serving.limits import Limits

logger = logging.getLogger("recsys_nn.serving")
SECONDS = 1.0
"""Seconds between two looks at the folder."""

Stamp = frozenset[tuple[str, int, int, int]]


class LiveRun:
    """The run in a folder, as it stood when it was last found whole.

    A new one is loaded and warmed up beside the old one, which answers meanwhile; requests that have begun end with the
    one that they began with. What cannot be loaded is refused, told in the log, and looked at again once changed.

    Args:
        folder: the run folder, which may be replaced.
        limits: limits of a request.
        told: is called with how each look at a new folder has ended: ``"loaded"`` or ``"refused"``.

    Attributes:
        current: the run that answers now.
        refused: why what stands in the folder now is not used; None where it is.

    Raises:
        ArtifactError: where there is no run to begin with.
    """

    def __init__(self, folder: Path, limits: Limits, told: Callable[[str], None] = lambda outcome: None) -> None:
        self.folder = folder
        self.refused: str | None = None
        self._limits = limits
        self._told = told
        self._looked_at = _stamp(folder)
        self.current = ServedRun.load(folder, limits)

    def look(self) -> None:
        """Takes what stands in the folder now, if it is another run than before."""
        stamp = _stamp(self.folder)
        if stamp == self._looked_at or not stamp:  # none, between the two renames that replace a folder
            return
        try:
            loaded = ServedRun.load(self.folder, self._limits)
        except Exception as error:  # whatever it is, the old run goes on
            if _stamp(self.folder) == stamp:
                self._looked_at, self.refused = stamp, str(error)
                logger.error("%s cannot be loaded, and the former run goes on answering: %s", self.folder, error)
                self._told("refused")
            return
        if _stamp(self.folder) == stamp:  # else it was replaced meanwhile
            self._looked_at, self.refused, self.current = stamp, None, loaded
            logger.info("%s: revision %s answers from now on", self.folder, loaded.revision)
            self._told("loaded")

    async def watch(self) -> None:
        """Looks at the folder again and again, in a thread beside the event loop."""
        while True:
            await asyncio.sleep(SECONDS)
            await asyncio.to_thread(self.look)


def _stamp(folder: Path) -> Stamp:
    """Mark that tells a folder from one that was renamed into its place, or changed; empty where there is none."""
    try:
        found = {name: (folder / name).stat() for name in files_in(folder)}
    except OSError:
        return frozenset()
    return frozenset((name, file.st_ino, file.st_mtime_ns, file.st_size) for name, file in found.items())
