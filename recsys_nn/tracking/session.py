"""Tracking of a run, by all trackers that its config asks for, from its beginning to its end, however that comes."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from recsys_nn._version import __version__
from recsys_nn.config import RunConfig, TrackingConfig
from recsys_nn.data import AnySplit, fingerprints
from recsys_nn.tracking.mlflow import MlflowTracker
from recsys_nn.tracking.tensorboard import TensorBoardTracker
from recsys_nn.tracking.tracker import Status, Tell, TrackedRun, Tracker, flat
from recsys_nn.training import TrainingRun


class Tracking:
    """The trackers of one run. One that fails after the beginning is warned of and left out: no training is lost by it.

    Attributes:
        status: how the run ends, as far as is known.
    """

    def __init__(self) -> None:
        self.status: Status = "failed"
        self._trackers: list[Tracker] = []
        self._epochs = 0
        self._figures: Mapping[str, float] = {}
        self._folder: Path | None = None

    def begin(self, tracker: Tracker, run: TrackedRun) -> None:
        tracker.begin(run)
        self._trackers.append(tracker)

    @property
    def tell(self) -> Tell | None:
        """Function to call with each epoch of the training whose history is the run's; None without trackers."""
        return self._epoch if self._trackers else None

    def conclude(self, run: TrainingRun, figures: Mapping[str, float], folder: Path | None) -> None:
        """Notes the result of the run, and logs those epochs of its history that no callback has told of."""
        for row in run.history[run.history["epoch"] > self._epochs].to_dict("records"):
            number = int(row.pop("epoch"))
            self._epoch(number, {str(name): value for name, value in row.items() if name != "seconds"})
        self.status = "killed" if run.stop_reason == "interrupted" else "finished"
        self._figures, self._folder = figures, folder

    def end(self) -> None:
        """Tells the trackers of the end, to be called once."""
        self._tell(lambda tracker: tracker.end(self.status, self._figures, self._folder))

    def _epoch(self, number: int, figures: Mapping[str, float]) -> None:
        self._epochs = number
        self._tell(lambda tracker: tracker.epoch(number, figures))

    def _tell(self, what: Callable[[Tracker], None]) -> None:
        for tracker in tuple(self._trackers):
            try:
                what(tracker)
            except Exception as error:  # whatever a disk, a network or a server's library raises
                self._trackers.remove(tracker)
                warnings.warn(f"{type(tracker).__name__} stopped logging this run: {error}", stacklevel=2)


@contextmanager
def tracked(config: RunConfig, split: AnySplit) -> Iterator[Tracking]:
    """Opens the trackers of a run, which are told how it ends: as it is concluded, by Ctrl-C or by an error.

    Raises:
        ConfigError: before the run, where it cannot be tracked as asked.
    """
    tracking = Tracking()
    try:
        if config.tracking is not None:
            trackers, run = trackers_of(config.tracking), _described(config, config.tracking, split)
            for tracker in trackers:
                tracking.begin(tracker, run)
        yield tracking
    except KeyboardInterrupt:
        tracking.status = "killed"
        raise
    finally:
        tracking.end()


def trackers_of(config: TrackingConfig | None) -> list[Tracker]:
    """Makes a tracker for each place that a config names.

    Raises:
        ConfigError: where one cannot be used.
    """
    trackers: list[Tracker] = []
    if config is not None and config.tensorboard is not None:
        trackers.append(TensorBoardTracker(config.tensorboard))
    if config is not None and config.mlflow is not None:
        trackers.append(MlflowTracker(config.mlflow))
    return trackers


def _described(config: RunConfig, tracking: TrackingConfig, split: AnySplit) -> TrackedRun:
    place = None if config.output is None else Path(config.output).expanduser().resolve().name
    source = config.data.source or str(getattr(config.data.split, "train", "in memory"))
    tags = {"recsys_nn": __version__, "model": config.model.kind, "data": source}
    tags |= {f"sha256 of the {name}": value for name, value in fingerprints(split).items()}
    return TrackedRun(tracking.name or place or config.model.kind, config.to_yaml(), flat(config.values()), tags)
