"""A training that was cut short at any moment goes on to the very weights of one that was not."""

from functools import partial

import keras
import numpy as np
import pytest

from recsys_nn import ArtifactError, Tensors, TrainConfig, Trainer, TrainingRun
from recsys_nn.models.dropout import Dropout

EPOCHS = 6
SLOW = partial(pytest.param, marks=pytest.mark.slow)


class Killed(BaseException):
    pass


class KilledAt(keras.callbacks.Callback):
    """At the beginning of an epoch, or at its end, before it is saved."""

    def __init__(self, epoch: int, moment: str) -> None:
        super().__init__()
        self.at, self.moment = epoch, moment

    def on_epoch_begin(self, epoch, logs=None):
        if (epoch + 1, "begin") == (self.at, self.moment):
            raise Killed

    def on_epoch_end(self, epoch, logs=None):
        if (epoch + 1, "end") == (self.at, self.moment):
            raise Killed


def network(dropout=Dropout) -> keras.Model:
    """With a table and random draws."""
    layers = [keras.layers.Embedding(30, 2), dropout(0.3, seed=5), keras.layers.Dense(3, "tanh"), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((), dtype="int32"), *layers])
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    return model


def trained(folder=None, *, hooks=(), dropout=Dropout, **changed) -> TrainingRun:
    rows = np.random.default_rng(2).integers(0, 30, 40)
    settings = {"epochs": EPOCHS, "patience": None, "validation": 0.25, "batch_size": 4, "learning_rate": 0.05}
    config = TrainConfig(**({"engine": "auto", "seed": 3} | settings | changed))
    trainer = Trainer(config, callbacks=hooks, progress=False, checkpoints=folder)
    return trainer.fit(network(dropout), Tensors(rows, np.sin(rows)))


def assert_the_same_bit_for_bit(one: TrainingRun, other: TrainingRun) -> None:
    for first, second in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    first, second = (run.history.drop(columns="seconds") for run in (one, other))
    np.testing.assert_array_equal(first, second)
    assert (one.best_epoch, one.stop_reason) == (other.best_epoch, other.stop_reason)


@pytest.mark.parametrize(("epoch", "moment"), [(1, "end"), SLOW(2, "begin"), SLOW(EPOCHS, "end")])
def test_killed_in_an_epoch_it_goes_on_from_the_last_finished_one(tmp_path, epoch, moment):
    with pytest.raises(Killed):
        trained(tmp_path, hooks=[KilledAt(epoch, moment)])
    assert_the_same_bit_for_bit(trained(tmp_path), trained())


CASES = {
    "by XLA": {"engine": "compiled"},
    "by Keras's loop": {"engine": "keras"},
    "with Keras's dropout": {"dropout": keras.layers.Dropout},
    "with patience": {"patience": 1, "learning_rate": 0.3},
    "with a schedule": {"schedule": {"kind": "cosine"}},
    "with rates that fall on plateaus": {
        "callbacks": ({"name": "reduce_lr_on_plateau", "patience": 1, "factor": 0.5},),
        "learning_rate": 0.3,
    },
    "with lazy Adam": {"optimizer": "lazy_adam"},
    "with row-wise Adagrad": {"optimizer": "rowwise_adagrad"},
    "with momentum": {"optimizer": {"name": "sgd", "momentum": 0.9}},
    "without validation": {"validation": 0, "monitor": "loss"},
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_whatever_the_training_remembers_is_kept(tmp_path, case):
    with pytest.raises(Killed):
        trained(tmp_path, hooks=[KilledAt(3, "begin")], **CASES[case])
    assert_the_same_bit_for_bit(trained(tmp_path, **CASES[case]), trained(**CASES[case]))


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_a_finished_training_is_not_repeated(tmp_path, engine):
    case = CASES["with patience"] | {"engine": engine}
    first = trained(tmp_path, **case)
    assert first.stop_reason == "patience"
    again = trained(tmp_path, hooks=[KilledAt(epoch, "begin") for epoch in range(1, 1 + EPOCHS)], **case)
    assert_the_same_bit_for_bit(first, again)
    np.testing.assert_array_equal(first.history["seconds"], again.history["seconds"])


@pytest.mark.slow
def test_seconds_are_those_of_all_attempts(tmp_path):
    with pytest.raises(Killed):
        trained(tmp_path, hooks=[KilledAt(5, "begin")])
    run = trained(tmp_path)
    assert run.history["seconds"].sum() <= run.seconds
    assert (run.history["seconds"] > 0).all()


def test_what_a_callback_knows_beside_plain_values_it_says_itself(tmp_path):
    class Visits(keras.callbacks.Callback):
        def __init__(self):
            super().__init__()
            self.epochs = set()

        def on_epoch_end(self, epoch, logs=None):
            self.epochs.add(epoch)

        def checkpoint(self):
            return {"epochs": sorted(self.epochs)}

        def restore(self, state):
            self.epochs = set(state["epochs"])

    with pytest.raises(Killed):
        trained(tmp_path, hooks=[Visits(), KilledAt(4, "begin")])
    visits = Visits()
    trained(tmp_path, hooks=[visits])
    assert visits.epochs == set(range(EPOCHS))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"learning_rate": 0.1}, r"another training: its learning_rate is 0\.05, here 0\.1; begin anew"),
        ({"validation": 0.5}, r"another training: its validation is 0\.25, here 0\.5"),
    ],
)
def test_states_of_another_training_are_refused(tmp_path, changed, message):
    trained(tmp_path)
    with pytest.raises(ArtifactError, match=message):
        trained(tmp_path, **changed)


def test_states_of_another_network_are_refused(tmp_path):
    trained(tmp_path)
    rows = np.random.default_rng(2).integers(0, 30, 40)
    other = keras.Sequential([keras.Input((), dtype="int32"), keras.layers.Embedding(30, 3), keras.layers.Dense(1)])
    config = TrainConfig(epochs=EPOCHS, patience=None, validation=0.25, batch_size=4, learning_rate=0.05, seed=3)
    with pytest.raises(ArtifactError, match="another training: its model has other variables"):
        Trainer(config, progress=False, checkpoints=tmp_path).fit(other, Tensors(rows, np.sin(rows)))
