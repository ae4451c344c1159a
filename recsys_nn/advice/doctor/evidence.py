"""Evidence that the doctor looks at: all that is known of a run, before it or after it."""

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
class Evidence:
    """A run as far as it is known; what is not is None or empty.

    Attributes:
        training: settings of its training; None where nothing was iterated.
        n_train, n_validation: examples that it is trained on and judged by.
        run: record of the training, once it is over.
        model: the config of the model.
        averaged: whether samples of the posterior follow.
        data: record of its data (``provenance``).
        scale: lowest and highest rating that is possible.
        tables: predictions of its ``validation`` and its ``test`` part (``prediction/held_out.py``).
        sources: number of pairs to be predicted by what their predictions rest on (``SOURCES``).
    """

    training: TrainConfig | None
    n_train: int
    n_validation: int
    run: TrainingRun | None = None
    model: ModelConfig | None = None
    averaged: bool = False
    data: Mapping[str, Any] = field(default_factory=dict)
    scale: tuple[float, float] | None = None
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    sources: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of_training(cls, run: TrainingRun) -> Evidence:
        """Evidence of a training alone, of any network."""
        closed = run.stop_reason == "closed form"
        return cls(None if closed else run.config, run.n_train, run.n_validation, None if closed else run)

    @classmethod
    def of_run(cls, run: FinishedRun) -> Evidence:
        """Evidence of a finished run."""
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
    def planned(cls, config: RunConfig, split: AnySplit) -> Evidence:
        """Evidence of a run that has not begun."""
        return cls(
            None if isinstance(config.model, BaselineConfig) else config.training,
            len(split.train),
            len(split.validation),
            model=config.model,
            averaged=config.ensemble is not None,
            data=provenance(config.data.source, split),
            scale=split.train.scale,
        )

    def with_pairs(self, predicted: pd.DataFrame) -> Evidence:
        """Copies the evidence with the pairs of a table of predictions (``Predictor.predict``)."""
        counts = predicted["source"].value_counts()
        return replace(self, sources={name: int(counts.get(name, 0)) for name in SOURCES})

    @property
    def parts(self) -> Mapping[str, Mapping[str, Any]]:
        """Record of each of its parts, by name."""
        return self.data.get("parts", {})

    @property
    def held_out_parts(self) -> dict[str, Mapping[str, Any]]:
        """Records of the parts that are not trained on, if they have ratings; of a refit, as they were before it."""
        known = {
            "validation": self.parts.get("refitted") or self.parts.get("validation"),
            "test": self.parts.get("test"),
        }
        return {name: part for name, part in known.items() if part and part["ratings"]}

    @property
    def judged(self) -> tuple[str, pd.DataFrame] | None:
        """Name and predictions of the part that the run is judged on."""
        return next(((name, self.tables[name]) for name in ("test", "validation") if name in self.tables), None)

    @property
    def is_baseline(self) -> bool:
        """True where the model is one of those that others have to beat."""
        return isinstance(self.model, BaselineConfig)

    def losses(self) -> tuple[str, np.ndarray] | None:
        """The loss by epoch that tells how the training went: of validation, else of training, where there are some."""
        if self.run is None or self.run.history.empty:
            return None
        name = "val_loss" if "val_loss" in self.run.history else "loss"
        return name, self.run.history[name].to_numpy(dtype=float)
