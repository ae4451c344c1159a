"""A training that was cut short at any moment goes on to the very weights of one that was not."""

import shutil
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest

from recsys_nn import ArtifactError, Tensors, TrainConfig, Trainer, TrainingRun
from recsys_nn.models.layers.dropout import Dropout
from recsys_nn.training import trainer
from recsys_nn.training.checkpointing import Checkpointing
from recsys_nn.training.checkpoints import Checkpoints
from tests.terminals import narrow_terminal

EPOCHS = 6
SLOW = partial(pytest.param, marks=pytest.mark.slow)


class Kept(keras.callbacks.Callback):
    """Copies the states that a kill would leave at the beginning of an epoch, or at its end, before it is saved."""

    def __init__(self, states: Path, kept: Path) -> None:
        super().__init__()
        self.states, self.kept = states, kept

    def on_epoch_begin(self, epoch, logs=None):
        self.keep(f"{epoch + 1}-begin")

    def on_epoch_end(self, epoch, logs=None):
        self.keep(f"{epoch + 1}-end")

    def keep(self, moment: str) -> None:
        self.kept.joinpath(moment).mkdir(parents=True)
        if self.states.exists():
            shutil.copytree(self.states, self.kept / moment, dirs_exist_ok=True)


class Visits(keras.callbacks.Callback):
    """Knows more than plain values."""

    def __init__(self):
        super().__init__()
        self.epochs = set()

    def on_epoch_end(self, epoch, logs=None):
        self.epochs.add(epoch)

    def checkpoint(self):
        return {"epochs": sorted(self.epochs)}

    def restore(self, state):
        self.epochs = set(state["epochs"])


def network(dropout=Dropout) -> keras.Model:
    """With a table and random draws."""
    layers = [keras.layers.Embedding(30, 2), dropout(0.3, seed=5), keras.layers.Dense(1)]
    model = keras.Sequential([keras.Input((), dtype="int32"), *layers])
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    return model


SETTINGS = {"epochs": EPOCHS, "patience": None, "validation": 0.25, "batch_size": 4, "learning_rate": 0.05}
ROWS = np.random.default_rng(2).integers(0, 30, 40)


def trained(folder=None, *, hooks=(), model=None, dropout=Dropout, progress=False, **changed) -> TrainingRun:
    config = TrainConfig(**({"engine": "auto", "seed": 3, "metrics": ()} | SETTINGS | changed))
    asked = Trainer(config, callbacks=hooks, progress=progress, checkpoints=folder)
    return asked.fit(model or network(dropout), Tensors(ROWS, np.sin(ROWS)))


def whole_and_kept(folder: Path, **changed) -> tuple[TrainingRun, Path]:
    """A training in one piece, and what a kill would have left at each moment."""
    run = trained(folder / "states", hooks=[Visits(), Kept(folder / "states", folder / "kept")], **changed)
    return run, folder / "kept"


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[TrainingRun, Path]:
    return whole_and_kept(tmp_path_factory.mktemp("whole"))


def assert_the_same_bit_for_bit(one: TrainingRun, other: TrainingRun) -> None:
    for first, second in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_array_equal(first, second)
    first, second = (run.history.drop(columns="seconds") for run in (one, other))
    np.testing.assert_array_equal(first, second)
    assert (one.best_epoch, one.stop_reason) == (other.best_epoch, other.stop_reason)


@pytest.mark.parametrize("moment", ["1-end", SLOW("2-begin"), SLOW(f"{EPOCHS}-end")])
def test_killed_in_an_epoch_it_goes_on_from_the_last_finished_one(whole, moment):
    run, kept = whole
    assert_the_same_bit_for_bit(trained(kept / moment), run)


def test_what_a_callback_knows_beside_plain_values_it_says_itself_and_seconds_are_those_of_all_attempts(
    whole, capsys, monkeypatch
):
    _, kept = whole
    monkeypatch.setattr(trainer, "_console", narrow_terminal)
    visits = Visits()
    run = trained(kept / "5-begin", hooks=[visits], progress=True)
    begun, *epochs = capsys.readouterr().out.splitlines()
    assert begun == "resuming after epoch 4"
    assert [line.split("  ")[0] for line in epochs] == ["epoch 5/6", "epoch 6/6"]
    assert visits.epochs == set(range(EPOCHS))
    assert run.history["seconds"].sum() <= run.seconds
    assert (run.history["seconds"] > 0).all()


CASES = {
    "by XLA": {"engine": "compiled", "batch_size": 5},  # divides the 30 examples: XLA compiles one size
    "by Keras's loop, with its dropout": {"engine": "keras", "dropout": keras.layers.Dropout},
    "with patience and lazy Adam": {"patience": 1, "learning_rate": 0.3, "optimizer": "lazy_adam"},
    "with a schedule and momentum": {
        "schedule": {"kind": "cosine"},
        "optimizer": {"name": "sgd", "momentum": 0.9},
    },
    "with rates that fall on plateaus and Keras's dropout": {
        "callbacks": ({"name": "reduce_lr_on_plateau", "patience": 1, "factor": 0.5},),
        "learning_rate": 0.3,
        "dropout": keras.layers.Dropout,
    },
    "with patience for a least improvement": {"patience": 2, "min_delta": 0.02, "learning_rate": 0.1},
    "with a plateau's least improvement": {
        "callbacks": ({"name": "reduce_lr_on_plateau", "patience": 1, "factor": 0.5, "min_delta": 0.03},),
    },
    "with row-wise Adagrad and without validation": {
        "optimizer": "rowwise_adagrad",
        "validation": 0,
        "monitor": "loss",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_whatever_the_training_remembers_is_kept(tmp_path, case):
    run, kept = whole_and_kept(tmp_path, **CASES[case])
    assert_the_same_bit_for_bit(trained(kept / "3-begin", **CASES[case]), run)


def test_a_state_says_whether_the_training_is_over_how_long_it_took_and_what_each_callback_knows(tmp_path):
    """Of two callbacks of a class, each."""
    model, hooks = network(), [Visits(), Visits()]
    model.compile("sgd", "mse")
    states = Checkpoints(tmp_path)
    saving = Checkpointing(states, model, hooks, {"seed": 3})
    hooks[1].on_epoch_end(4)
    for epoch, stopped in enumerate((False, True)):
        model.stop_training = stopped
        saving.on_epoch_end(epoch)
        n_epochs, state = states.latest()
        known = {"Visits 1": {"epochs": []}, "Visits 2": {"epochs": [4]}}
        assert (n_epochs, state["finished"], state["hooks"]) == (epoch + 1, stopped, known)
    again = Checkpointing(states, model, hooks, {"seed": 3})
    assert (again.first_epoch, again.next_epoch(9), again.seconds) == (2, 9, state["seconds"])
    assert state["seconds"] > 0


class Counts(keras.callbacks.Callback):
    """Knows a number, and what is no part of a state."""

    def __init__(self, n):
        super().__init__()
        self.n, self.lock = n, object()


def test_of_a_callback_that_says_nothing_what_is_plain_is_kept_but_for_what_keras_tells_it(tmp_path):
    model, counts = network(), Counts(3)
    model.compile("sgd", "mse")
    counts.set_params({"epochs": 5})
    Checkpointing(Checkpoints(tmp_path), model, [counts], {}).on_epoch_end(0)
    _, state = Checkpoints(tmp_path).latest()
    assert state["hooks"]["Counts 1"]["n"] == 3
    assert {"params", "lock"}.isdisjoint(state["hooks"]["Counts 1"])
    others = Counts(0), Visits()  # of the second nothing was kept
    Checkpointing(Checkpoints(tmp_path), model, others, {}).on_train_begin()
    assert (others[0].n, others[1].epochs) == (3, set())


def begun(folder, model, hook):
    """What saves the epochs of a training with this callback, which has begun, perhaps after a kill."""
    hook.set_model(model)
    saving = Checkpointing(Checkpoints(folder), model, [hook], {})
    hook.on_train_begin()
    saving.on_train_begin()
    return saving


@pytest.mark.parametrize(
    ("monitor", "losses"),
    [
        (partial(keras.callbacks.EarlyStopping, patience=9), [3.0, 2.8, 2.4]),
        (partial(keras.callbacks.ReduceLROnPlateau, patience=9), [3.0, 2.8, 2.4]),
        (partial(keras.callbacks.EarlyStopping, patience=9, mode="max"), [3.0, 3.2, 3.6]),
    ],
)
def test_the_least_improvement_counts_after_a_resumption_as_before(tmp_path, monitor, losses):
    """By .5: the second epoch is none for the best of the first, the third is."""
    model = network()
    model.compile("sgd", "mse")
    first, again = (monitor(monitor="loss", min_delta=0.5) for _ in range(2))
    saving = begun(tmp_path, model, first)
    first.on_epoch_end(0, {"loss": losses[0]})
    saving.on_epoch_end(0)
    begun(tmp_path, model, again)
    again.on_epoch_end(1, {"loss": losses[1]})
    assert (again.wait, again.best) == (1, losses[0])
    again.on_epoch_end(2, {"loss": losses[2]})
    assert (again.wait, again.best) == (0, losses[2])


@pytest.mark.parametrize("append", [False, True])
def test_a_csv_log_has_the_lines_of_all_epochs_once(tmp_path, append):
    """Also where an epoch was written that was not saved yet."""
    model, file = network(), tmp_path / "log.csv"
    model.compile("sgd", "mse")
    first, again = (keras.callbacks.CSVLogger(file, append=append) for _ in range(2))
    saving = begun(tmp_path / "states", model, first)
    first.on_epoch_end(0, {"loss": 3.5, "val_loss": 4.0})
    saving.on_epoch_end(0)
    first.on_epoch_end(1, {"loss": 9.5, "val_loss": 9.5})
    first.on_train_end()
    begun(tmp_path / "states", model, again)
    again.on_epoch_end(1, {"loss": 2.5, "val_loss": 3.0})
    again.on_train_end()
    assert file.read_bytes() == b"epoch,loss,val_loss\r\n0,3.5,4.0\r\n1,2.5,3.0\r\n"


def test_one_that_does_not_save_leaves_no_state(tmp_path):
    model = network()
    model.compile("sgd", "mse")
    Checkpointing(Checkpoints(tmp_path), model, [], {}, saves=False).on_epoch_end(0)
    assert Checkpoints(tmp_path).latest() is None


class NotAgain(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        pytest.fail("an epoch was begun")


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["auto", "keras"])
def test_a_finished_training_is_not_repeated(tmp_path, engine):
    case = {"patience": 1, "learning_rate": 0.3, "engine": engine}
    first = trained(tmp_path, **case)
    assert first.stop_reason == "patience"
    again = trained(tmp_path, hooks=[NotAgain()], **case)
    assert_the_same_bit_for_bit(first, again)
    np.testing.assert_array_equal(first.history["seconds"], again.history["seconds"])


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"learning_rate": 0.1},
            r"holds another training, whose learning_rate is 0\.05, not 0\.1: choose another folder$",
        ),
        ({"validation": 0.5}, r"holds another training, whose validation is 0\.25, not 0\.5: choose another folder$"),
        (
            {"model": keras.Sequential([keras.Input((), dtype="int32"), keras.layers.Embedding(30, 1)])},
            "holds another training, whose model has other variables: choose another folder$",
        ),
    ],
)
def test_states_of_another_training_are_refused(whole, changed, message):
    _, kept = whole
    with pytest.raises(ArtifactError, match=f" {message}"):
        trained(kept / "2-begin", **changed)
