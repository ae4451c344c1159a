"""What the doctor looks at: all that is known of a run, before it or after it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from recsys_nn.config import RunConfig
from recsys_nn.data import AnySplit
from recsys_nn.encoding import SOURCES
from recsys_nn.models import BaselineConfig, ModelConfig
from recsys_nn.runs import FinishedRun, provenance
from recsys_nn.training import TrainConfig, TrainingRun


@dataclass(frozen=True, eq=False)
class Case:
    """A run as far as it is known; what is not is None or empty.

    Attributes:
        training: how it is, or was, trained; None where nothing was iterated.
        n_train, n_validation: examples that it is trained on and judged by.
        course: the training, once it is over.
        model: the config of the model.
        averaged: whether samples of the posterior follow.
        data: what is recorded of its data (``run_data.provenance``).
        scale: of the ratings.
        tables: what was predicted of its ``validation`` and its ``test`` part (``prediction/held_out.py``).
        asked: how many pairs that are to be predicted rest on what: by ``SOURCES``.
    """

    training: TrainConfig | None
    n_train: int
    n_validation: int
    course: TrainingRun | None = None
    model: ModelConfig | None = None
    averaged: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)
    scale: tuple[float, float] | None = None
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    asked: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_training(cls, run: TrainingRun) -> Case:
        """A training alone, of any network."""
        closed = run.stop_reason == "closed form"
        return cls(None if closed else run.config, run.n_train, run.n_validation, None if closed else run)

    @classmethod
    def of_run(cls, run: FinishedRun) -> Case:
        """A finished run."""
        training = run.training
        parts = run.parts
        known = (
            cls(None, parts.get("train", {}).get("ratings", 0), 0) if training is None else cls.of_training(training)
        )
        tables = {"validation": run.held_out, "test": run.judged}
        return replace(
            known,
            model=run.predictor.config,
            averaged=run.config is not None and run.config.ensemble is not None,
            data=run.data,
            scale=run.predictor.encoder.scale,
            tables={name: table for name, table in tables.items() if table is not None},
        )

    @classmethod
    def planned(cls, config: RunConfig, split: AnySplit) -> Case:
        """A run that has not begun."""
        return cls(
            None if isinstance(config.model, BaselineConfig) else config.training,
            len(split.train),
            len(split.validation),
            model=config.model,
            averaged=config.ensemble is not None,
            data=provenance(config.data.source, split),
            scale=split.train.scale,
        )

    def with_asked(self, predicted: pd.DataFrame) -> Case:
        """The same, with the pairs of a table of predictions (``Predictor.predict``)."""
        counts = predicted["source"].value_counts()
        return replace(self, asked={name: int(counts.get(name, 0)) for name in SOURCES})

    @property
    def parts(self) -> Mapping[str, Mapping[str, Any]]:
        """What is recorded of its parts."""
        return self.data.get("parts", {})

    @property
    def held_out_parts(self) -> dict[str, Mapping[str, Any]]:
        """Of these the ones that are not trained on, if they have ratings; of a refit, as they were before it."""
        known = {
            "validation": self.parts.get("refitted") or self.parts.get("validation"),
            "test": self.parts.get("test"),
        }
        return {name: part for name, part in known.items() if part and part["ratings"]}

    @property
    def judged(self) -> tuple[str, pd.DataFrame] | None:
        """The part that the run is judged on, and what was predicted of it."""
        return next(((name, self.tables[name]) for name in ("test", "validation") if name in self.tables), None)

    @property
    def is_baseline(self) -> bool:
        """Whether the model is one of those that others have to beat."""
        return isinstance(self.model, BaselineConfig)

    def losses(self) -> tuple[str, np.ndarray] | None:
        """The loss by epoch that tells how the training went: of validation, else of training, where there are some."""
        if self.course is None or self.course.history.empty:
            return None
        name = "val_loss" if "val_loss" in self.course.history else "loss"
        return name, self.course.history[name].to_numpy(dtype=float)
