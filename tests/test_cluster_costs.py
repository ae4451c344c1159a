"""What a step would cost several workers, and when that is said."""

from io import StringIO
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from rich.console import Console

from recsys_nn import Encoder, SVDConfig, build_model, load_ratings
from recsys_nn.cluster import hint
from recsys_nn.cluster.scaling_hint import Network, step_seconds, told_by, told_bytes


def test_of_tables_a_row_for_each_example_is_told_and_of_other_weights_all():
    assert told_bytes([8, 1], others=100, batch_size=10) == 4 * (100 + 10 * (8 + 2) + 10 * (1 + 2))


def test_the_bytes_of_a_model_are_those_of_its_variables():
    encoder = Encoder.fit(load_ratings("synthetic", n_users=30, n_items=20, n_ratings=300))
    model = build_model(SVDConfig(embedding_dim=6), encoder)
    assert told_by(model, 50) == told_bytes([6, 6, 1, 1], others=0, batch_size=50)


def test_one_worker_tells_nobody():
    assert step_seconds(0.2, 10**9, 1, Network()) == 0.2


def test_a_ring_of_workers_sends_all_bytes_but_its_own_share_twice():
    """Three: a third of the work, and four messages of a third of the 30 MB at 100 MB/s, each a millisecond late."""
    assert step_seconds(0.6, 30_000_000, 3, Network(latency=1e-3, bandwidth=1e8)) == pytest.approx(0.2 + 4 * 0.101)


class SlowEpochs(keras.callbacks.Callback):
    """Lets time pass for the hint that comes after it."""

    def __init__(self, clock, seconds):
        super().__init__()
        self._clock, self._seconds = clock, seconds

    def on_epoch_end(self, epoch, logs=None):
        self._clock[0] += self._seconds


def said(monkeypatch, *, epoch: float, epochs: int) -> str:
    """In a training whose epochs of ten steps take so many seconds."""
    clock, console = [0.0], Console(width=200, file=StringIO())
    monkeypatch.setattr(hint, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=True)
    callbacks = [SlowEpochs(clock, epoch), hint.ClusterHint(4, console)]
    model.fit(np.ones((40, 1)), np.ones(40), batch_size=4, epochs=epochs, callbacks=callbacks, verbose=0)
    return console.file.getvalue()


def test_a_long_training_with_long_steps_is_told_of_clusters_once(monkeypatch):
    """Two weights are told in 1 ms, so that a step of 300 s takes half as long."""
    line = "a step takes 300000 ms: on two machines like this one 0.50 of that (cluster: {workers: 2}; docs/scale.md)\n"
    assert said(monkeypatch, epoch=3000, epochs=3) == line


@pytest.mark.parametrize(("epoch", "epochs"), [(500, 2), (700, 1)])
def test_one_that_is_soon_over_is_not(monkeypatch, epoch, epochs):
    assert said(monkeypatch, epoch=epoch, epochs=epochs) == ""


@pytest.mark.parametrize(("step", "is_said"), [(0.004, False), (0.006, True)])
def test_one_with_short_steps_is_not(monkeypatch, step, is_said):
    """Where telling takes a millisecond."""
    monkeypatch.setattr(hint, "LEAST_SECONDS", 0)
    assert bool(said(monkeypatch, epoch=10 * step, epochs=2)) == is_said
