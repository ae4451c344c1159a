"""Runs that the tests of the service share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

import recsys_nn as rn
from recsys_nn.serving.app import create_app
from recsys_nn.serving.limits import Limits

HOSTILE = "<b>Tea</b> & <script>alert(1)</script> no. "
TRAINING = {"learning_rate": 0.03, "batch_size": 256, "epochs": 4}
HOST = "http://127.0.0.1"


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> Path:
    """``svd`` with names of items and intervals; ``other``, trained otherwise; ``numbers``, whose ids are integers."""
    folder = tmp_path_factory.mktemp("runs")
    frame = rn.load_ratings("synthetic", n_users=60, n_items=150, n_ratings=1500).frame
    items = frame[["item"]].drop_duplicates()
    named = rn.Ratings(frame, scale=(1, 5), item_features=items.assign(title=HOSTILE + items["item"]))
    numbers = frame.assign(**{side: frame[side].str.extract(r"(\d+)")[0].astype("int64") for side in ("user", "item")})
    for name, ratings, model in (
        ("svd", named, {"kind": "svd", "embedding_dim": 4}),
        ("other", named, {"kind": "gmf", "embedding_dim": 4}),
        ("numbers", rn.Ratings(numbers, scale=(1, 5)), {"kind": "bias"}),
    ):
        config = {"output": str(folder / name), "model": model, "training": TRAINING}
        rn.run_experiment(config, ratings, progress=False)
    return folder


@pytest.fixture(scope="session")
def predictor(runs) -> rn.Predictor:
    """The one of ``svd``."""
    return rn.Predictor.load(runs / "svd")


@pytest.fixture(scope="session")
def client(runs) -> Iterator[TestClient]:
    """Asks a service of ``svd``, whose limits are low."""
    with TestClient(create_app(runs / "svd", Limits(pairs=1000, body=20_000)), HOST) as client:
        yield client


@pytest.fixture
def folder(runs, tmp_path) -> Path:
    """A copy of ``svd``, for a test to replace."""
    return Path(shutil.copytree(runs / "svd", tmp_path / "live"))


def replace(folder: Path, by: Path) -> None:
    """Puts a copy of another run in the place of a folder, as a run folder is written: by renaming."""
    draft = Path(shutil.copytree(by, folder.with_name("draft")))
    folder.rename(folder.with_name("former"))
    draft.rename(folder)
    shutil.rmtree(folder.with_name("former"))
