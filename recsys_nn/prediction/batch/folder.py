"""Folders of Parquet predicted file by file, each into a file of its name."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from recsys_nn.data import TableFormat
from recsys_nn.encoding import SOURCES
from recsys_nn.errors import OR_OVERWRITE, DataError, not_seen
from recsys_nn.files import PARQUET_SUFFIXES, Folder
from recsys_nn.prediction.batch.file import OnError, PredictedFile, predict_file, skipped_file_of
from recsys_nn.prediction.core import PredictorCore

RECORD = "_predictions.json"
"""Of the output: written first, and once more when all files are there."""

_WRITTEN = rf"({re.escape(RECORD)}|.+({'|'.join(map(re.escape, PARQUET_SUFFIXES))})(\.skipped\.csv)?)"
_OWN = re.compile(rf"{_WRITTEN}|\.{_WRITTEN}\.[0-9a-f]{{12}}|_{_WRITTEN}\.part", re.IGNORECASE)
"""What a prediction leaves in an output, the drafts of killed workers too."""


@dataclass(frozen=True)
class PredictedFolder:
    """Result of predicting a folder of pairs.

    Args:
        output: the folder, as it was named.
        files: number of files that it holds.
        rows: number of pairs in all files.
        sources: number of them by what they rest on: ``model``, ``user``, ``item``, ``global``.
        skipped: number of rows that were left out, listed beside each file.
        missing: columns that the model reads and the pairs do not have: these values are missing of each pair.
    """

    output: str
    files: int
    rows: int
    sources: Mapping[str, int]
    skipped: int = 0
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class FolderScoring:
    """Prediction of a folder of pairs, file by file.

    Args:
        pairs: the folder of pairs.
        output: the folder to write.
        layout: layout of the files of pairs.
        interval: share of the ratings that shall lie in their intervals (:meth:`Predictor.predict`).
        on_error: ``"stop"``, or ``"skip"`` to leave out bad rows (:meth:`Predictor.predict_file`).
    """

    pairs: Folder
    output: Folder
    layout: TableFormat
    interval: float | None = None
    on_error: OnError = "stop"

    def checked(self, *, overwrite: bool) -> list[str]:
        """The names of the files to predict; nothing is written.

        Raises:
            DataError: where there are none, or the output must not be written.
        """
        if self.pairs.holds(self.output) or self.output.holds(self.pairs):
            raise DataError(
                f"{self.output.name} and the folder of the pairs, {self.pairs.name}, overlap: choose another output"
            )
        names = self.pairs.parquet_files()
        if standing := self.output.files():
            if not overwrite:
                raise DataError(f"{self.output.name} is not empty: {OR_OVERWRITE}")
            others = [name for name in standing if not _OWN.fullmatch(PurePosixPath(name).name)]
            if others or RECORD not in standing:
                raise DataError(
                    f"{self.output.name} holds more than predictions, such as {(others or standing)[0]}: choose "
                    "another output"
                )
        return names

    def begin(self) -> None:
        """Empties the output and records in it that it is not finished."""
        self.output.clear()
        self._record({"finished": False})

    def check_begun(self) -> None:
        """Checks, in another process, that its machine sees the output.

        Raises:
            ArtifactError: where it does not.
        """
        if not self.output.has(RECORD):
            raise not_seen(self.output.name)

    def carry_out(self, predictor: PredictorCore, name: str) -> PredictedFile:
        """Predicts one of the files; it appears whole, and replaces one that was predicted before."""
        with self.pairs.fetched(name) as pairs, TemporaryDirectory(prefix="recsys-nn-") as folder:
            file, copied, named = Path(folder, "predicted.parquet"), str(pairs), f"{self.pairs.name}/{name}"
            try:
                found = predict_file(
                    predictor, pairs, file, layout=self.layout, interval=self.interval, on_error=self.on_error
                )
            except DataError as error:  # which names the file where it was read
                raise DataError(str(error).replace(copied, named)) from None
            if found.skipped_file is not None:
                skipped = Path(folder, "skipped.csv")
                with found.skipped_file.open("rb") as read, skipped.open("wb") as written:
                    written.writelines(line.replace(os.fsencode(copied), os.fsencode(named)) for line in read)
                self.output.store(skipped_file_of(Path(name)).as_posix(), skipped)
            self.output.store(name, file)
            return replace(found, output=Path(name), skipped_file=None)

    def conclude(self, found: Iterable[PredictedFile]) -> PredictedFolder:
        """Sums up what was predicted of all files, and writes it to the record."""
        files, counted = list(found), Counter[str]()
        for each in files:
            counted.update(each.sources)
        result = PredictedFolder(
            self.output.name,
            len(files),
            sum(each.rows for each in files),
            {name: counted[name] for name in reversed(SOURCES) if counted[name]},
            sum(each.skipped for each in files),
            tuple(dict.fromkeys(name for each in files for name in each.missing)),
        )
        self._record({"finished": True, **asdict(result)})
        return result

    def _record(self, values: Mapping[str, Any]) -> None:
        with TemporaryDirectory(prefix="recsys-nn-") as folder:
            file = Path(folder, RECORD)
            file.write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")
            self.output.store(RECORD, file)
