"""What a step would cost several workers, and when that is said."""

from io import StringIO
from types import SimpleNamespace

import keras
import pytest
from rich.console import Console

from recsys_nn import Encoder, SVDConfig, build_model, load_ratings
from recsys_nn.cluster import scaling_hint
from recsys_nn.cluster.scaling_hint import ClusterHint, Network, step_seconds, told_by, told_bytes


def test_of_tables_a_row_for_each_example_is_told_and_of_other_weights_all():
    assert told_bytes([8, 1], others=100, batch_size=10) == 4 * (100 + 10 * (8 + 2) + 10 * (1 + 2))


def test_the_bytes_of_a_model_are_those_of_its_variables():
    encoder = Encoder.fit(load_ratings("synthetic", n_users=30, n_items=20, n_ratings=300))
    model = build_model(SVDConfig(embedding_dim=6), encoder)
    assert told_by(model, 50) == told_bytes([6, 6, 1, 1], others=0, batch_size=50)
    layers = [keras.Input((), dtype="int32"), keras.layers.Embedding(9, 5), keras.layers.Dense(3)]
    assert told_by(keras.Sequential(layers), 50) == told_bytes([5], others=5 * 3 + 3, batch_size=50)


def test_one_worker_tells_nobody():
    assert step_seconds(0.2, 10**9, 1, Network()) == 0.2


def test_a_ring_of_workers_sends_all_bytes_but_its_own_share_twice():
    """Three: a third of the work, and four messages of a third of the 30 MB at 100 MB/s, each a millisecond late."""
    assert step_seconds(0.6, 30_000_000, 3, Network(latency=1e-3, bandwidth=1e8)) == pytest.approx(0.2 + 4 * 0.101)


def said(monkeypatch, *, epoch: float, epochs: int, judging: float | None = None) -> str:
    """In a training whose epochs of ten steps take so many seconds, and to be judged so many more."""
    clock, console = [50.0], Console(width=40, file=StringIO(), force_terminal=True)
    monkeypatch.setattr(scaling_hint, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    callback = ClusterHint(4, console)
    callback.set_model(keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]))
    callback.set_params({"steps": 10, "epochs": epochs})
    for number in range(epochs):
        callback.on_epoch_begin(number)
        clock[0] += epoch
        if judging is not None:
            callback.on_test_begin()
            clock[0] += judging
        callback.on_epoch_end(number)
    return console.file.getvalue()


@pytest.mark.parametrize("judging", [None, 2000])
def test_a_long_training_with_long_steps_is_told_of_clusters_once(monkeypatch, judging):
    """Two weights are told in 1 ms, so that a step of 300 s takes half as long."""
    line = "a step takes 300000 ms: on two machines like this one 0.50 of that (cluster: {workers: 2}; docs/scale.md)\n"
    assert said(monkeypatch, epoch=3000, epochs=3, judging=judging) == line


@pytest.mark.parametrize(
    ("epoch", "epochs", "is_said"), [(700, 1, False), (599, 2, False), (600, 2, True), (299, 3, False), (300, 3, True)]
)
def test_one_that_is_over_in_ten_minutes_is_not(monkeypatch, epoch, epochs, is_said):
    assert bool(said(monkeypatch, epoch=epoch, epochs=epochs)) == is_said


@pytest.mark.parametrize(("step", "is_said"), [(0.00499, False), (0.00501, True)])
def test_one_with_short_steps_is_not(monkeypatch, step, is_said):
    """Where telling takes a millisecond, a fifth of the step."""
    monkeypatch.setattr(scaling_hint, "MIN_SECONDS", 0)
    assert bool(said(monkeypatch, epoch=10 * step, epochs=2)) == is_said
