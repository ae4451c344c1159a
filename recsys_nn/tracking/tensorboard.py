"""Logging of runs as folders of event files, which TensorBoard reads."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import count
from pathlib import Path
from typing import Any

from recsys_nn.errors import ConfigError, required
from recsys_nn.models import import_keras
from recsys_nn.tracking.tracker import FINAL, VALIDATION, Status, TrackedRun


class TensorBoardTracker:
    """Logs each run to a folder of its own, its epochs in ``train`` and ``validation`` as Keras's callback does.

    Curves of the two parts have the same tags (``epoch_loss``), so that they overlay. The config, as text and as
    hyperparameters, and the figures that the run ends with stand in the folder itself.

    Args:
        folder: the folder of all runs, where a name that is taken gets a number behind.

    Raises:
        ConfigError: where TensorBoard is not installed, or the folder cannot be made.
    """

    def __init__(self, folder: str) -> None:
        required("tensorboard", "tensorboard", needed_by="tracking.tensorboard", instead="leave the key out")
        import_keras()
        self._folder = Path(folder).expanduser()
        self._writers: dict[str, Any] = {}
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigError(f"tracking.tensorboard: {folder} cannot be created: {error.strerror}") from error

    def begin(self, run: TrackedRun) -> None:
        import tensorflow as tf
        from tensorboard.plugins.hparams import api

        self._place = _new_folder(self._folder, run.name)
        with self._writer("").as_default(step=0):
            tf.summary.text("config", f"```yaml\n{run.config}```")
            api.hparams(run.parameters, trial_id=str(self._place.relative_to(self._folder)))

    def epoch(self, number: int, figures: Mapping[str, float]) -> None:
        import tensorflow as tf

        for name, value in figures.items():
            part = "validation" if name.startswith(VALIDATION) else "train"
            with self._writer(part).as_default(step=number):
                tf.summary.scalar(f"epoch_{name.removeprefix(VALIDATION)}", value)
        for writer in self._writers.values():
            writer.flush()

    def end(self, status: Status, figures: Mapping[str, float], folder: Path | None) -> None:
        import tensorflow as tf
        from tensorboard.plugins.hparams import api_pb2, summary

        ended = api_pb2.STATUS_SUCCESS if status == "finished" else api_pb2.STATUS_FAILURE
        with self._writer("").as_default(step=0):
            for name, value in figures.items():
                tf.summary.scalar(FINAL + name, value)
            tf.summary.experimental.write_raw_pb(summary.session_end_pb(ended).SerializeToString())
        for writer in self._writers.values():
            writer.close()

    def _writer(self, part: str) -> Any:
        import tensorflow as tf

        if part not in self._writers:
            self._writers[part] = tf.summary.create_file_writer(str(self._place / part))
        return self._writers[part]


def _new_folder(folder: Path, name: str) -> Path:
    """Makes the first of ``name``, ``name-2``, ``name-3`` ... that is not there, so that no other process takes it."""
    for number in count(1):
        place = folder / (name if number == 1 else f"{name}-{number}")
        try:
            place.mkdir(parents=True)
        except FileExistsError:
            continue
        return place
    raise AssertionError("numbers do not end")
