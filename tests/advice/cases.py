"""Cases by hand: a sound run, of which each test changes what it is about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from recsys_nn import SVDConfig, TrainConfig, TrainingRun
from recsys_nn.advice.doctor.evidence import Evidence
from recsys_nn.training.input_scales import InputScale

FALLING = 1 + 2.0 ** -np.arange(12)
"""2, 1.5, 1.25, ...: a loss that nears its end."""


def trained(
    loss: Sequence[float] = tuple(FALLING),
    val_loss: Sequence[float] | None = (*(FALLING[:9] + 0.1), 1.2, 1.21, 1.22),
    *,
    stop_reason: Any = "patience",
    n_train: int = 10_000,
    inputs: dict[str, InputScale] | None = None,
    **training: Any,
) -> TrainingRun:
    """A training of this course; by default one that patience has ended three epochs after the best."""
    history = pd.DataFrame({"epoch": np.arange(1, len(loss) + 1), "loss": loss})
    if val_loss is not None:
        history["val_loss"] = val_loss
    best = int(history.iloc[:, -1].to_numpy().argmin()) + 1
    config = TrainConfig(**{"learning_rate": 0.01, "batch_size": 128, **training})
    n_validation = 0 if val_loss is None else 1_000
    return TrainingRun(
        None, history, best, stop_reason, 1.0, config, "compiled", "mse", n_train, n_validation, inputs or {}
    )


def part(n: int = 1_000, **changed: Any) -> dict[str, Any]:
    """What is recorded of a part of ratings from 1 to 5."""
    sizes = {"ratings": n, "users": 100, "items": 50, "mean": 3.0, "std": 1.0, "min": 1.0, "max": 5.0}
    return {**sizes, "pairs_in_training": 0, **changed}


def predicted(n: int = 1_000, *, error: float = 0.5, bias_error: float = 1.0, **columns: Any) -> pd.DataFrame:
    """What was predicted of ratings 1, 2, ..., 5, 1, ...: off by these, alternately above and below."""
    rating = 1.0 + np.arange(n) % 5
    sign = np.where(np.arange(n) // 5 % 2, 1, -1)
    known = {"user_ratings": 20, "item_ratings": 20}
    table = {
        "rating": rating,
        "prediction": rating + error * sign,
        "bias_baseline": rating + bias_error * sign,
        **known,
    }
    return pd.DataFrame({**table, **columns})


def evidence(run: TrainingRun | None = None, **changed: Any) -> Evidence:
    """A sound run of 10,000 ratings of 150 ids, but for what is ``changed``."""
    run = trained() if run is None else run
    sound: dict[str, Any] = {
        "training": run.config,
        "n_train": run.n_train,
        "n_validation": run.n_validation,
        "run": run,
        "model": SVDConfig(embedding_dim=8),
        "data": {"merged": 0, "parts": {"train": part(10_000), "validation": part(), "test": part()}},
        "scale": (1.0, 5.0),
        "tables": {"validation": predicted(), "test": predicted()},
    }
    return Evidence(**{**sound, **changed})


def with_parts(**parts: dict[str, Any]) -> Evidence:
    """The same with other records of its parts."""
    return evidence(data={"merged": 0, "parts": {"train": part(10_000), "validation": part(), "test": part(), **parts}})
