"""Clocks that go back."""

import os
import time
from itertools import count

import numpy as np
import pytest

import recsys_nn as rn
from recsys_nn.training.checkpoints import Checkpoints

CONFIG = {
    "data": {"source": "synthetic", "options": {"n_users": 30, "n_items": 20, "n_ratings": 300}},
    "model": {"kind": "svd", "embedding_dim": 2},
    "training": {"epochs": 3, "batch_size": 300, "optimizer": "sgd", "metrics": ()},
}


def test_a_training_does_not_look_at_the_time_of_day_and_takes_a_draft_from_the_future_for_a_draft(
    tmp_path, monkeypatch
):
    draft = tmp_path / ".run.0123456789ab"
    draft.mkdir()
    os.utime(draft, (4e9, 4e9))
    later = count(2_000_000_000, -3600)
    monkeypatch.setattr(time, "time", lambda: float(next(later)))
    monkeypatch.setattr(time, "time_ns", lambda: next(later) * 10**9)
    result = rn.run_experiment({**CONFIG, "output": str(tmp_path / "run")}, progress=False)
    assert (result.run.history["seconds"] > 0).all()
    assert result.metrics["seconds"] > 0
    assert [entry.name for entry in tmp_path.iterdir()] == ["run"]


def test_the_last_state_is_that_of_the_last_epoch_whatever_the_times_of_the_files(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    for epoch in (1, 2):
        checkpoints.save(epoch, {"weights": np.full(2, epoch)})
        os.utime(tmp_path / f"epoch-{epoch:06d}.safetensors", (2e9 / epoch, 2e9 / epoch))
    assert checkpoints.latest()[0] == 2


@pytest.mark.slow
def test_epochs_are_tracked_in_their_order_though_the_clock_goes_back(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow")
    earlier = count(2_000_000_000, -3600)
    monkeypatch.setattr("recsys_nn.tracking.mlflow.time.time", lambda: float(next(earlier)))
    store = (tmp_path / "mlruns").as_uri()
    tracking = {"mlflow": {"experiment": "clocks", "uri": store}}
    rn.run_experiment({**CONFIG, "tracking": tracking}, progress=False)
    client = mlflow.MlflowClient(store)
    (run,) = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert sorted(point.step for point in client.get_metric_history(run.info.run_id, "loss")) == [1, 2, 3]
