"""This package as contestant: ``recsys-nn train CONFIG --set data=...`` in a fresh process."""

from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

import recsys_nn as rn
from benchmarks.accuracy.contestants import ROOT, Contestant, timed_process
from benchmarks.accuracy.tables import Table

PACKAGES = ("recsys-nn", "tensorflow", "keras", "numpy")
PRESETS = ("best-ratings-only", "best")
KINDS = ("bias", "svd", "neumf")
COLD = ("0", "1-4", "5-19")
"""The segments of an evaluation with fewer than 20 training ratings."""
L2_CANDIDATES = (1.0e-4, 1.6e-4, 2.2e-4, 2.8e-4, 4.0e-4)


def ours() -> list[Contestant]:
    """The presets on every table that has the features they name, and single kinds on the first and the Netflix one."""
    kinds = [
        Contestant(kind, PACKAGES, lambda table: table.name in ("u1", "netflix"), partial(_score_kind, kind))
        for kind in KINDS
    ]
    presets = [
        Contestant(preset, PACKAGES, partial(_has_features, preset), partial(train, preset)) for preset in PRESETS
    ]
    return kinds + presets


def train(config: str, table: Table, folder: Path, **settings: Any) -> dict[str, Any]:
    """The figures of one run of a shipped config, unchanged but for its data section and the model's ``settings``."""
    run = folder / "run"
    changes = {"data": _data(config, table, folder)} | {f"model.{name}": value for name, value in settings.items()}
    overrides = [part for path, value in changes.items() for part in ("--set", f"{path}={json.dumps(value)}")]
    command = ["-c", "from recsys_nn.cli import main; main()", "train", str(_file(config)), *overrides]
    _, seconds = timed_process(*command, "--output", str(run), "--overwrite")
    metrics = json.loads((run / "metrics.json").read_text(encoding="utf-8"))
    resolved = yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8").replace(f"{folder}/", ""))
    of_test = {name: value for name, value in metrics.items() if name in ("rmse", "mae") or "interval" in name}
    return (
        of_test
        | _of_the_cold(run, table)
        | {
            "validation_rmse": metrics.get("validation_rmse"),
            "fit_seconds": metrics["seconds"],
            "seconds": seconds,
            "config": {name: value for name, value in resolved.items() if name != "output"},
        }
    )


def _of_the_cold(run: Path, table: Table) -> dict[str, Any]:
    """Coverage of 90% intervals over users, and over items, with under 20 training ratings, and of how many ratings."""
    found: dict[str, Any] = {}
    if table.test is not None:
        segments = rn.evaluate(rn.Predictor.load(run), table.test).segments
        for side, cold in segments[segments["ratings"].isin(COLD) & (segments["n"] > 0)].groupby("side"):
            covered = cold.get("coverage", pd.Series(dtype=float))
            if covered.notna().any():
                found[f"cold_{side}s"] = {
                    "n": int(cold["n"].sum()),
                    "coverage": float((covered * cold["n"]).sum() / cold["n"].sum()),
                }
    return found


def _score_kind(kind: str, table: Table, folder: Path) -> dict[str, Any]:
    """A kind with its settings for MovieLens 100K.

    Elsewhere its λ is not taken over: it is left to the model's rule, and that of svd has the least validation error.
    """
    config = f"{kind}-movielens-100k"
    if table.dataset is not None or "l2" not in _yaml(config)["model"]:
        return train(config, table, folder)
    if kind != "svd":
        return train(config, table, folder, l2=None)
    unscored = replace(table, test=None)
    errors = {l2: train(config, unscored, folder, l2=l2)["validation_rmse"] for l2 in L2_CANDIDATES}
    return train(config, table, folder, l2=min(errors, key=errors.__getitem__)) | {"validation_rmse_by_l2": errors}


def _data(config: str, table: Table, folder: Path) -> dict[str, Any]:
    """The table's data section, with the features and the validation part of the config's."""
    own, section = _yaml(config)["data"], table.section(folder)
    split = section["split"] | {name: own["split"][name] for name in ("validation",) if name in own["split"]}
    return section | {name: own[name] for name in ("features",) if name in own} | {"split": split}


def _has_features(config: str, table: Table) -> bool:
    features = _yaml(config)["data"].get("features", {})
    return table.dataset is not None or not {"user", "item"} & features.keys()


def _yaml(config: str) -> dict[str, Any]:
    return yaml.safe_load(_file(config).read_text(encoding="utf-8"))


def _file(config: str) -> Path:
    return ROOT / "configs" / f"{config}.yaml"
