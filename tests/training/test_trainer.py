import hashlib
import re
import subprocess
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import get_args

import keras
import numpy as np
import pandas as pd
import pytest

from recsys_nn import (
    ConfigError,
    DataError,
    Encoder,
    NeuMFConfig,
    SVDConfig,
    Tensors,
    TrainConfig,
    Trainer,
    TrainingError,
    TrainingRun,
    build_model,
    load_ratings,
)
from recsys_nn.training.callbacks import EpochLog, ProgressLines, StopOnNonFinite
from recsys_nn.training.compile import compile_model
from recsys_nn.training.config import OptimizerName
from recsys_nn.training.input_scales import InputScale, input_scales
from recsys_nn.training.objective import objective_of
from recsys_nn.training.optimizers import LazyAdam
from tests.figures import described
from tests.models.contract import twenty_ratings
from tests.terminals import narrow_terminal

QUIET = {"progress": False}


def settings_of(**changed) -> TrainConfig:
    """Of a training whose steps are traced quickly, on all that it is given."""
    return TrainConfig(**({"optimizer": "sgd", "metrics": (), "patience": None, "validation": 0} | changed))


def line(n: int = 64, seed: int = 0) -> Tensors:
    """y = 3 x0 - 2 x1 + 1, without noise."""
    x = np.random.default_rng(seed).normal(size=(n, 2))
    return Tensors(x, x @ [3.0, -2.0] + 1.0)


def linear_model(start: float = 0.0) -> keras.Model:
    layer = keras.layers.Dense(1, kernel_initializer=keras.initializers.Constant(start))
    return keras.Sequential([keras.Input((2,)), layer])


class RisingAfter(keras.callbacks.Callback):
    """Writes a validation loss of |epoch - best|, so that the best epoch is known."""

    def __init__(self, best: int) -> None:
        super().__init__()
        self.best = best
        self.weights_at: dict[int, list[np.ndarray]] = {}

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = abs(epoch + 1 - self.best)
        self.weights_at[epoch + 1] = self.model.get_weights()


def test_a_plain_keras_model_learns_a_line():
    settings = settings_of(learning_rate=0.1, batch_size=16, epochs=60)
    run = Trainer(settings, **QUIET).fit(linear_model(), line())
    kernel, bias = run.model.get_weights()
    np.testing.assert_allclose(kernel[:, 0], [3, -2], atol=1e-3)
    np.testing.assert_allclose(bias, [1], atol=1e-3)


def test_a_model_that_is_not_built_yet_is_trained_too():
    model = keras.Sequential([keras.layers.Dense(1)])
    run = Trainer(settings_of(epochs=2), **QUIET).fit(model, line())
    assert (run.stop_reason, len(run.history)) == ("epochs", 2)
    assert run.history["loss"][1] < run.history["loss"][0]


def test_one_epoch_of_whole_table_sgd_is_one_gradient_step():
    train = line(8)
    settings = settings_of(learning_rate=0.1, batch_size=8, epochs=1)
    run = Trainer(settings, **QUIET).fit(linear_model(), train)
    gradient = 2 * train.inputs.T @ (0 - train.targets) / 8
    np.testing.assert_allclose(run.model.get_weights()[0][:, 0], -0.1 * gradient, rtol=1e-4)


def test_the_weights_of_the_best_epoch_are_kept_and_patience_stops():
    watch = RisingAfter(best=4)
    run = Trainer(settings_of(epochs=50, patience=3, learning_rate=0.01), callbacks=[watch], **QUIET).fit(
        linear_model(), line(), line(seed=1)
    )
    assert (run.best_epoch, run.stop_reason, len(run.history)) == (4, "patience", 7)
    for kept, best, last in zip(run.model.get_weights(), watch.weights_at[4], watch.weights_at[7], strict=True):
        np.testing.assert_array_equal(kept, best)
        assert not np.array_equal(best, last)


def test_without_patience_all_epochs_are_done_and_the_best_is_kept():
    watch = RisingAfter(best=2)
    run = Trainer(settings_of(epochs=6), callbacks=[watch], **QUIET).fit(linear_model(), line(), line(seed=1))
    assert (run.best_epoch, run.stop_reason, len(run.history)) == (2, "epochs", 6)
    np.testing.assert_array_equal(run.model.get_weights()[0], watch.weights_at[2][0])


def test_without_a_validation_part_the_last_epoch_is_kept():
    run = Trainer(settings_of(epochs=3), **QUIET).fit(linear_model(), line())
    assert (run.best_epoch, run.stop_reason) == (3, "epochs")
    assert list(run.history) == ["epoch", "loss", "seconds"]  # and no metrics where none are asked for


@dataclass
class Told:
    """A training with metrics, validation and a schedule, and what it has printed."""

    run: TrainingRun
    lines: list[str]


@pytest.fixture(scope="module")
def told() -> Told:
    schedule = {"kind": "exponential", "decay": 0.1}
    settings = TrainConfig(
        optimizer="sgd", learning_rate=0.1, schedule=schedule, epochs=3, batch_size=64, metrics=("rmse",)
    )
    with redirect_stdout(StringIO()) as printed:
        run = Trainer(settings).fit(linear_model(), line(), line(48, seed=1))
    return Told(run, printed.getvalue().splitlines())


def test_the_history_is_a_row_an_epoch(told):
    run = told.run
    assert list(run.history) == ["epoch", "loss", "rmse", "val_loss", "val_rmse", "seconds"]
    assert run.history["epoch"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(run.history["val_loss"], run.history["val_rmse"] ** 2, rtol=1e-5)
    assert run.seconds >= run.history["seconds"].sum()


def test_a_record_tells_how_a_training_was_made_and_of_what(told):
    run, x = told.run, line().inputs
    means, stds = np.abs(x.mean(axis=0)), x.std(axis=0)
    farthest = int(np.maximum(means, stds).argmax())
    scale = {"column": farthest, "mean": x.mean(axis=0)[farthest], "std": stds[farthest]}
    figures = {"best_epoch": 1 + int(run.history["val_loss"].argmin()), "stop_reason": "epochs", "engine": "compiled"}
    sizes = {"loss": "mse", "n_train": 64, "n_validation": 48}
    record = run.record
    assert record.pop("inputs") == {"inputs": pytest.approx(scale, rel=1e-5)}
    assert record == figures | sizes | {"seconds": run.seconds}
    assert run.config.epochs == 3


def test_a_line_is_printed_for_every_epoch(told):
    first, second, _ = told.lines
    number = r"\d+\.\d{4}"
    line = rf"epoch 1/3  loss {number}  rmse {number}  val_loss {number}  val_rmse {number}  \d\.\d s  best so far"
    assert re.fullmatch(line, first)
    assert re.fullmatch(line.replace("1/3", "2/3"), second)


def test_a_schedule_lowers_the_rate(told):
    assert float(told.run.model.optimizer.learning_rate) == pytest.approx(0.1 * 0.1**3, rel=1e-4)


def test_the_learning_curves_show_losses_and_the_best_epoch(told):
    run = told.run
    (axes,) = run.plot_history().axes
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["training", "validation", f"best epoch ({run.best_epoch})"]
    np.testing.assert_array_equal(axes.lines[0].get_ydata(), run.history["loss"])


def test_a_training_of_a_run_folder_is_what_was_recorded_and_draws_its_curves(snapshot):
    model = linear_model()
    history = pd.DataFrame({"epoch": [1, 2, 3], "loss": [0.9, 0.5, 0.4], "val_loss": [1.0, 0.6, 0.7]})
    record = {"best_epoch": 2, "stop_reason": "patience", "seconds": 1.5, "engine": "compiled", "loss": "mse"}
    record |= {"n_train": 8, "n_validation": 2, "inputs": {}}
    run = TrainingRun.recorded(model, history, settings_of(), record)
    assert run.model is model
    assert run.record == record
    assert described(run.plot_history()) == snapshot


def test_a_model_without_trainable_weights_is_judged_once():
    model, train, validation = linear_model(), line(10), line(6, seed=1)
    model.trainable = False
    run = Trainer(TrainConfig(metrics=("mae",)), **QUIET).fit(model, train, validation)
    figures = {"best_epoch": 1, "stop_reason": "closed form", "engine": "closed form", "loss": "mse"}
    assert run.record == figures | {"seconds": run.seconds, "n_train": 10, "n_validation": 6, "inputs": {}}
    expected = {"epoch": 1}
    for prefix, part in (("", train), ("val_", validation)):  # against predictions of 0
        expected |= {f"{prefix}loss": np.mean(part.targets**2), f"{prefix}mae": np.mean(np.abs(part.targets))}
    assert run.history.to_dict("records") == [pytest.approx(expected | {"seconds": run.seconds})]
    assert run.model is model


def test_the_losses_weigh_every_example_once_also_in_a_smaller_last_batch():
    train = line(10)
    settings = settings_of(learning_rate=1e-12, batch_size=4, epochs=1)
    run = Trainer(settings, **QUIET).fit(linear_model(), train)
    assert run.history["loss"][0] == pytest.approx(np.mean(np.square(train.targets)), rel=1e-5)


def test_where_no_validation_part_is_given_a_shuffled_one_is_held_out():
    """A table sorted by its target: were the last rows taken, validation would see the large targets alone."""
    table = Tensors(np.zeros((100, 2)), np.arange(100) / 100)
    settings = settings_of(learning_rate=1e-12, epochs=1, validation=0.2, seed=3, batch_size=100)
    run = Trainer(settings, **QUIET).fit(linear_model(), table)
    rest, held_out = table.split(0.2, seed=3)
    assert held_out.targets.min() < 0.2 < 0.8 < held_out.targets.max()
    assert run.history["loss"][0] == pytest.approx(np.mean(rest.targets**2), rel=1e-5)
    assert run.history["val_loss"][0] == pytest.approx(np.mean(held_out.targets**2), rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"monitor": "val_rsme"},
            "^training.monitor must be one of 'loss', 'rmse', 'mae', 'val_loss', 'val_rmse', "
            r"'val_mae', not 'val_rsme'; did you mean 'val_rmse'\?$",
        ),
        (
            {"validation": 0},
            "^training.monitor cannot be 'val_loss', as there is no validation part: set training.patience to null$",
        ),
        (
            {"optimizer": {"name": "sgd", "momentun": 0.9}},
            r"training\.optimizer\.momentun: there is no such setting; did you mean 'momentum'\?",
        ),
        ({"optimizer": {"name": "sgd", "momentum": 7}}, "training.optimizer: .*momentum"),
        (
            {"optimizer": {"name": "sgd", "learning_rate": 1}},
            "training.optimizer.learning_rate must be left out: set training.learning_rate instead$",
        ),
        (
            {"optimizer": {"dense": "adam"}},
            (
                "training.optimizer.dense must be left out, as it is for row-wise optimizers "
                r"\(lazy_adam, rowwise_adagrad, rowwise_sgd\), not 'auto'$"
            ),
        ),
        (
            {"optimizer": {"name": "adam", "dense": "sgd"}},
            "training.optimizer.dense must be left out, as it is for row-wise optimizers "
            r"\(lazy_adam, rowwise_adagrad, rowwise_sgd\), not 'adam'$",
        ),
        (
            {"optimizer": {"name": "lazy_adam", "dense": "auto"}},
            "training.optimizer.dense must be one of Keras's optimizers alone, such as 'adam', not 'auto'$",
        ),
        (
            {"optimizer": {"name": "lazy_adam", "dense": {"name": "sgd", "dense": "sgd"}}},
            "training.optimizer.dense must be one of Keras's optimizers alone, such as 'adam', not 'sgd'$",
        ),
        ({"optimizer": {"name": "lazy_adam", "dense": {"name": "sgd", "rho": 1}}}, "optimizer.dense.rho: there is no"),
        ({"callbacks": ["csv_logger"]}, r"^training\.callbacks\.0\.filename is missing: set it$"),
        ({"callbacks": [{"name": "reduce_lr_on_plateau", "factr": 0.5}]}, "training.callbacks.0.factr.*'factor'"),
        (
            {"callbacks": ["reduce_lr_on_plateau", {"name": "reduce_lr_on_plateau", "monitor": "val_los"}]},
            r"^training\.callbacks\.1\.monitor must be one of 'loss', .*'val_mae', not 'val_los'; did you mean",
        ),
        (
            {"validation": 0, "monitor": "loss", "callbacks": ["reduce_lr_on_plateau"]},
            "^training.callbacks.0.monitor cannot be 'val_loss', as there is no validation part: leave",
        ),
        (
            {"optimizer": {"name": "adam", "weight_decay": np.nan}},
            r"^training\.optimizer\.weight_decay must be a finite ",
        ),
        (
            {"optimizer": {"name": "lazy_adam", "dense": {"name": "sgd", "clipnorm": np.inf}}},
            "dense.clipnorm must be a",
        ),
        (
            {"callbacks": [{"name": "reduce_lr_on_plateau", "min_lr": np.nan}]},
            r"^training\.callbacks\.0\.min_lr must be",
        ),
        ({"optimizer": {"name": "adam", "loss_scale_factor": 2.0}}, r"loss_scale_factor: there is no such setting"),
        (
            {"callbacks": [{"name": "csv_logger", "filename": "/no/such/folder/log.csv"}]},
            r"^training\.callbacks\.0\.filename: /no/such/folder/log.csv is in a folder that does not exist, ",
        ),
        (
            {"callbacks": [{"name": "csv_logger", "filename": "."}]},
            r"^training\.callbacks\.0\.filename: \. is a folder; name a file in a folder that exists$",
        ),
    ],
)
def test_what_cannot_work_is_refused_before_training(settings, message):
    model = linear_model()
    with pytest.raises(ConfigError, match=message):
        Trainer(TrainConfig(**settings), **QUIET).fit(model, line())
    np.testing.assert_array_equal(model.get_weights()[0], np.zeros((2, 1)))


def test_a_plateau_and_a_schedule_do_not_go_together():
    with pytest.raises(
        ValueError, match="reduce_lr_on_plateau cannot change a rate that a schedule sets: leave out one"
    ):
        TrainConfig(schedule={"kind": "cosine"}, callbacks=["reduce_lr_on_plateau"])


@pytest.mark.parametrize(
    "monitor", ["val_accuracy", *(pytest.param(name, marks=pytest.mark.slow) for name in ("val_mae", "accuracy"))]
)
def test_what_is_logged_of_probabilities_can_be_monitored(monitor):
    """Keras does not know which way the metrics of others go."""
    encoder = Encoder.fit(twenty_ratings())
    config = settings_of(
        metrics=None,
        epochs=3,
        validation=0.3,
        patience=1,
        monitor=monitor,
        callbacks=[{"name": "reduce_lr_on_plateau", "monitor": monitor}],
    )
    model = build_model(SVDConfig(embedding_dim=2, head="ordinal"), encoder)
    run = Trainer(config, **QUIET).fit(model, encoder.encode(twenty_ratings()))
    figures = run.history[monitor]
    assert run.best_epoch == 1 + int(figures.idxmax() if "accuracy" in monitor else figures.idxmin())
    assert run.history["learning_rate"][0] == pytest.approx(config.learning_rate)


def test_an_empty_training_part_is_refused():
    with pytest.raises(DataError, match="the training part has no rows$"):
        Trainer(**QUIET).fit(linear_model(), Tensors(np.zeros((0, 2)), np.zeros(0)))


def test_a_loss_that_is_no_number_names_epoch_rate_and_cause():
    with pytest.raises(
        TrainingError,
        match=(
            r"epoch 2: loss is inf at learning rate 1e\+20; the likely cause is that this rate is "
            "too high: lower it to 0.001$"
        ),
    ) as caught:
        Trainer(settings_of(learning_rate=1e20), **QUIET).fit(linear_model(), line())
    run = caught.value.run  # up to there
    assert (run.stop_reason, run.best_epoch, run.n_train, run.n_validation) == ("diverged", 0, 64, 0)
    *numbers, last = run.history["loss"]
    assert np.isfinite(numbers).all()
    assert not np.isfinite(last)


def test_weights_that_are_no_numbers_end_the_training_though_the_losses_are():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1, name="line")], name="net")
    model.set_weights([np.array([[np.nan]]), np.zeros(1)])
    watch = StopOnNonFinite({}, 0.25)
    watch.set_model(model)
    with pytest.raises(TrainingError, match=r"epoch 2: net/line/kernel is no longer a number at learning rate 0\.25; "):
        watch.on_epoch_end(1, {"loss": 0.5, "val_loss": 0.5})


@pytest.mark.parametrize(("rows", "optimizer"), [(40, keras.optimizers.Adam), (41, LazyAdam)])
def test_by_default_adam_is_lazy_where_a_batch_touches_fewer_than_a_tenth_of_a_table(rows, optimizer):
    model = keras.Sequential([keras.Input((), dtype="int32"), keras.layers.Embedding(rows, 50), keras.layers.Dense(1)])
    config = TrainConfig(batch_size=4, metrics=())
    compile_model(objective_of(model, config), config, steps=1)
    assert type(model.optimizer) is optimizer


@pytest.mark.parametrize("name", [name for name in get_args(OptimizerName) if name != "auto"])
def test_an_optimizer_is_made_by_its_name(name):
    model, config = linear_model(), TrainConfig(optimizer=name, learning_rate=0.25, metrics=())
    compile_model(objective_of(model, config), config, steps=1)
    assert type(model.optimizer).__name__.lower() == name.replace("_", "")
    assert float(model.optimizer.learning_rate) == 0.25


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        ("mse", (4 + 0.25) / 2),
        ("mae", 2.5 / 2),
        ("huber", (1.5 + 0.125) / 2),
        ("log_cosh", np.log(np.cosh([2, 0.5])).mean()),
    ],
)
def test_a_loss_is_made_by_its_name(loss, expected):
    """Of errors of 2 and a half."""
    objective = objective_of(linear_model(), TrainConfig(loss=loss))
    assert objective.loss_name == loss
    assert float(objective.loss()(np.array([[1.0], [1.0]]), np.array([[3.0], [0.5]]))) == pytest.approx(expected)


@pytest.mark.parametrize(("name", "expected"), [("mse", 2.125), ("mae", 1.25), ("rmse", 2.125**0.5)])
def test_a_metric_is_made_and_reported_by_its_name(name, expected):
    objective = objective_of(linear_model(), TrainConfig(metrics=(name,)))
    (metric,) = objective.metrics()
    metric.update_state(np.array([[1.0], [1.0]]), np.array([[3.0], [0.5]]))
    assert (objective.metric_names, metric.name) == ((name,), name)
    assert float(metric.result()) == pytest.approx(expected)


def test_inputs_that_are_not_standardised_are_named_as_the_cause():
    train = line()
    with pytest.raises(
        TrainingError,
        match=(
            r"the input 'inputs' is not standardised \(its column 1 has mean 1\.37e\+05 and standard deviation "
            r"9\.623e\+05\): give its columns mean 0 and standard deviation 1"
        ),
    ):
        Trainer(settings_of(learning_rate=0.1, epochs=100), **QUIET).fit(
            linear_model(), Tensors(train.inputs * 1e6, train.targets)
        )


def test_ctrl_c_keeps_the_best_epoch_so_far():
    class Interrupt(RisingAfter):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 4:
                raise KeyboardInterrupt

    watch = Interrupt(best=2)
    run = Trainer(settings_of(epochs=50, patience=3), callbacks=[watch], **QUIET).fit(
        linear_model(), line(), line(seed=1)
    )
    assert (run.stop_reason, run.best_epoch, len(run.history)) == ("interrupted", 2, 4)
    np.testing.assert_array_equal(run.model.get_weights()[0], watch.weights_at[2][0])


def test_ctrl_c_before_the_first_epoch_is_over_leaves_nothing_to_keep():
    class Interrupt(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Trainer(settings_of(validation=0.1), callbacks=[Interrupt()], **QUIET).fit(linear_model(), line())


def test_ctrl_c_between_the_callbacks_of_the_first_epoch_leaves_nothing_to_keep():
    class Interrupt(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Trainer(settings_of(validation=0.1), callbacks=[Interrupt()], **QUIET).fit(linear_model(), line())


def test_ctrl_c_without_a_validation_part_keeps_the_last_whole_epoch():
    class Interrupt(RisingAfter):
        def on_train_batch_end(self, batch, logs=None):
            if len(self.weights_at) == 2:
                raise KeyboardInterrupt

    watch = Interrupt(best=1)
    settings = settings_of(epochs=9, batch_size=16)
    run = Trainer(settings, callbacks=[watch], **QUIET).fit(linear_model(), line())
    assert (run.stop_reason, run.best_epoch, len(run.history)) == ("interrupted", 2, 2)
    np.testing.assert_array_equal(run.model.get_weights()[0], watch.weights_at[2][0])


def test_what_are_no_tensors_is_refused():
    with pytest.raises(
        DataError, match=r"^the training part must be Tensors \(Encoder.encode makes them\), not tuple$"
    ):
        Trainer(**QUIET).fit(linear_model(), (np.zeros((2, 2)), np.zeros(2)))


def test_a_callback_may_stop_the_training_and_named_ones_work_beside_it(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = epoch == 1

    log = tmp_path / "log.csv"
    named = [{"name": "csv_logger", "filename": str(log)}, "reduce_lr_on_plateau"]
    settings = settings_of(epochs=9, validation=0.1, callbacks=named)
    run = Trainer(settings, callbacks=[Stop()], **QUIET).fit(linear_model(), line())
    assert (run.stop_reason, len(run.history)) == ("callback", 2)
    assert log.read_text().splitlines()[0].startswith("epoch,")
    assert len(log.read_text().splitlines()) == 3


def digests() -> list[str]:
    """Of the weights that each engine reaches."""
    ratings = load_ratings("synthetic", n_users=60, n_items=40, n_ratings=1280, seed=1)
    encoder = Encoder.fit(ratings)
    found = []
    for engine in ("keras", "auto", "compiled"):
        model = build_model(NeuMFConfig(embedding_dim=8, widths=(8,), dropout=0.2), encoder, seed=5)
        settings = settings_of(epochs=2, batch_size=64, seed=5, engine=engine)
        Trainer(settings, **QUIET).fit(model, encoder.encode(ratings))
        found.append(hashlib.sha256(b"".join(weight.tobytes() for weight in model.get_weights())).hexdigest())
    return found


@pytest.mark.slow
def test_a_fresh_process_reaches_the_same_weights_bit_for_bit():
    """By every engine; and Keras's loop and the compiled epoch without XLA reach one another's."""
    script = "from tests.training.test_trainer import digests; print(*digests())"
    printed = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True).stdout
    found = digests()
    assert printed.split() == found
    by_keras, compiled, _ = found
    assert by_keras == compiled
    assert len(by_keras) == 2 * hashlib.sha256().digest_size


@pytest.mark.slow
@pytest.mark.usefixtures("untraced")
def test_the_seed_decides_the_order():
    def trained(seed):
        settings = settings_of(epochs=1, batch_size=4, learning_rate=0.1, seed=seed)
        return Trainer(settings, **QUIET).fit(linear_model(), line()).model.get_weights()[0]

    np.testing.assert_array_equal(trained(1), trained(1))
    assert not np.array_equal(trained(1), trained(2))


@pytest.mark.parametrize(("min_delta", "best", "n_epochs"), [(0.0, 3, 5), (0.15, 3, 5), (0.25, 1, 3)])
def test_what_is_better_by_less_than_min_delta_is_no_improvement(min_delta, best, n_epochs):
    losses = [1.0, 0.9, 0.8, 0.95, 0.95, 0.95]

    class Told(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["val_loss"] = losses[epoch]

    settings = TrainConfig(epochs=6, patience=2, min_delta=min_delta)
    run = Trainer(settings, callbacks=[Told()], **QUIET).fit(linear_model(), line(), line(seed=1))
    assert (run.best_epoch, len(run.history), run.stop_reason) == (best, n_epochs, "patience")


@pytest.mark.parametrize(("rate", "tried"), [(0.5, "0.001"), (0.005, "0.0005"), (0.01, "0.001")])
def test_a_rate_that_is_a_tenth_and_at_most_a_thousandth_is_advised(rate, tried):
    watch = StopOnNonFinite({"x": InputScale(0, 10.0, -10.0)}, rate)
    advice = f"the likely cause is that this rate is too high: lower it to {tried}"
    with pytest.raises(TrainingError, match=f"^epoch 3: val_loss is inf at learning rate {rate:g}; {advice}$"):
        watch.on_epoch_end(2, {"loss": 0.5, "val_loss": np.inf, "other": np.nan})


def printed_of(rows: list[dict[str, float]], stopping: keras.callbacks.EarlyStopping | None) -> list[str]:
    """What is printed of the epochs of a training of ten."""
    log, text = EpochLog(keep_weights=False), StringIO()
    lines = ProgressLines(log, 10, stopping, narrow_terminal(text))
    if stopping is not None:
        stopping.set_model(linear_model())
        stopping.on_train_begin()
    for epoch, row in enumerate(rows):
        log.rows.append(row)
        if stopping is not None:
            stopping.on_epoch_end(epoch, row)
        lines.on_epoch_end(epoch)
    return text.getvalue().splitlines()


def losses(*values: float) -> list[dict[str, float]]:
    return [{"epoch": 1 + k, "auc": value, "seconds": 1.25} for k, value in enumerate(values)]


def test_a_line_says_whether_an_epoch_is_the_one_that_would_be_kept():
    lowest = keras.callbacks.EarlyStopping(monitor="auc", mode="min", min_delta=0.4)
    assert printed_of(losses(2, 1.7, 3, 1.5), lowest) == [
        "epoch  1/10  auc 2.0000  1.2 s  best so far",
        "epoch  2/10  auc 1.7000  1.2 s",
        "epoch  3/10  auc 3.0000  1.2 s",
        "epoch  4/10  auc 1.5000  1.2 s  best so far",
    ]
    highest = keras.callbacks.EarlyStopping(monitor="auc", mode="max")
    assert [line[-11:] == "best so far" for line in printed_of(losses(2, 1, 3), highest)] == [True, False, True]
    assert printed_of([{"epoch": 11, "mae": 1.23456, "seconds": 0}], None) == ["epoch 11/10  mae 1.2346  0.0 s"]


def test_the_scale_of_an_input_is_that_of_its_farthest_column():
    inputs = {
        "user": np.arange(4),
        "x": np.array([[0.0, 1.0], [0.0, 3.0], [0.0, 1.0], [0.0, 3.0]]),
        "wide": np.array([[[0.0, -5.0], [20.0, -5.0]]] * 2 + [[[0.0, -5.0], [60.0, -5.0]]] * 2),
    }
    scales = input_scales(linear_model(), Tensors(inputs, np.zeros(4)))
    assert scales == {"x": InputScale(1, 2.0, 1.0), "wide": InputScale(2, 40.0, 20.0)}
    assert [(scale.size, scale.standardised) for scale in scales.values()] == [(2.0, True), (40.0, False)]
    normalising = keras.Sequential([keras.Input((2,)), keras.layers.LayerNormalization(), keras.layers.Dense(1)])
    assert input_scales(normalising, Tensors(inputs, np.zeros(4))) == {}


@pytest.mark.parametrize(
    ("scale", "passes"),
    [((0, 10.0, 0.0), True), ((0, -10.0, 10.0), True), ((0, -10.01, 0.0), False), ((0, 0.0, 10.01), False)],
)
def test_a_column_passes_for_standardised_up_to_ten(scale, passes):
    assert InputScale(*scale).standardised == passes


def test_of_many_examples_ten_thousand_evenly_spaced_are_looked_at():
    """Of three times as many every third: the others are far away."""
    x = np.full(3 * 9999 + 1, 1e6)
    x[::3] = 1
    assert input_scales(linear_model(), Tensors(x, x)) == {"inputs": InputScale(0, 1.0, 0.0)}


def network_of(*shape: int) -> keras.Model:
    """A network with an output of this shape for each example."""
    size = int(np.prod(shape))
    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(size), keras.layers.Reshape(shape)])


@pytest.mark.parametrize(("shape", "told"), [((1, 1), "(n, 1, 1)"), ((2, 1), "(n, 2, 1)"), ((2,), "(n, 2)")])
def test_outputs_that_are_no_rating_each_are_refused(shape, told):
    message = f"the model's output must have the shape (n,) or (n, 1) for n targets, not {told}: take it apart"
    for n in (1, 2, 64):
        with pytest.raises(DataError, match=f"^{re.escape(message)}"):
            Trainer(settings_of(epochs=1), **QUIET).fit(network_of(*shape), line(n))


@pytest.mark.parametrize(("shape", "k"), [((), None), ((1,), None), ((3,), 3), ((1,), 1), ((), 1)])
def test_outputs_of_the_shape_of_the_targets_are_trained(shape, k):
    inputs = np.zeros((4, 2))
    targets = np.ones(4 if k is None else (4, k))
    run = Trainer(settings_of(epochs=1), **QUIET).fit(network_of(*shape), Tensors(inputs, targets))
    assert run.history["loss"].tolist() == [1.0]


def test_the_one_output_of_a_network_may_have_a_name():
    inputs = keras.Input((2,))
    ratings = keras.layers.Dense(1)(inputs)
    run = Trainer(settings_of(epochs=1), **QUIET).fit(
        keras.Model(inputs, {"rating": ratings}), Tensors(np.zeros((4, 2)), np.ones(4))
    )
    assert run.history["loss"].tolist() == [1.0]
    with pytest.raises(DataError, match="^the model must have one output, not 2$"):
        Trainer(settings_of(epochs=1), **QUIET).fit(keras.Model(inputs, [ratings, ratings]), line(4))
