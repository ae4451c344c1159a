"""Runs of an experiment in an MLflow store."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from recsys_nn.config import MlflowConfig
from recsys_nn.errors import ConfigError, required
from recsys_nn.tracking.tracker import FINAL, Status, TrackedRun

_HASTY = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
"""Retries and seconds for which a server is tried before a training; MLflow's own are 7 times, and minutes."""


class MlflowTracker:
    """Logs a run to an MLflow store: the config as parameters, the epochs as metrics, the run folder as artifacts.

    The figures of an epoch have their names in the history and its number as their step; those that the run ends with
    have ``final/`` before theirs, since ``rmse`` is the training part's in the history and the test part's at the end.

    Args:
        config: the experiment and the store.

    Raises:
        ConfigError: where MLflow is not installed, or the store or its server cannot be used.
    """

    def __init__(self, config: MlflowConfig) -> None:
        mlflow = required("mlflow", "mlflow", needed_by="tracking.mlflow", instead="leave the key out")
        if (config.uri or "").startswith("file:"):
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")  # MLflow 3 wants them to be asked for
        self._uri, self._run = config.uri or mlflow.get_tracking_uri(), ""
        with self._usable():
            self._client = mlflow.MlflowClient(self._uri)
            self._experiment = self._id_of(config.experiment)

    def begin(self, run: TrackedRun) -> None:
        from mlflow.entities import Param
        from mlflow.utils.validation import MAX_PARAM_VAL_LENGTH

        texts = {key: value if isinstance(value, str) else json.dumps(value) for key, value in run.parameters.items()}
        with self._usable():
            self._run = self._client.create_run(self._experiment, run_name=run.name, tags=dict(run.tags)).info.run_id
            params = [Param(key, text[:MAX_PARAM_VAL_LENGTH]) for key, text in texts.items()]
            self._client.log_batch(self._run, params=params)

    def epoch(self, number: int, figures: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self._run, [Metric(name, value, now, number) for name, value in figures.items()])

    def end(self, status: Status, figures: Mapping[str, float], folder: Path | None) -> None:
        try:
            self.epoch(0, {FINAL + name: value for name, value in figures.items()})
            if folder is not None:
                self._client.log_artifacts(self._run, str(folder))
        finally:
            self._client.set_terminated(self._run, status.upper())

    def _id_of(self, experiment: str) -> str:
        from mlflow import MlflowException

        found = self._client.get_experiment_by_name(experiment)
        if found is None:
            try:
                return self._client.create_experiment(experiment)
            except MlflowException:  # another process may have been faster
                if (found := self._client.get_experiment_by_name(experiment)) is None:
                    raise
        return found.experiment_id

    @contextmanager
    def _usable(self) -> Iterator[None]:
        """Raises a ConfigError where the store fails before a training, after few retries."""
        from mlflow import MlflowException

        unset = {name: value for name, value in _HASTY.items() if name not in os.environ}
        os.environ.update(unset)
        try:
            yield
        except (MlflowException, OSError) as error:
            raise ConfigError(f"tracking.mlflow: the store {self._uri} cannot be used: {error}") from error
        finally:
            for name in unset:
                del os.environ[name]
