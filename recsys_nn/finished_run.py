"""Run folders with what they record of their data, and ratings on which several of them can be compared."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from recsys_nn.config import load_config
from recsys_nn.data.encoding import Encoder
from recsys_nn.data.ratings import Ratings
from recsys_nn.data.splits import Split
from recsys_nn.errors import DataError, RecsysError
from recsys_nn.experiment import fingerprint, load_split
from recsys_nn.prediction.predictor import Predictor


@dataclass(frozen=True, eq=False)
class FinishedRun:
    """A predictor and, where it was read from one, its run folder."""

    predictor: Predictor
    folder: Path | None = None

    @classmethod
    def load(cls, folder: Path) -> FinishedRun:
        """The run in ``folder``, or an ArtifactError that says why it cannot be used."""
        return cls(Predictor.load(folder), folder)

    @property
    def seconds(self) -> float:
        """Of its training; NaN where that is not recorded."""
        metrics = self._document("metrics.json")
        return float(metrics.get("seconds", math.nan))

    @cached_property
    def fingerprints(self) -> dict[str, str]:
        """Those of its ``train``, ``validation`` and ``test`` parts; empty where they are not recorded."""
        parts = self._document("data.json").get("parts", {})
        return {name: part["sha256"] for name, part in parts.items()}

    def as_trained(self, ratings: Ratings) -> Ratings:
        """Ratings on the run's own scale: where it was trained on what is liked, these become so, unless they are."""
        file = None if self.folder is None else self.folder / "config.yaml"
        if file is None or not file.is_file() or ratings.scale[1] <= self.predictor.encoder.scale[1]:
            return ratings
        threshold = load_config(file).data.liked
        return ratings if threshold is None else ratings.liked(threshold)

    def split(self) -> Split:
        """Its parts, read again as its config describes them, which may have changed since."""
        assert self.folder is not None
        config = load_config(self.folder / "config.yaml")
        split = load_split(config.data, config.seed)
        return split.without_validation() if config.refit else split

    def _document(self, name: str) -> dict:
        """What the experiment left beside the model (the manifest's check has found it whole)."""
        if self.folder is None or not (self.folder / name).is_file():
            return {}
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


def common_test_part(runs: Mapping[str, FinishedRun]) -> Ratings:
    """The test part of all ``runs``.

    Raises:
        DataError: where one does not say what it was tested on, they were tested on different ratings, or those can no
            longer be read.
    """
    first, *others = runs
    for name, run in runs.items():
        if not run.fingerprints:
            raise DataError(f"{name} does not record what it was tested on: give the ratings to compare on")
    for name in others:
        if runs[name].fingerprints["test"] != runs[first].fingerprints["test"]:
            raise DataError(
                f"the test part of {name} is not that of {first}: give ratings that none of them was trained on"
            )
    test = runs[first].split().test
    if fingerprint(test) != runs[first].fingerprints["test"]:
        raise DataError(f"the test part that {first} describes has changed since: give the ratings to compare on")
    return test


def unseen(ratings: Ratings, runs: Mapping[str, FinishedRun]) -> Ratings:
    """``ratings``, unless some are known to be in the training part of a run.

    The training parts are read again, as the runs' configs describe them; a warning names a run of which that part can
    no longer be had. A predictor without a folder, or a folder without a record, is taken at its word.

    Raises:
        DataError: naming the run and the number of ratings.
    """
    mark = fingerprint(ratings)
    trained_on = {run.fingerprints["train"]: (name, run) for name, run in runs.items() if run.fingerprints}
    for train, (name, run) in trained_on.items():
        held_out = [run.fingerprints[part] for part in ("validation", "test")]
        n_seen = len(ratings) if mark == train else 0 if mark in held_out else _n_seen(ratings, name, run)
        if n_seen:
            raise DataError(
                f"{n_seen:,} of the {len(ratings):,} ratings are in the training part of {name}: "
                f"compare on ratings that no run was trained on"
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
            return _n_shared_pairs(ratings, train, run.predictor.encoder)
        why = "the data that its config describes have changed since"
    warnings.warn(f"{name}: whether it was trained on some of these ratings cannot be told: {why}", stacklevel=2)
    return 0


def _n_shared_pairs(ratings: Ratings, train: Ratings, encoder: Encoder) -> int:
    asked, known = (encoder.encode_pairs(part.frame["user"], part.frame["item"]) for part in (ratings, train))
    keys, trained = (rows["user"].astype(np.int64) * encoder.items.n_rows + rows["item"] for rows in (asked, known))
    return int(np.isin(keys, trained).sum())
