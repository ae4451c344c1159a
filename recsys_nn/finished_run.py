"""Run folders with what they record of their data, and ratings on which several of them can be compared."""

from __future__ import annotations

import io
import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import pandas as pd

from recsys_nn.config import RunConfig, load_config
from recsys_nn.data.ratings import Ratings
from recsys_nn.data.relation import shared_pairs
from recsys_nn.data.splits import Split
from recsys_nn.errors import DataError, RecsysError
from recsys_nn.prediction.blend import member_folder
from recsys_nn.prediction.held_out import HELD_OUT, JUDGED, PREDICTED, PREDICTIONS, RATING, STDS, read_predicted
from recsys_nn.prediction.manifest import listed_files, recorded_versions, versions
from recsys_nn.prediction.predictor import Predictor
from recsys_nn.run_data import fingerprint, load_split
from recsys_nn.strict_yaml import parse_yaml
from recsys_nn.training.run import TrainingRun

ITEM_FEATURES = "item_features.parquet"
PartName = Literal["train", "validation", "test"]
_INSTEAD = "give ratings that none of the runs was trained on (--ratings)"


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A predictor and what its experiment has left beside it.

    Attributes:
        predictor: of the run.
        folder: the run folder, where it has one.
        documents: the files of that folder by name, where they are at hand; else they are read from it.
    """

    predictor: Predictor
    folder: Path | None = None
    documents: Mapping[str, str | bytes] | None = field(default=None, repr=False)

    @classmethod
    def load(cls, folder: Path) -> FinishedRun:
        """The run in ``folder``, or an ArtifactError that says why it cannot be used."""
        return cls(Predictor.load(folder), folder)

    @cached_property
    def config(self) -> RunConfig | None:
        """What it was trained by; None where that is not recorded."""
        content = self._document("config.yaml")
        return None if content is None else load_config(parse_yaml(content, "config.yaml"))

    @cached_property
    def training(self) -> TrainingRun | None:
        """The training that validation has judged; None where that is not recorded."""
        history, config = self._document("history.csv"), self.config
        if history is None or config is None:
            return None
        table = pd.read_csv(io.BytesIO(history))
        return TrainingRun.recorded(self.predictor.model, table, config.training, self._values("training.json"))

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Its figures, as ``ExperimentResult.metrics``; one that is no number is NaN."""
        return {name: math.nan if value is None else value for name, value in self._values("metrics.json").items()}

    @property
    def seconds(self) -> float:
        """Of its training; NaN where that is not recorded."""
        return float(self.metrics.get("seconds", math.nan))

    @cached_property
    def data(self) -> dict[str, Any]:
        """What is recorded of its data (``run_data.provenance``, and of a refit its epochs)."""
        return self._values("data.json")

    @property
    def parts(self) -> dict[str, dict[str, Any]]:
        """What is recorded of its ``train``, ``validation`` and ``test`` parts (``described``), of those that are.

        And of the ``refitted`` ratings, where there are such: a validation part that then joined the training part.
        """
        return self.data.get("parts", {})

    @property
    def fingerprints(self) -> dict[str, str]:
        """Those of its parts, of those that are recorded."""
        return {name: part["sha256"] for name, part in self.parts.items()}

    @cached_property
    def held_out(self) -> pd.DataFrame | None:
        """What was predicted, before any refit, of its validation part (``prediction/held_out.py``); None if not kept.

        Raises:
            ArtifactError: where the file cannot be used.
        """
        return self._table(HELD_OUT, [*PREDICTED, *PREDICTIONS[1:], *STDS[1:]])

    @cached_property
    def judged(self) -> pd.DataFrame | None:
        """The same of its test part."""
        return self._table(JUDGED, PREDICTED)

    @cached_property
    def item_features(self) -> pd.DataFrame | None:
        """What was known of its items beside their ids, by the column ``item``; None where nothing was."""
        content = self._document(ITEM_FEATURES)
        return None if content is None else pd.read_parquet(io.BytesIO(content))

    @property
    def versions(self) -> dict[str, str]:
        """Of what it was made with."""
        return versions() if self.folder is None else recorded_versions(self.folder)

    def as_trained(self, ratings: Ratings) -> Ratings:
        """Ratings on the run's own scale: where it was trained on what is liked, these become so, unless they are."""
        file = self._config_file
        if file is None or not file.is_file() or ratings.scale[1] <= self.predictor.encoder.scale[1]:
            return ratings
        threshold = load_config(file).data.liked
        return ratings if threshold is None else ratings.liked(threshold)

    def split(self) -> Split:
        """Its parts, read again as its config describes them, which may have changed since."""
        assert self._config_file is not None
        config = load_config(self._config_file)
        split = load_split(config.data, config.seed)
        return split.without_validation() if config.refit else split

    @property
    def _config_file(self) -> Path | None:
        """Its config, or that of the first member of a blend."""
        folder = self.folder
        while folder is not None and member_folder(folder, 1).is_dir():
            folder = member_folder(folder, 1)
        return None if folder is None else folder / "config.yaml"

    def _values(self, name: str) -> dict[str, Any]:
        text = self._document(name)
        return {} if text is None else json.loads(text)

    def _table(self, name: str, columns: list[str]) -> pd.DataFrame | None:
        content = self._document(name)
        return None if content is None else read_predicted(content, columns, f"{self.folder or ''}/{name}")

    def _document(self, name: str) -> bytes | None:
        """A file that the experiment left beside the model (the manifest's check has found it whole)."""
        if self.documents is not None:
            content = self.documents.get(name)
            return content.encode() if isinstance(content, str) else content
        if self.folder is None or name not in listed_files(self.folder):
            return None
        return (self.folder / name).read_bytes()


@runtime_checkable
class Concluded(Protocol):
    """What has a finished run, as ``rn.run_experiment`` gives it."""

    @property
    def finished(self) -> FinishedRun: ...


def common_part(runs: Mapping[str, FinishedRun], part: PartName) -> Ratings:
    """The part that all ``runs`` have in common.

    Raises:
        DataError: where one does not record it, they have different ones, it is empty or can no longer be read.
    """
    first, *others = runs
    for name, run in runs.items():
        if part not in run.fingerprints:
            raise DataError(f"{name} does not record its {part} part: {_INSTEAD}")
    for name in others:
        if runs[name].fingerprints[part] != runs[first].fingerprints[part]:
            raise DataError(f"the {part} part of {name} is not that of {first}: {_INSTEAD}")
    if not runs[first].parts[part]["ratings"]:
        raise DataError(f"there is no {part} part, it has no ratings: {_INSTEAD}")
    ratings: Ratings = getattr(runs[first].split(), part)
    if fingerprint(ratings) != runs[first].fingerprints[part]:
        raise DataError(f"the {part} part that {first} describes has changed since: {_INSTEAD}")
    return ratings


def kept_predictions(runs: Mapping[str, FinishedRun]) -> dict[str, pd.DataFrame]:
    """What each of ``runs`` keeps of its predictions of the validation part that all have in common.

    Nothing, where one keeps none.

    Raises:
        DataError: where they are not of the same ratings.
    """
    kept = {name: table for name, run in runs.items() if (table := run.held_out) is not None}
    if len(kept) < len(runs):
        return {}
    first, *others = kept
    for name in others:
        if not kept[name][RATING].equals(kept[first][RATING]):
            raise DataError(f"the validation part of {name} is not that of {first}: {_INSTEAD}")
    return kept


def unseen(ratings: Ratings, runs: Mapping[str, FinishedRun]) -> Ratings:
    """``ratings``, unless some are known to be in the training part of a run.

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
    """How many of the ``ratings`` are of pairs in the training part; 0, with a warning, where that cannot be told."""
    try:
        train = run.split().train
    except RecsysError as error:
        why = str(error)
    else:
        if fingerprint(train) == run.fingerprints["train"]:
            return shared_pairs(ratings, train)
        why = "the data that its config describes have changed since"
    warnings.warn(f"{name}: whether it was trained on some of these ratings cannot be told: {why}", stacklevel=2)
    return 0
