import keras
import numpy as np
import pytest

from recsys_nn import Tensors
from recsys_nn.tensors.tensors import epoch_order
from recsys_nn.training.engines.batches import (
    dataset,
    evaluated,
    evaluation_batches,
    evaluation_dataset,
    steps_per_epoch,
)


def ten() -> Tensors:
    return Tensors({"user": np.arange(10), "x": np.arange(20.0).reshape(10, 2)}, np.arange(10) + 0.5)


def test_the_order_of_an_epoch_depends_on_seed_and_epoch_alone():
    orders = {(seed, epoch): epoch_order(50, seed=seed, epoch=epoch).tolist() for seed in (1, 2) for epoch in (0, 1)}
    assert all(sorted(order) == list(range(50)) for order in orders.values())
    assert len({tuple(order) for order in orders.values()}) == 4
    assert orders[2, 1] == epoch_order(50, seed=2, epoch=1).tolist()


def test_without_shuffling_the_order_is_the_tables():
    assert epoch_order(4, seed=1, epoch=3, shuffle=False).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("first_epoch", [0, 2])
def test_every_epoch_visits_every_row_once_in_its_own_order(first_epoch):
    batches = list(dataset(ten(), batch_size=4, epochs=range(first_epoch, 3), seed=5, shuffle=True))
    assert [len(targets) for _, targets in batches] == [4, 4, 2] * (3 - first_epoch)
    assert steps_per_epoch(ten(), 4) == 3
    for number, epoch in enumerate(range(first_epoch, 3)):
        part = batches[3 * number : 3 * number + 3]
        users = np.concatenate([inputs["user"] for inputs, _ in part])
        assert users.tolist() == epoch_order(10, seed=5, epoch=epoch).tolist()
        np.testing.assert_array_equal(np.concatenate([inputs["x"] for inputs, _ in part])[:, 0], 2 * users)
        np.testing.assert_array_equal(np.concatenate([targets for _, targets in part]), users + 0.5)


def test_evaluation_keeps_the_order():
    ((inputs, targets),) = evaluation_dataset(ten())
    np.testing.assert_array_equal(inputs["user"], np.arange(10))
    np.testing.assert_array_equal(targets, np.arange(10) + 0.5)


def test_plain_arrays_are_fed_too():
    ((inputs, _),) = evaluation_dataset(Tensors(np.ones((3, 2)), [1, 2, 3]))
    assert inputs.shape == (3, 2)


def test_an_evaluation_weighs_every_example_once_whatever_the_batches(monkeypatch):
    monkeypatch.setattr("recsys_nn.training.engines.batches.EVALUATION_BATCH", 4)
    assert [len(targets) for _, targets in evaluation_batches(ten())] == [4, 4, 2]
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros")])
    model.compile(loss="mse", metrics=["mae"])
    part = Tensors(np.ones((10, 1)), np.arange(10.0))
    for _ in range(2):  # the metrics are forgotten in between
        assert evaluated(model, part) == pytest.approx({"loss": 28.5, "mae": 4.5})
