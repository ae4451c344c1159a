"""The ``tracking`` section of a run: the TensorBoard folder and MLflow store where it is logged as it goes."""

from __future__ import annotations

from typing import Any

from pydantic import Field, model_validator

from recsys_nn.config.sections import Section
from recsys_nn.errors import ConfigError


class MlflowConfig(Section):
    """An experiment in an MLflow store; a plain name stands for one in MLflow's own.

    Args:
        experiment: name of the experiment, which is made where there is none yet.
        uri: address of the store, such as ``http://localhost:5000``, ``sqlite:///mlflow.db`` or ``file:./mlruns``; by
            default the one that MLflow itself takes (``MLFLOW_TRACKING_URI``).
    """

    experiment: str = Field(min_length=1)
    uri: str | None = Field(default=None, min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"experiment": value} if isinstance(value, str) else value


class TrackingConfig(Section):
    """Places where the epochs and the figures of a run are logged.

    Args:
        tensorboard: a folder, below which each run has one of its own.
        mlflow: an experiment of MLflow, of which each run is one.
        name: name of the run; by default that of its output folder or, without one, the kind of its model.
    """

    tensorboard: str | None = Field(default=None, min_length=1)
    mlflow: MlflowConfig | None = None
    name: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _is_somewhere(self) -> TrackingConfig:
        if self.tensorboard is None and self.mlflow is None:
            raise ConfigError("tracking needs tensorboard, mlflow or both: name one, or leave the section out")
        return self
