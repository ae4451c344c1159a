"""Runs that the tests of the page share."""

from __future__ import annotations

from pathlib import Path

import pytest

import recsys_nn as rn

HOSTILE = "<script>alert(1)</script>"
TRAINING = {"learning_rate": 0.03, "batch_size": 256, "epochs": 8}
DATA = {"source": "synthetic", "options": {"n_users": 120, "n_items": 60, "n_ratings": 3000}}


@pytest.fixture(scope="session")
def runs(tmp_path_factory) -> Path:
    """Three runs on the same parts, and one of hostile ids that has no test part."""
    folder = tmp_path_factory.mktemp("runs")
    for name, settings in (("svd", {"embedding_dim": 2}), ("mlp", {}), ("bias", {})):
        model = {"kind": name, **settings}
        config = {"output": str(folder / name), "data": DATA, "model": model, "training": TRAINING}
        rn.run_experiment(config, progress=False)
    frame = rn.load_ratings("synthetic", n_users=60, n_items=30, n_ratings=800).frame
    frame["item"] = HOSTILE + "$\\frac{" + frame["item"] + "x" * 100
    config = {"output": str(folder / "hostile"), "model": {"kind": "gmf"}, "training": TRAINING}
    untested = {**config, "data": {"split": {"test": 0}}}
    rn.run_experiment(untested, rn.Ratings(frame, scale=(1, 5)), progress=False)
    return folder
