"""Data sets that somebody publishes as a zip archive of text files: found, or downloaded once by pooch."""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import BadZipFile

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

from recsys_nn.data.ratings import Ratings
from recsys_nn.data.readers import read_ratings
from recsys_nn.data.table_format import TableFormat
from recsys_nn.errors import DataError
from recsys_nn.files import atomic_folder

DATA_VARIABLE = "RECSYS_NN_DATA"
_TIMEOUT = 30.0  # seconds that the server may be silent
_CHUNK = 1 << 16  # bytes
_MAX_BYTES = 1 << 32


@dataclass(frozen=True)
class ArchiveDataset:
    """A published archive: where it is, how its ratings are laid out, and what is known of users and items.

    Args:
        name: name by which :func:`~recsys_nn.data.datasets.get_dataset` knows it.
        title: one line on what it holds.
        licence: terms of its publisher, printed before a download.
        url: address of the zip archive.
        sha256: the checksum of the archive, in hex; a download with another one is thrown away.
        folder: the folder that the archive unpacks to.
        main: the file in ``folder`` with all ratings.
        layout: layout of its files of ratings.
        scale: (lowest, highest) possible rating.
        features: reads, from the folder, the ``user_features`` and ``item_features`` of :class:`Ratings`.
    """

    name: str
    title: str
    licence: str
    url: str
    sha256: str
    folder: str
    main: str
    layout: TableFormat
    scale: tuple[float, float]
    features: Callable[[Path], Mapping[str, Any]]

    def load(self, **options: Any) -> Ratings:
        """Loads all ratings, downloaded if need be. It takes no options: any is a DataError."""
        if options:
            raise DataError(f"the data set {self.name!r} takes no options: leave {', '.join(map(repr, options))} out")
        return self.read(self.main)

    def read(self, file: str | Path) -> Ratings:
        """Reads the ratings of a file in this data set's format, with its features.

        Args:
            file: a path relative to the data set's folder, such as an official split, or an absolute one.

        Raises:
            DataError: if the data set can neither be found nor downloaded, or the file is not in its format.
        """
        folder = self.locate()
        return read_ratings(folder / file, self.layout, scale=self.scale, **self.features(folder))

    def locate(self) -> Path:
        """The data set's folder: in ``$RECSYS_NN_DATA``, else in the user's cache, else downloaded into it.

        A folder that is there is taken as it is; the checksum guards downloads.
        """
        own, cache = os.environ.get(DATA_VARIABLE), cache_folder()
        for place in ([Path(own)] if own else []) + [cache]:
            if (place / self.folder / self.main).is_file():
                return (place / self.folder).absolute()
        return self._download(cache)

    def _download(self, cache: Path) -> Path:
        final = cache / self.folder
        console = Console(stderr=True)
        console.print(f"Downloading {self.title}\n{self.licence}", highlight=False, markup=False)
        try:
            with atomic_folder(final, replace=False) as draft, TemporaryDirectory(dir=draft) as beside:
                _fetch(self.url, self.sha256, Path(beside), console)
                if not (Path(beside) / self.folder / self.main).is_file():
                    raise DataError(f"the archive holds no {self.folder}/{self.main}")
                for part in (Path(beside) / self.folder).iterdir():
                    part.rename(draft / part.name)
        except (DataError, OSError) as error:
            if (final / self.main).is_file():  # another process was faster
                return final
            raise DataError(
                f"{self.name} could not be downloaded from {self.url}: {error}. To do it by hand, download "
                f"that archive and unpack it so that {final / self.main} exists, or unpack it elsewhere and "
                f"set {DATA_VARIABLE} to the folder that then holds {self.folder}/{self.main}"
            ) from error
        return final


class _Bar:
    """Progress bar of a download as pooch calls it, which ends one that is too long."""

    total = 0

    def __init__(self, progress: Progress, name: str) -> None:
        self._progress, self._task, self._received = progress, progress.add_task(name, total=None), 0

    def update(self, n: int) -> None:
        self._received += n
        if self._received > _MAX_BYTES + _CHUNK:
            raise DataError(f"there are more than {_MAX_BYTES:,} bytes")
        self._progress.update(self._task, completed=self._received, total=self.total or None)

    def reset(self) -> None:
        self._received = 0

    def close(self) -> None:
        """Does nothing: the bar ends with its block."""


def _fetch(url: str, sha256: str, folder: Path, console: Console) -> None:
    """Downloads a zip archive with this checksum and unpacks it into a folder.

    Raises:
        DataError: where the server, the disk or the archive is not as it should be.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=console) as progress:
        bar = _Bar(progress, url.rpartition("/")[2])
        download = pooch.HTTPDownloader(progressbar=bar, chunk_size=_CHUNK, timeout=_TIMEOUT)
        unpack = pooch.Unzip(extract_dir=".")
        try:
            pooch.retrieve(url, f"sha256:{sha256}", path=folder, downloader=download, processor=unpack)
        except (OSError, ValueError, BadZipFile, zlib.error) as error:
            raise DataError(str(error)) from error


def cache_folder() -> Path:
    """Folder of downloads: ``$XDG_CACHE_HOME/recsys_nn``, by default ``~/.cache/recsys_nn``."""
    # The XDG specification has a relative path ignored.
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "recsys_nn"
