"""The engines make the same steps (for every model kind: tests/models/contract.py); the choice says what and why."""

import threading
from functools import cache
from typing import get_args

import keras
import numpy as np
import pytest
import tensorflow as tf

from recsys_nn import ConfigError, Tensors, TrainConfig, Trainer, TrainingRun
from recsys_nn.models.layers.dropout import Dropout
from recsys_nn.tensors.tensors import Block
from recsys_nn.training import trainer
from recsys_nn.training.config import OptimizerName
from recsys_nn.training.engines.choose import _BATCH_HOOKS, _cause, _not_compilable, _worth_xla
from recsys_nn.training.engines.compiled import CompiledLoop, _extremes, prefetched
from tests.terminals import narrow_terminal

ENGINES = ("keras", "auto", "compiled")


def small_network() -> keras.Model:
    """A table of 6 rows, a layer above it, and the same weights each time."""
    layers = [keras.layers.Embedding(6, 2), keras.layers.Dense(1, "tanh", use_bias=False)]
    model = keras.Sequential([keras.Input((), dtype="int32"), *layers])
    rng = np.random.default_rng(1)
    model.set_weights([rng.normal(size=weight.shape) for weight in model.weights])
    return model


def trained(engine: str, callbacks=(), **settings) -> TrainingRun:
    """On 15 examples, 5 held out. (XLA compiles anew for each size of a batch: where sizes do not matter, be one.)"""
    rows = np.random.default_rng(2).integers(0, 6, 20)
    given = {"epochs": 1, "patience": None, "validation": 0.25, "batch_size": 4, "learning_rate": 0.01, "metrics": ()}
    config = TrainConfig(engine=engine, seed=3, **(given | settings))
    asked = Trainer(config, callbacks=callbacks, progress=False)
    return asked.fit(small_network(), Tensors(rows, np.sin(rows)))


def assert_the_same(one: TrainingRun, other: TrainingRun) -> None:
    for first, second in zip(one.model.get_weights(), other.model.get_weights(), strict=True):
        np.testing.assert_allclose(first, second, rtol=1e-4, atol=2e-6)
    first, second = (run.history.drop(columns="seconds") for run in (one, other))
    assert list(first) == list(second)
    np.testing.assert_allclose(first, second, rtol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", [name for name in get_args(OptimizerName) if name != "auto"])
def test_every_optimizer_makes_the_same_steps(optimizer):
    settings = {"optimizer": optimizer, "validation": 0, "batch_size": 10}
    assert_the_same(trained("keras", **settings), trained("compiled", **settings))


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"batch_size": 4, "metrics": ("rmse", "mae")},
        {"batch_size": 5, "shuffle": False},
        {"batch_size": 100, "loss": "huber"},
    ],
)
def test_batches_with_a_rest_that_divide_the_examples_or_exceed_them(settings):
    by_keras, *others = (trained(engine, epochs=2, optimizer="sgd", **settings) for engine in ENGINES)
    for other in others:
        assert_the_same(by_keras, other)


@pytest.mark.parametrize("engine", ["auto", pytest.param("compiled", marks=pytest.mark.slow)])
def test_an_epoch_in_several_calls_is_the_same(engine, monkeypatch):
    settings = {"validation": 0, "batch_size": 5, "metrics": ("rmse",)}
    whole = trained(engine, **settings)
    monkeypatch.setattr("recsys_nn.training.engines.compiled.STEPS_A_CALL", 3)
    assert_the_same(whole, trained(engine, **settings))


class Witness(keras.callbacks.Callback):
    """Notes what it is called for, with the names and types of the logs."""

    def __init__(self):
        super().__init__()
        self.calls = []

    def note(self, *call, logs=None):
        self.calls.append((*call, sorted((name, type(value)) for name, value in (logs or {}).items())))

    def on_train_begin(self, logs=None):
        self.note("train begin", self.params["epochs"], self.params["steps"], logs=logs)

    def on_epoch_begin(self, epoch, logs=None):
        self.note("epoch begin", epoch, logs=logs)

    def on_test_begin(self, logs=None):
        self.note("test begin", logs=logs)

    def on_test_end(self, logs=None):
        self.note("test end", logs=logs)

    def on_epoch_end(self, epoch, logs=None):
        self.note("epoch end", epoch, logs=logs)

    def on_train_end(self, logs=None):
        self.note("train end", logs=logs)


class Halt(keras.callbacks.Callback):
    """Sets the learning rate to 0 from the second epoch on, and keeps the weights after each."""

    def __init__(self):
        super().__init__()
        self.after = []

    def on_epoch_begin(self, epoch, logs=None):
        self.model.optimizer.learning_rate = 0.01 if epoch == 0 else 0.0

    def on_epoch_end(self, epoch, logs=None):
        self.after.append(self.model.get_weights())


@cache
def witnessed(engine) -> tuple[Witness, Halt]:
    witness, halt = Witness(), Halt()
    settings = {"optimizer": "sgd", "epochs": 2, "metrics": ("rmse",), "batch_size": 15}
    run = trained(engine, callbacks=[witness, halt], **settings)
    assert run.model.history.epoch == [0, 1]
    return witness, halt


@pytest.mark.parametrize("engine", ENGINES[1:])
def test_callbacks_are_called_as_keras_calls_them(engine):
    by_keras, ours = witnessed("keras")[0], witnessed(engine)[0]
    assert ours.calls == by_keras.calls


@pytest.mark.parametrize("engine", ENGINES)
def test_a_learning_rate_that_a_callback_sets_counts(engine):
    """At a rate of 0 nothing changes any more."""
    _, halt = witnessed(engine)
    for start, first, second in zip(small_network().get_weights(), *halt.after, strict=True):
        assert not np.array_equal(start, first)
        np.testing.assert_array_equal(first, second)


class StopNow(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = True


class PerBatch(keras.callbacks.Callback):
    def on_train_batch_end(self, batch, logs=None):
        pass


class OwnStep(keras.Sequential):
    def train_step(self, data):
        return super().train_step(data)


class FailsAtFirst(keras.layers.Layer):
    """The first loop that trains with it fails; the next does not."""

    failures = 1

    def call(self, x, training=None):
        if training and self.failures:
            self.failures -= 1
            raise RuntimeError("not in this loop")
        return x


class InPython(keras.layers.Layer):
    """TensorFlow can call it, XLA cannot."""

    def call(self, x):
        return tf.ensure_shape(tf.numpy_function(lambda values: values, [x], tf.float32), x.shape)


def engine_of(*layers, model=keras.Sequential, callbacks=(), n=64, **settings) -> str:
    """The engine that trains a small network with these layers in it."""
    x = np.random.default_rng(0).normal(size=(n, 2))
    network = model([keras.Input((2,)), *layers, keras.layers.Dense(1)])
    given = {"patience": None, "validation": 0, "epochs": 1, "metrics": (), "optimizer": "sgd"} | settings
    return Trainer(TrainConfig(**given), callbacks=callbacks).fit(network, Tensors(x, x[:, 0])).engine


LARGE = {"n": 40_000, "batch_size": 40, "epochs": 100, "callbacks": [StopNow()]}


def test_large_work_is_worth_the_time_that_xla_takes_to_compile():
    assert engine_of() == "compiled"
    assert engine_of(**LARGE) == "compiled with XLA"


@pytest.mark.parametrize(("n", "epochs", "worth"), [(5750, 100, False), (5900, 100, True), (5900, 24, False)])
def test_xla_is_worth_its_time_where_steps_until_early_stopping_save_more_than_compiling_costs(n, epochs, worth):
    """Two variables save 2 · 4e-5 s a step, an example 2e-7 s, for 25 epochs; compiling takes 1 + 2 · 0.1 s."""
    assert (25 * (n / 10 * 2 * 4e-5 + n * 2e-7) > 1.2) == (n == 5900)
    train = Tensors(np.zeros(n, int), np.zeros(n))
    assert _worth_xla(small_network(), train, TrainConfig(batch_size=10, epochs=epochs)) == worth


@pytest.mark.parametrize(("n", "epochs", "worth"), [(11_500, 1000, False), (11_700, 1000, True), (11_700, 490, False)])
def test_where_steps_are_few_an_epoch_early_stopping_is_expected_after_five_hundred(n, epochs, worth):
    assert (500 * (2 * 4e-5 + n * 2e-7) > 1.2) == (n == 11_700)
    train = Tensors(np.zeros(n, int), np.zeros(n))
    assert _worth_xla(small_network(), train, TrainConfig(batch_size=n, epochs=epochs)) == worth


@pytest.mark.slow
def test_layers_that_draw_keras_s_random_numbers_are_kept_from_xla_unless_it_is_asked_for():
    assert engine_of(keras.layers.Dropout(0.1), **LARGE) == "compiled"
    assert engine_of(keras.layers.Dropout(0.1), engine="compiled") == "compiled with XLA"
    assert engine_of(Dropout(0.1), **LARGE) == "compiled with XLA"


@pytest.mark.parametrize("engine", ENGINES)
def test_a_number_beyond_a_table_is_an_error_in_every_engine(engine):
    """XLA would take the nearest row in silence."""
    rows = np.r_[np.zeros(20, dtype=np.int32), 6, 0]
    settings = TrainConfig(
        epochs=1, validation=0, patience=None, batch_size=4, metrics=(), optimizer="sgd", engine=engine
    )
    with pytest.raises((ConfigError, tf.errors.InvalidArgumentError), match=r"= 6 is not in \[0, 6\)"):
        Trainer(settings, progress=False).fit(small_network(), Tensors(rows, np.ones(22)))


@pytest.mark.slow
def test_what_xla_cannot_compile_is_left_to_the_loop_without_it():
    assert engine_of(InPython(), **LARGE) == "compiled"
    with pytest.raises(
        ConfigError, match="^training.engine must be 'auto' or 'keras' here, not 'compiled': the model cannot be comp"
    ):
        engine_of(InPython(), engine="compiled")


def test_a_model_that_fails_in_the_loop_is_left_to_keras():
    assert engine_of(FailsAtFirst()) == "keras: the model cannot be compiled (RuntimeError: not in this loop)"


@pytest.mark.parametrize(
    "callback", [PerBatch(), keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs: None)]
)
def test_a_callback_for_every_batch_needs_keras_s_loop_and_the_reason_is_printed(callback, capsys, monkeypatch):
    monkeypatch.setattr(trainer, "_console", narrow_terminal)
    reason = f"keras: the callback {type(callback).__name__} acts on every batch"
    assert engine_of(callbacks=[callback]) == reason
    assert f"engine: {reason}" in capsys.readouterr().out.splitlines()


def test_a_model_with_a_step_of_its_own_needs_keras_s_loop():
    assert engine_of(model=OwnStep) == "keras: the model has a train_step of its own"
    with pytest.raises(
        ConfigError,
        match="^training.engine must be 'auto' or 'keras' here, not 'compiled': the model has a train_step of its own$",
    ):
        engine_of(model=OwnStep, engine="compiled")


@pytest.mark.parametrize("engine", ENGINES)
def test_the_last_batch_counts_where_it_is_smaller_than_the_others(engine):
    """w from 0 at a rate of 0.1: two examples of 1 make it 0.2, and the third, 5, adds 0.1 · 2 · 4.8."""
    network = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, kernel_initializer="zeros", use_bias=False)])
    given = {"optimizer": "sgd", "learning_rate": 0.1, "epochs": 1, "patience": None, "validation": 0}
    settings = TrainConfig(engine=engine, batch_size=2, shuffle=False, **given)
    run = Trainer(settings, progress=False).fit(network, Tensors(np.ones((3, 1)), [1, 1, 5]))
    assert run.model.get_weights()[0].item() == pytest.approx(1.16)
    assert run.history["loss"].tolist() == pytest.approx([(1 + 1 + 4.8**2) / 3])


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("no\nmore", "ValueError: no"),
        ("Exception encountered when calling Dense.call().\n\n  \x1b[1mno\x1b[0m  \n", "ValueError: no"),
        (" \n", "ValueError: it says no more"),
    ],
)
def test_a_cause_is_the_first_line_that_says_what_is_wrong(message, told):
    assert _cause(ValueError(message)) == told


@pytest.mark.parametrize("hook", _BATCH_HOOKS)
def test_every_call_for_a_batch_needs_keras_s_loop(hook):
    class Batchwise(keras.callbacks.Callback):
        pass

    setattr(Batchwise, hook, lambda self, batch, logs=None: None)
    assert _not_compilable(small_network(), [StopNow(), Batchwise()]) == "the callback Batchwise acts on every batch"
    assert _not_compilable(small_network(), [StopNow()]) is None


@pytest.mark.parametrize(
    "step", ["train_step", "test_step", "make_train_function", "make_test_function", "fit", "evaluate"]
)
def test_a_model_that_does_any_of_it_by_itself_needs_keras_s_loop(step):
    class Own(keras.Model):
        pass

    setattr(Own, step, lambda self, *args, **options: None)
    assert _not_compilable(Own(), []) == f"the model has a {step} of its own"


@pytest.mark.parametrize(
    ("xla", "n", "sizes"),
    [(True, 10, {4: 2, 2: 3}), (True, 8, {4: 2}), (False, 10, {None: 3}), (False, 8, {None: 2}), (True, 3, {3: 1})],
)
def test_a_pass_is_made_in_batches_of_one_size_and_a_rest_for_which_xla_compiles_anew(xla, n, sizes):
    assert CompiledLoop(small_network(), None, n=n, batch_size=4, xla=xla)._sizes(n) == sizes


class TwoBlocks:
    """Examples that are not in memory together."""

    def blocks(self, *, batch_size):
        del batch_size
        for rows, pairs in (([5, 2, 4], [[1, 1], [3, 3], [1, 1]]), ([2, 9, 4], [[1, 1], [2, 0], [7, 2]])):
            inputs = {"row": np.array(rows), "pair": np.array(pairs), "x": np.array([0.0, 99.0, -99.0])}
            yield Block(Tensors(inputs, np.zeros(3)), np.arange(3, dtype=np.int32))


def test_examples_are_tried_out_that_have_the_least_and_the_largest_of_every_integer_input():
    """Row 1 has the first 2, row 4 the 9 and the 0, row 5 the 7; and the first is always among them."""
    assert _extremes(TwoBlocks()).tolist() == [0, 1, 4, 5]


def test_what_comes_next_is_prepared_by_another_thread_and_comes_in_its_order():
    makers = []

    def items():
        for item in "abc":
            makers.append((item, threading.current_thread()))
            yield item

    found = prefetched(items())
    assert next(found) == "a"
    assert list(found) == ["b", "c"]
    assert [item for item, _ in makers] == ["a", "b", "c"]
    assert threading.current_thread() not in {thread for _, thread in makers}


def test_an_error_of_what_comes_next_is_that_of_the_loop():
    def items():
        yield 1
        raise RuntimeError("no more")

    found = prefetched(items())
    assert next(found) == 1
    with pytest.raises(RuntimeError, match="no more"):
        next(found)
