"""Run folders to be harmed: as files by name, with a manifest that can be made to agree with any change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd

import recsys_nn as rn
from recsys_nn.data.datasets import get_dataset
from recsys_nn.models.layers.averaged import AveragedModel
from recsys_nn.prediction.held_out import predict_held_out, predict_ratings
from recsys_nn.prediction.predictor import BlendedPredictor
from recsys_nn.prediction.saving.folder import write_run_folder
from tests.models.contract import twenty_ratings

Files = dict[str, bytes]
MANIFEST = "manifest.json"
FEATURES = {
    "user": ["group", {"column": "age", "bins": 4}],
    "item": [{"column": "genres", "separator": "|"}],
    "rating": ["timestamp"],
    "drift": "timestamp",
}


@cache
def saved(name: str) -> Files:
    """The files of a small run: ``svd`` with all that can stand beside a model, ``fm`` with features and drift,
    ``svdpp`` with sets, an ``average``, a ``blend``."""
    with TemporaryDirectory() as folder:
        place = Path(folder) / "run"
        if name == "blend":
            members = {kind: _predictor(kind) for kind in ("svd", "bias")}
            BlendedPredictor(members, {"svd": 0.75, "bias": 0.25}).save(place)
        else:
            predictor = _predictor(name)
            write_run_folder(place, predictor, documents=_documents(predictor) if name == "svd" else {})
        return files_of(place)


def _predictor(name: str) -> rn.Predictor:
    if name == "fm":
        ratings = get_dataset("synthetic").load(n_users=30, n_items=20, n_ratings=200)
        encoder = rn.Encoder.fit(ratings, features=FEATURES)
        return rn.Predictor(rn.build_model(rn.FMConfig(embedding_dim=2), encoder, seed=1), encoder)
    ratings = twenty_ratings()
    encoder = rn.Encoder.fit(ratings)
    configs = {"svdpp": rn.SVDPPConfig(embedding_dim=2), "bias": rn.BiasConfig()}
    model = rn.build_model(configs.get(name, rn.SVDConfig(embedding_dim=2)), encoder, seed=1)
    if name == "average":
        model = AveragedModel.of(
            model,
            [
                [np.float32(k) * value for value in (variable.numpy() for variable in model.trainable_variables)]
                for k in (1, 2)
            ],
        )
    predictor = rn.Predictor(model, encoder)
    return predictor.calibrated(ratings).with_seen(ratings) if name == "svd" else predictor


def _documents(predictor: rn.Predictor) -> dict[str, str | bytes]:
    """What an experiment would leave beside a model."""
    ratings = twenty_ratings()
    judged = predict_ratings(predictor, ratings, predictor.encoder.encode(ratings).inputs)
    figures = {"best_epoch": 1, "seconds": 0.5, "n_train": 20, "n_validation": 0, "inputs": {}}
    return {
        "config.yaml": "seed: 1\ndata: {source: synthetic}\nmodel: {kind: svd}\n",
        "metrics.json": '{"rmse": 1.25, "r2": null}',
        "history.csv": "epoch,loss,seconds\n1,0.5,0.25\n2,0.25,0.25\n",
        "training.json": json.dumps(figures | {"stop_reason": "epochs", "engine": "keras", "loss": "squared error"}),
        "data.json": json.dumps({"source": "synthetic", "parts": {"train": {"ratings": 20, "sha256": "0" * 64}}}),
        "test.parquet": judged.to_parquet(index=False),
        "validation.parquet": predict_held_out(predictor, ratings).to_parquet(index=False),
        "item_features.parquet": pd.DataFrame({"item": [100, 101], "genre": ["a", None]}).to_parquet(index=False),
    }


def files_of(folder: Path) -> Files:
    """The files of a folder and below."""
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def write(files: Mapping[str, bytes], folder: Path) -> Path:
    """A folder of these files and no others; those that it has already are left as they are."""
    for place in sorted(folder.rglob("*"), reverse=True):
        name = place.relative_to(folder).as_posix()
        if place.is_dir() and not any(each.startswith(f"{name}/") for each in files):
            place.rmdir()
        elif place.is_file() and name not in files:
            place.unlink()
    for name, content in files.items():
        file = folder / name
        if not file.exists() or file.read_bytes() != content:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)  # to write over a file has it put on the disk first
            file.write_bytes(content)
    return folder


def signed(files: Mapping[str, bytes], **changes: Any) -> Files:
    """The files with a manifest that states their sizes and hashes, and has these entries changed."""
    manifest = json.loads(files[MANIFEST]) | changes
    manifest["files"] = {
        name: {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in files.items()
        if name != MANIFEST
    }
    return {**files, MANIFEST: json.dumps(manifest).encode()}


def with_json(files: Mapping[str, bytes], name: str, **changes: Any) -> Files:
    """The files with values of one of them changed, signed."""
    return signed({**files, name: json.dumps(json.loads(files[name]) | changes).encode()})
