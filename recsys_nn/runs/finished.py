"""Run folders with what they record of their data, and ratings on which several of them can be compared."""

from __future__ import annotations

import io
import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from recsys_nn.config import RunConfig, load_config
from recsys_nn.data import AnySplit, Ratings, fingerprint, shared_pairs
from recsys_nn.errors import ArtifactError, ConfigError, DataError, RecsysError
from recsys_nn.files import MAX_BYTES, parse_yaml, read_json, read_plain_table
from recsys_nn.prediction import (
    HELD_OUT,
    JUDGED,
    PREDICTED,
    PREDICTIONS,
    RATING,
    STDS,
    Manifest,
    Predictor,
    read_listed,
    read_manifest,
    read_predicted,
    versions,
)
from recsys_nn.runs.data import load_parts
from recsys_nn.training import InputScale, StopReason, TrainingRun

ITEM_FEATURES = "item_features.parquet"
PartName = Literal["train", "validation", "test"]
_INSTEAD = "give ratings that none of the runs was trained on (--ratings)"
_FIRST_CONFIG = re.compile(r"(member_1/)*config\.yaml")
_METRICS = TypeAdapter(dict[str, float | None])


class _Training(BaseModel):
    """Schema of training.json: the record of a training (``TrainingRun.record``)."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    best_epoch: int = Field(ge=0)
    stop_reason: StopReason
    seconds: float = Field(ge=0)
    engine: str
    loss: str
    n_train: int = Field(ge=0)
    n_validation: int = Field(ge=0)
    inputs: dict[str, InputScale]


class _Part(BaseModel):
    """Schema of a part in data.json: at least its size and its fingerprint."""

    model_config = ConfigDict(extra="allow")

    ratings: int = Field(ge=0)
    sha256: str


class _Data(BaseModel):
    """Schema of data.json: at least the parts of the ratings."""

    model_config = ConfigDict(extra="allow")

    parts: dict[str, _Part] = {}


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A predictor and what its experiment has left beside it.

    Attributes:
        predictor: the predictor of the run.
        folder: the run folder, where it has one.
        documents: the files of that folder by name, where they are at hand; else they are read from it.
        manifest_sha256: SHA-256 that its manifest.json has to have, where the caller knows it.
    """

    predictor: Predictor
    folder: Path | None = None
    documents: Mapping[str, str | bytes] | None = field(default=None, repr=False)
    manifest_sha256: str | None = None

    @classmethod
    def load(cls, folder: Path, *, manifest_sha256: str | None = None) -> FinishedRun:
        """Loads the run in ``folder``, or raises an ArtifactError that says why it cannot be used.

        Args:
            folder: path of the run folder.
            manifest_sha256: SHA-256 that its manifest.json has to have, as in :meth:`Predictor.load`.
        """
        return cls(Predictor.load(folder, manifest_sha256=manifest_sha256), folder, manifest_sha256=manifest_sha256)

    @cached_property
    def config(self) -> RunConfig | None:
        """Config by which the run was trained; None where that is not recorded."""
        return self._config("config.yaml")

    @cached_property
    def training(self) -> TrainingRun | None:
        """The training that validation has judged; None where that is not recorded."""
        history, config = self._document("history.csv"), self.config
        if history is None or config is None:
            return None
        record = self._values("training.json", _Training).model_dump()
        return TrainingRun.recorded(self.predictor.model, self._history(history), config.training, record)

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Figures of the run, as ``ExperimentResult.metrics``; one that is no number is NaN."""
        figures = {} if self._document("metrics.json") is None else self._values("metrics.json", _METRICS)
        return {name: math.nan if value is None else value for name, value in figures.items()}

    @property
    def seconds(self) -> float:
        """Duration of its training in seconds; NaN where that is not recorded."""
        return float(self.metrics.get("seconds", math.nan))

    @cached_property
    def data(self) -> dict[str, Any]:
        """Record of its data (``provenance``), and of a refit its epochs; empty where there is none."""
        return {} if self._document("data.json") is None else self._values("data.json", _Data).model_dump()

    @property
    def parts(self) -> dict[str, dict[str, Any]]:
        """Record of its ``train``, ``validation`` and ``test`` parts (``described``), of those that are recorded.

        It has the ``refitted`` ratings too, where there are such: a validation part that then joined the training part.
        """
        return self.data.get("parts", {})

    @property
    def fingerprints(self) -> dict[str, str]:
        """SHA-256 of each of its parts that is recorded, by name."""
        return {name: part["sha256"] for name, part in self.parts.items()}

    @cached_property
    def held_out(self) -> pd.DataFrame | None:
        """Predictions of its validation part, before any refit (``prediction/held_out.py``); None if not kept.

        Raises:
            ArtifactError: where the file cannot be used.
        """
        return self._table(HELD_OUT, [*PREDICTED, *PREDICTIONS[1:], *STDS[1:]])

    @cached_property
    def judged(self) -> pd.DataFrame | None:
        """Predictions of its test part (``prediction/held_out.py``); None if not kept."""
        return self._table(JUDGED, PREDICTED)

    @cached_property
    def item_features(self) -> pd.DataFrame | None:
        """Features of its items, by the column ``item``; None where nothing was known of them."""
        content = self._document(ITEM_FEATURES)
        return None if content is None else read_plain_table(content, self._name(ITEM_FEATURES))

    @property
    def versions(self) -> dict[str, str]:
        """Versions of the packages that it was made with."""
        return versions() if self._manifest is None else self._manifest.versions

    def as_trained(self, ratings: Ratings) -> Ratings:
        """Converts ratings to the run's own scale: to 1 for liked and else 0, where it was trained on such."""
        config = self._first_config
        if config is None or ratings.scale[1] <= self.predictor.encoder.scale[1]:
            return ratings
        threshold = config.data.liked
        return ratings if threshold is None else ratings.liked(threshold)

    def split(self) -> AnySplit:
        """Reads its parts again as its config describes them; the data may have changed since."""
        config = self._first_config
        assert config is not None
        split = load_parts(config.data, config.seed)
        return split.without_validation() if config.refit else split

    @cached_property
    def _first_config(self) -> RunConfig | None:
        """Config of the run, or of the first member of a blend."""
        listed = () if self._manifest is None else self._manifest.files
        configs = [name for name in listed if _FIRST_CONFIG.fullmatch(name)]
        return self._config(min(configs, key=len)) if configs else None

    def _config(self, name: str) -> RunConfig | None:
        content = self._document(name)
        if content is None:
            return None
        try:
            return load_config(parse_yaml(content, name))
        except ConfigError as error:
            raise ArtifactError(f"{self._name(name)} is damaged: {error}") from error

    def _history(self, content: bytes) -> pd.DataFrame:
        if len(content) > MAX_BYTES:
            raise ArtifactError(
                f"{self._name('history.csv')} is damaged: it has {len(content):,} bytes, too many for a history"
            )
        try:
            table = pd.read_csv(io.BytesIO(content))
        except ValueError as error:
            raise ArtifactError(f"{self._name('history.csv')} is damaged: {error}") from None
        if (
            table.empty
            or not table.dtypes.map(pd.api.types.is_numeric_dtype).all()
            or not {"epoch", "loss"} <= {*table}
        ):
            raise ArtifactError(
                f"{self._name('history.csv')} is damaged: it must hold columns of numbers, with epoch and loss"
            )
        return table

    def _values(self, name: str, expected: Any) -> Any:
        return read_json(self._document(name) or b"", expected, self._name(name))

    def _table(self, name: str, columns: list[str]) -> pd.DataFrame | None:
        content = self._document(name)
        return None if content is None else read_predicted(content, columns, self._name(name))

    def _document(self, name: str) -> bytes | None:
        """Reads a file that the experiment left beside the model, as the manifest states it."""
        if self.documents is not None:
            content = self.documents.get(name)
            return content.encode() if isinstance(content, str) else content
        if self.folder is None or self._manifest is None or name not in self._manifest.files:
            return None
        return read_listed(self.folder, name, self._manifest)

    @cached_property
    def _manifest(self) -> Manifest | None:
        return None if self.folder is None else read_manifest(self.folder, sha256=self.manifest_sha256)

    def _name(self, name: str) -> str:
        return str(Path(self.folder or "", name))


@runtime_checkable
class Concluded(Protocol):
    """Result that has a finished run, such as ``rn.run_experiment`` returns."""

    @property
    def finished(self) -> FinishedRun: ...


def common_part(runs: Mapping[str, FinishedRun], part: PartName) -> Ratings:
    """Reads the part that all ``runs`` have in common.

    Raises:
        DataError: where one does not record it, they have different ones, it is empty or can no longer be read.
    """
    first, *others = runs
    for name, run in runs.items():
        if part not in run.fingerprints:
            raise DataError(f"{name} has no record of its {part} part: {_INSTEAD}")
    for name in others:
        if runs[name].fingerprints[part] != runs[first].fingerprints[part]:
            raise DataError(f"the {part} parts of {name} and {first} differ: {_INSTEAD}")
    if not runs[first].parts[part]["ratings"]:
        raise DataError(f"the {part} part has no ratings: {_INSTEAD}")
    ratings: Ratings = getattr(runs[first].split(), part)
    if fingerprint(ratings) != runs[first].fingerprints[part]:
        raise DataError(f"the {part} part of {first} has changed since that run: {_INSTEAD}")
    return ratings


def kept_predictions(runs: Mapping[str, FinishedRun]) -> dict[str, pd.DataFrame]:
    """Predictions that the runs keep of the validation part that all have in common, by name.

    Empty where one of them keeps none.

    Raises:
        DataError: where they are not of the same ratings.
    """
    kept = {name: table for name, run in runs.items() if (table := run.held_out) is not None}
    if len(kept) < len(runs):
        return {}
    first, *others = kept
    for name in others:
        if not kept[name][RATING].equals(kept[first][RATING]):
            raise DataError(f"the validation parts of {name} and {first} differ: {_INSTEAD}")
    return kept


def unseen(ratings: Ratings, runs: Mapping[str, FinishedRun]) -> Ratings:
    """Returns ``ratings``, unless some are known to be in the training part of a run.

    The training parts are read again, as the runs' configs describe them; a warning names a run of which that part can
    no longer be had. A predictor without a folder, or a folder without a record, is taken at its word.

    Raises:
        DataError: naming the run and the number of ratings.
    """
    mark = fingerprint(ratings)
    trained_on = {run.fingerprints["train"]: (name, run) for name, run in runs.items() if "train" in run.fingerprints}
    for train, (name, run) in trained_on.items():
        held_out = [run.fingerprints.get(part) for part in ("validation", "test")]
        seen = [train, run.fingerprints.get("refitted")]
        n_seen = len(ratings) if mark in seen else 0 if mark in held_out else _n_seen(ratings, name, run)
        if n_seen:
            raise DataError(
                f"{n_seen:,} of the {len(ratings):,} ratings are in the training part of {name}: {_INSTEAD}"
            )
    return ratings


def _n_seen(ratings: Ratings, name: str, run: FinishedRun) -> int:
    """Number of the ratings whose pairs are in the training part; 0, with a warning, where that cannot be told."""
    try:
        train = run.split().train
    except RecsysError as error:
        why = str(error)
    else:
        if fingerprint(train) == run.fingerprints["train"]:
            return shared_pairs(ratings, train)
        why = "its data have changed since the run"
    warnings.warn(f"{name} may have been trained on some of these ratings: {why}", stacklevel=2)
    return 0
