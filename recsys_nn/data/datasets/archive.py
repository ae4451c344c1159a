"""Data sets that somebody publishes as a zip archive of text files: found, or downloaded once."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, BinaryIO

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
_MAX_BYTES = 1 << 32  # of an archive, and of what it holds
_FAILURES = (DataError, OSError, HTTPException, zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error)
"""What a server, a disk or an archive can answer with; of zipfile, for a packing or a password that it has not."""


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
            raise DataError(f"{self.name} takes no options, but was given {', '.join(map(repr, options))}")
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
            with atomic_folder(final, replace=False) as draft, tempfile.TemporaryFile(dir=draft) as archive:
                checksum = _fetch(self.url, archive, console)
                if checksum != self.sha256:
                    raise DataError(f"its SHA-256 is {checksum}, but {self.sha256} is expected")
                _unpack(archive, self.folder, draft)
                if not (draft / self.main).is_file():
                    raise DataError(f"the archive holds no {self.folder}/{self.main}")
        except _FAILURES as error:
            if (final / self.main).is_file():  # another process was faster
                return final
            raise DataError(
                f"{self.name} could not be downloaded from {self.url}: {error}. To do it by hand, download "
                f"that archive and unpack it so that {final / self.main} exists, or unpack it elsewhere and "
                f"set {DATA_VARIABLE} to the folder that then holds {self.folder}/{self.main}"
            ) from error
        return final


def cache_folder() -> Path:
    """Folder of downloads: ``$XDG_CACHE_HOME/recsys_nn``, by default ``~/.cache/recsys_nn``."""
    # The XDG specification has a relative path ignored.
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (given if given.is_absolute() else Path.home() / ".cache") / "recsys_nn"


def _fetch(url: str, target: BinaryIO, console: Console) -> str:
    """Streams a URL into a file, with a progress bar, and returns the SHA-256 of what came."""
    digest = hashlib.sha256()
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with (
        urllib.request.urlopen(url, timeout=_TIMEOUT) as response,
        Progress(*columns, console=console) as progress,
    ):
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdecimal() else None
        task = progress.add_task(url.rpartition("/")[2], total=total)
        received = 0
        while chunk := response.read(_CHUNK):
            target.write(chunk)
            digest.update(chunk)
            received += len(chunk)
            if received > _MAX_BYTES:
                raise DataError(f"there are more than {_MAX_BYTES:,} bytes")
            progress.update(task, completed=received)
    # Reading in chunks, http.client does not mind a connection that was cut off.
    if total is not None and received < total:
        raise DataError(f"the connection ended after {received:,} of {total:,} bytes")
    return digest.hexdigest()


def _unpack(archive: BinaryIO, folder: str, target: Path) -> None:
    """Extracts the files of a folder of a zip archive, or refuses all of it.

    It is refused where a member would be more than a file below ``target``, which zipfile itself would put elsewhere
    in silence, and where its members are too large.
    """
    with zipfile.ZipFile(archive) as members:
        for member in members.infolist():
            name = member.filename
            outside = name.startswith("/") or ".." in name.split("/") or "\\" in name or ":" in name
            if outside or stat.S_ISLNK(member.external_attr >> 16):
                raise DataError(f"the archive has a member with the unsafe path {name!r}")
        if sum(member.file_size for member in members.infolist()) > _MAX_BYTES:
            raise DataError(f"the archive unpacks to more than {_MAX_BYTES:,} bytes")
        for member in members.infolist():
            if member.filename.startswith(f"{folder}/"):
                member.filename = member.filename.removeprefix(f"{folder}/")
                if member.filename:
                    members.extract(member, target)
