"""Folders of Parquet on this machine, or in a store that pyarrow knows (S3, Google Cloud Storage, HDFS)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.fs as fs

from recsys_nn.errors import DataError
from recsys_nn.files.atomic import atomic_file

PARQUET_SUFFIXES = (".parquet", ".pq")
_WHOLE_BY_THEMSELVES = ("s3", "gcs", "abfs")
"""File systems in which a file is seen once all of it has been written."""


def is_shown_parquet(name: PurePath) -> bool:
    """Tells whether a name relative to a folder is that of a Parquet file, with no part hidden (``.`` or ``_``)."""
    return name.suffix.lower() in PARQUET_SUFFIXES and not any(part[0] in "._" for part in name.parts)


def is_uri(place: str | Path) -> bool:
    """Tells whether a place is a URI such as ``s3://bucket/folder``."""
    return "://" in str(place)


@dataclass(frozen=True)
class Folder:
    """A folder and the file system that it is in.

    Args:
        name: the path or URI as given, for messages; without what may be secret in a URI.
        filesystem: pyarrow's file system that holds the folder.
        path: the folder's path within that file system.
    """

    name: str
    filesystem: fs.FileSystem
    path: str

    @classmethod
    def at(cls, place: str | Path) -> Folder:
        """The folder at a path or a URI.

        Raises:
            DataError: where pyarrow knows no such file system, or it cannot be reached.
        """
        if not is_uri(place):
            return cls(str(place), fs.LocalFileSystem(), str(Path(place).expanduser().absolute()))
        parts = urlsplit(str(place))
        name = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}"
        try:
            filesystem, path = fs.FileSystem.from_uri(str(place))
        except (pa.ArrowException, OSError, ValueError) as error:
            raise DataError(f"{name} cannot be reached: {error}") from None
        return cls(name, filesystem, path)

    @property
    def is_local(self) -> bool:
        return self.filesystem.type_name == "local"

    def parquet_files(self) -> list[str]:
        """Names of the Parquet files of the folder and its subfolders, relative to it and sorted, without hidden ones.

        Raises:
            DataError: where there are none, or no such folder.
        """
        shown = sorted(name for name in self.files() if is_shown_parquet(PurePosixPath(name)))
        if not shown:
            raise DataError(f"{self.name} holds no Parquet file ({', '.join(PARQUET_SUFFIXES)})")
        return shown

    def files(self) -> list[str]:
        """Names of all files of the folder and its subfolders, relative to it; none where there is no such folder.

        Raises:
            DataError: where it is a file, or cannot be read.
        """
        try:
            kind = self.filesystem.get_file_info(self.path).type
            if kind == fs.FileType.File:
                raise DataError(f"{self.name} is a file, not a folder")
            infos = self.filesystem.get_file_info(fs.FileSelector(self.path, allow_not_found=True, recursive=True))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.name} cannot be read: {error}") from None
        paths = (PurePosixPath(info.path) for info in infos if info.type == fs.FileType.File)
        return [str(path.relative_to(self.path)) for path in paths]

    def has(self, name: str) -> bool:
        """Tells whether the folder has a file of this name, relative to it."""
        try:
            return bool(self.filesystem.get_file_info(self._at(name)).type == fs.FileType.File)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.name} cannot be read: {error}") from None

    @contextmanager
    def fetched(self, name: str) -> Iterator[Path]:
        """A file of the folder on this machine: itself where it is local, else a copy that lasts as long as the block.

        Raises:
            DataError: where it cannot be read.
        """
        if self.is_local:
            yield Path(self.path, name)
            return
        with TemporaryDirectory(prefix="recsys-nn-") as folder:
            local = Path(folder, PurePosixPath(name).name)
            try:
                fs.copy_files(self._at(name), str(local), source_filesystem=self.filesystem)
            except (pa.ArrowException, OSError) as error:
                raise DataError(f"{self.name}/{name} cannot be read: {error}") from None
            yield local

    def store(self, name: str, file: Path) -> None:
        """Copies a file of this machine into the folder, where it appears whole and replaces one of the same name.

        Raises:
            DataError: where a store refuses.
            ArtifactError: where this machine's disk does.
        """
        target = self._at(name)
        if self.is_local:
            with file.open("rb") as source, atomic_file(Path(target)) as stream:
                shutil.copyfileobj(source, stream, 2**20)
            return
        own = target.rpartition("/")[2]
        draft = target if self.filesystem.type_name in _WHOLE_BY_THEMSELVES else target[: -len(own)] + f"_{own}.part"
        try:
            self.filesystem.create_dir(target[: -len(own)].rstrip("/"), recursive=True)
            fs.copy_files(str(file), draft, destination_filesystem=self.filesystem)
            if draft != target:
                self.filesystem.move(draft, target)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.name}/{name} cannot be written: {error}") from None

    def clear(self) -> None:
        """Removes all that the folder holds.

        Raises:
            DataError: where that cannot be.
        """
        try:
            self.filesystem.delete_dir_contents(self.path, missing_dir_ok=True)
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{self.name} cannot be emptied: {error}") from None

    def holds(self, other: Folder) -> bool:
        """Tells whether the other folder is this one or lies within it."""
        if self.is_local and other.is_local:
            return Path(other.path).resolve().is_relative_to(Path(self.path).resolve())
        return self.filesystem.equals(other.filesystem) and PurePosixPath(other.path).is_relative_to(self.path)

    def _at(self, name: str) -> str:
        return f"{self.path.rstrip('/')}/{name}"
