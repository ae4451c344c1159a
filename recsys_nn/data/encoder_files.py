"""An encoder's parts as files: ``encoder.json``, ``users.parquet``, ``items.parquet``, perhaps ``drift.parquet``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from recsys_nn.data.baselines import EFFECTS, Biases
from recsys_nn.data.drift import Drift
from recsys_nn.data.features import Side, SideFeatures
from recsys_nn.data.vocabulary import Vocabulary

if TYPE_CHECKING:
    from recsys_nn.data.encoding import Encoder

ENCODER_FILES = ("encoder.json", "users.parquet", "items.parquet")
"""Those of every encoder."""
_DRIFT = "drift.parquet"

_NAME = "name"
_FEATURE = "feature:"
"""Before the name of a feature's column, beside the columns id, count, name and those of the baselines."""


def write_encoder(encoder: Encoder, folder: Path) -> None:
    """Written into an existing folder; the values of features stand in the tables, what was fitted in the JSON."""
    _side_frame(encoder, "user").to_parquet(folder / "users.parquet")
    _side_frame(encoder, "item").to_parquet(folder / "items.parquet")
    values = {
        "rating_mean": encoder.rating_mean,
        "rating_std": encoder.rating_std,
        "scale": encoder.scale,
        "levels": encoder.levels,
        "level_counts": encoder.level_counts,
        "features": {side: features.state() for side, features in encoder.features.items()},
        "drift": None,
    }
    if encoder.drift is not None:
        values["drift"] = encoder.drift.config.model_dump()
        encoder.drift.to_frame().to_parquet(folder / _DRIFT, index=False)
    (folder / "encoder.json").write_text(json.dumps(values, indent=2) + "\n", encoding="utf-8")


def read_encoder(folder: Path) -> dict[str, Any]:
    """The parts of the encoder that was written there, by the names of its fields."""
    values = json.loads((folder / "encoder.json").read_text(encoding="utf-8"))
    frames: dict[Side, pd.DataFrame] = {
        "user": pd.read_parquet(folder / "users.parquet"),
        "item": pd.read_parquet(folder / "items.parquet"),
    }
    biases = {name: [_with_unknown(frame[name], np.float64) for frame in frames.values()] for name in EFFECTS}
    parts: dict[str, Any] = {
        "rating_mean": values["rating_mean"],
        "rating_std": values["rating_std"],
        "scale": tuple(values["scale"]),
        "levels": _tuple(values.get("levels")),
        "level_counts": _tuple(values.get("level_counts")),
        "baselines": {name: Biases(values["rating_mean"], *of_sides) for name, of_sides in biases.items()},
        "features": {
            side: SideFeatures.restored(side, state, _feature_values(frames[side]) if side in frames else None)
            for side, state in values.get("features", {}).items()
        },
    }
    parts["item_names"] = frames["item"].get(_NAME)
    if (drift := values.get("drift")) is not None:
        parts["drift"] = Drift.restored(drift, pd.read_parquet(folder / _DRIFT))
    for side, frame in frames.items():
        parts[f"{side}s"] = Vocabulary(side, frame["id"])
        parts[f"{side}_counts"] = _with_unknown(frame["count"], np.int32)
    return parts


def _side_frame(encoder: Encoder, side: Side) -> pd.DataFrame:
    columns: dict[str, Any] = {
        "id": getattr(encoder, f"{side}s").ids,
        "count": getattr(encoder, f"{side}_counts")[1:],
    }
    for name, biases in encoder.baselines.items():
        columns[name] = getattr(biases, side)[1:]
    if side == "item" and encoder.item_names is not None:
        columns[_NAME] = encoder.item_names
    if side in encoder.features:
        values = encoder.features[side].values
        assert values is not None
        columns |= {f"{_FEATURE}{name}": values[name] for name in values}
    return pd.DataFrame(columns)


def _feature_values(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.filter(regex=f"^{_FEATURE}").rename(columns=lambda name: name.removeprefix(_FEATURE))


def _with_unknown(column: pd.Series, dtype: type) -> npt.NDArray[Any]:
    return np.concatenate([[0], column.to_numpy()]).astype(dtype)


def _tuple(values: list[Any] | None) -> tuple[Any, ...] | None:
    return None if values is None else tuple(values)
