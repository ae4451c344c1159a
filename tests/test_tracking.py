import math
import os
import socket
import sys
import time
from types import SimpleNamespace

import keras
import pandas as pd
import pytest

from recsys_nn import ConfigError, TrainingError, __version__, cross_validate, load_config, refit, run_experiment, tune
from recsys_nn.config.tracking import MlflowConfig
from recsys_nn.data.fingerprints import fingerprints
from recsys_nn.experiment.run import run_on_split
from recsys_nn.runs.data import load_split
from recsys_nn.tracking.mlflow import MlflowTracker
from recsys_nn.tracking.session import Tracking, _described
from recsys_nn.tracking.tensorboard import TensorBoardTracker
from recsys_nn.tracking.tracker import TrackedRun, flat

DATA = {"source": "synthetic", "options": {"n_users": 50, "n_items": 40, "n_ratings": 1000}}
CLOSED = {"data": DATA, "model": {"kind": "user_mean"}}
SVD = {
    "data": DATA,
    "model": {"kind": "svd", "embedding_dim": 2},
    "training": {"epochs": 3, "batch_size": 300, "learning_rate": 0.02, "schedule": {"kind": "cosine"}},
}


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    pytest.importorskip("tensorboard", reason="needs recsys-nn[tensorboard]")
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    pytest.importorskip("mlflow", reason="needs recsys-nn[mlflow]")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
        yield f"file:{tmp_path_factory.mktemp('store')}/mlruns"


@pytest.fixture(scope="module")
def split():
    return load_split(load_config(CLOSED).data, seed=0)


@pytest.fixture(scope="module")
def result(logs, store, tmp_path_factory):
    """A run that is refitted."""
    output = tmp_path_factory.mktemp("runs") / "films"
    tracking = {"tensorboard": str(logs), "mlflow": {"experiment": "films", "uri": store}}
    return run_experiment({**SVD, "output": str(output), "refit": True, "tracking": tracking}, progress=False)


def scalars(folder):
    """By tag what TensorBoard reads in a folder: the value of each step."""
    from tensorboard.util.tensor_util import make_ndarray

    read = events(folder)
    return {
        tag: {event.step: make_ndarray(event.tensor_proto).item() for event in read.Tensors(tag)}
        for tag in read.Tags()["tensors"]
        if read.SummaryMetadata(tag).plugin_data.plugin_name == "scalars"
    }


def events(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    read = EventAccumulator(str(folder))
    read.Reload()
    return read


def runs_of(experiment, store):
    """The runs of an experiment, the oldest first."""
    from mlflow import MlflowClient

    client = MlflowClient(store)
    found = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return sorted(found, key=lambda run: run.info.start_time)


def cosine(epoch):
    """η (1 + cos πt) / 2, t being the part of the epochs that is over."""
    return 0.02 * (1 + math.cos(math.pi * epoch / 3)) / 2


def approximately(history, column):
    """A column of the history by epoch, as TensorBoard's 32 bits hold it."""
    return pytest.approx(dict(zip(history["epoch"], history[column], strict=True)), rel=1e-6)


class TestTensorBoard:
    def test_the_epochs_are_those_of_the_history_with_one_tag_for_both_parts(self, result, logs):
        train, validation = scalars(logs / "films" / "train"), scalars(logs / "films" / "validation")
        history = result.run.history
        for name in ("loss", "rmse", "mae"):
            assert train.pop(f"epoch_{name}") == approximately(history, name)
            assert validation.pop(f"epoch_{name}") == approximately(history, f"val_{name}")
        assert train == {"epoch_learning_rate": pytest.approx({n: cosine(n) for n in (1, 2, 3)}, rel=1e-5, abs=1e-9)}
        assert validation == {}

    def test_the_final_figures_and_the_config_stand_beside_them(self, result, logs):
        from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData
        from tensorboard.util.tensor_util import make_ndarray

        assert {tag: figures[0] for tag, figures in scalars(logs / "films").items()} == {
            f"final/{name}": pytest.approx(value, rel=1e-6) for name, value in result.metrics.items()
        }
        read = events(logs / "films")
        text = make_ndarray(read.Tensors("config")[0].tensor_proto).item().decode()
        assert text == f"```yaml\n{result.config.to_yaml()}```"
        tags = ("_hparams_/session_start_info", "_hparams_/session_end_info")
        start, end = (HParamsPluginData.FromString(read.SummaryMetadata(tag).plugin_data.content) for tag in tags)
        start = start.session_start_info
        assert start.group_name == "films"
        assert start.hparams["model.embedding_dim"].number_value == 2
        assert start.hparams["training.schedule.kind"].string_value == "cosine"
        assert end.session_end_info.status == 1  # STATUS_SUCCESS

    def test_a_name_that_is_taken_gets_a_number(self, tmp_path, logs):
        tracking = {"tensorboard": str(logs)}
        for seed, (place, logged) in enumerate((("a/users", "users"), ("b/users", "users-2"))):
            config = {**CLOSED, "seed": seed, "output": str(tmp_path / place), "tracking": tracking}
            figures = run_experiment(config, progress=False).metrics
            assert scalars(logs / logged)["final/rmse"] == {0: pytest.approx(figures["rmse"], rel=1e-6)}


class TestMlflow:
    def test_the_epochs_are_those_of_the_history(self, result, store):
        from mlflow import MlflowClient

        (run,) = runs_of("films", store)
        assert (run.info.run_name, run.info.status) == ("films", "FINISHED")
        history = result.run.history
        for name in ("loss", "rmse", "mae", "val_loss", "val_rmse", "val_mae"):
            logged = MlflowClient(store).get_metric_history(run.info.run_id, name)
            assert {metric.step: metric.value for metric in logged} == approximately(history, name)
        assert run.data.metrics["learning_rate"] == pytest.approx(0, abs=1e-9)
        final = {name: value for name, value in run.data.metrics.items() if name.startswith("final/")}
        assert final == {f"final/{name}": value for name, value in result.metrics.items()}

    def test_the_parameters_are_the_config_at_dotted_keys(self, result, store):
        (run,) = runs_of("films", store)
        params = run.data.params
        assert (params["model.kind"], params["model.embedding_dim"], params["refit"]) == ("svd", "2", "true")
        assert (params["data.options.n_users"], params["training.loss"]) == ("50", "null")
        assert set(params) == set(flat(result.config.values()))

    def test_tags_say_what_was_trained_on_what(self, result, split, store):
        (run,) = runs_of("films", store)
        tags = {name: value for name, value in run.data.tags.items() if not name.startswith("mlflow.")}
        hashes = {f"sha256 of the {name}": value for name, value in fingerprints(split).items()}
        assert tags == {"recsys_nn": __version__, "model": "svd", "data": "synthetic", **hashes}

    def test_the_run_folder_becomes_artifacts(self, result, store, tmp_path):
        from mlflow import MlflowClient

        (run,) = runs_of("films", store)
        copy = MlflowClient(store).download_artifacts(run.info.run_id, "weights.safetensors", str(tmp_path))
        with open(copy, "rb") as stream:
            assert stream.read() == (result.path / "weights.safetensors").read_bytes()

    def test_long_values_are_cut_to_what_mlflow_takes(self, split, store):
        tracking = {"mlflow": {"experiment": "long", "uri": store}}
        config = load_config({**CLOSED, "data": {"source": "a" * 7000 + ".csv"}, "tracking": tracking})
        run_on_split(config, split)
        (run,) = runs_of("long", store)
        assert run.data.params["data.source"] == "a" * 6000


@pytest.fixture
def run():
    return TrackedRun("a/run", "seed: 0\n", {"model.kind": "svd", "refit": True, "seed": 3}, {"model": "svd"})


@pytest.mark.parametrize(("status", "told"), [("finished", 1), ("killed", 2), ("failed", 2)])
def test_a_run_in_tensorboard(logs, tmp_path, monkeypatch, run, status, told):
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    tracker, folder = TensorBoardTracker("~/new/logs"), tmp_path / "new" / "logs" / "a" / "run"
    tracker.begin(run)
    tracker.epoch(1, {"loss": 2.0, "val_loss": 3.0, "rate": 0.5})
    assert scalars(folder / "train") == {"epoch_loss": {1: 2.0}, "epoch_rate": {1: 0.5}}  # while it goes on
    assert scalars(folder / "validation") == {"epoch_loss": {1: 3.0}}
    tracker.epoch(2, {"loss": 1.0})
    tracker.end(status, {"rmse": 1.5}, None)
    assert scalars(folder) == {"final/rmse": {0: 1.5}}
    assert scalars(folder / "train")["epoch_loss"] == {1: 2.0, 2: 1.0}
    ended = events(folder).SummaryMetadata("_hparams_/session_end_info").plugin_data.content
    assert HParamsPluginData.FromString(ended).session_end_info.status == told
    with pytest.raises(Exception, match="closed|has been"):
        tracker.epoch(3, {"loss": 0.5})


@pytest.mark.parametrize("status", ["finished", "killed", "failed"])
def test_a_run_in_mlflow(store, tmp_path, monkeypatch, run, status):
    from mlflow import MlflowClient

    monkeypatch.setenv("MLFLOW_TRACKING_URI", store)
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    (tmp_path / "config.yaml").write_text("seed: 3")
    tracker = MlflowTracker(MlflowConfig(experiment=f"by hand, {status}"))
    tracker.begin(run)
    tracker.epoch(1, {"loss": 2.0})
    tracker.epoch(2, {"loss": 1.0})
    tracker.end(status, {"rmse": 1.5}, tmp_path)
    (found,) = runs_of(f"by hand, {status}", store)
    assert (found.info.run_name, found.info.status) == ("a/run", status.upper())
    assert found.data.params == {"model.kind": "svd", "refit": "true", "seed": "3"}
    assert found.data.metrics == {"loss": 1.0, "final/rmse": 1.5}
    logged = MlflowClient(store).get_metric_history(found.info.run_id, "loss")
    assert [(metric.step, metric.value) for metric in logged] == [(1, 2.0), (2, 1.0)]
    assert all(abs(metric.timestamp / 1000 - time.time()) < 600 for metric in logged)
    (last,) = MlflowClient(store).get_metric_history(found.info.run_id, "final/rmse")
    assert (last.step, last.value) == (0, 1.5)
    assert [file.path for file in MlflowClient(store).list_artifacts(found.info.run_id)] == ["config.yaml"]


def test_an_experiment_is_made_once_whichever_process_is_faster(store):
    from mlflow import MlflowException

    def exists(name):
        raise MlflowException(f"{name} is there already")

    tracker = MlflowTracker(MlflowConfig(experiment="films", uri=store))
    assert tracker._experiment == MlflowTracker(MlflowConfig(experiment="films", uri=store))._experiment
    theirs = SimpleNamespace(experiment_id="7")
    for found in ({"theirs": [theirs]}, {"theirs": [theirs, None]}):
        tracker._client = SimpleNamespace(
            get_experiment_by_name=lambda name, found=found: found[name].pop(), create_experiment=exists
        )
        assert tracker._id_of("theirs") == "7"
    tracker._client = SimpleNamespace(get_experiment_by_name=lambda _: None, create_experiment=exists)
    with pytest.raises(MlflowException, match="theirs is there already"):
        tracker._id_of("theirs")


@pytest.mark.parametrize(
    ("config", "name", "data"),
    [
        ({"data": DATA, "output": "~/runs/films", "tracking": {"name": "mine"}}, "mine", "synthetic"),
        ({"data": DATA, "output": "~/runs/films", "tracking": {}}, "films", "synthetic"),
        ({"model": {"kind": "gmf"}, "tracking": {}}, "gmf", "in memory"),
        ({"data": {"split": {"kind": "files", "train": "a.csv", "test": "b.csv"}}, "tracking": {}}, "svd", "a.csv"),
    ],
)
def test_what_a_run_is_called(config, name, data, split):
    tracking = {"tensorboard": "logs", **config["tracking"]}
    config = load_config({"model": {"kind": "svd"}, **config, "tracking": tracking})
    found = _described(config, config.tracking, split)
    assert (found.name, found.config, found.parameters) == (name, config.to_yaml(), flat(config.values()))
    assert (found.tags["data"], found.tags["model"]) == (data, config.model.kind)


class Listener:
    """A tracker that keeps what it is told."""

    def __init__(self):
        self.told = []

    def begin(self, run):
        self.told.append(run)

    def epoch(self, number, figures):
        self.told.append((number, figures))

    def end(self, status, figures, folder):
        self.told.append((status, figures, folder))


@pytest.mark.parametrize(
    ("reason", "status"), [("epochs", "finished"), ("patience", "finished"), ("interrupted", "killed")]
)
@pytest.mark.parametrize("n_told", [0, 1, 2])
def test_epochs_that_nobody_has_told_of_are_told_at_the_end(reason, status, n_told, tmp_path):
    tracking, listener = Tracking(), Listener()
    assert tracking.tell is None
    tracking.begin(listener, "the run")
    losses = [(1, {"loss": 3.0}), (2, {"loss": 2.0})]
    for number, figures in losses[:n_told]:
        tracking.tell(number, figures)
    history = pd.DataFrame({"epoch": [1, 2], "loss": [3.0, 2.0], "seconds": [0.1, 0.1]})
    tracking.conclude(SimpleNamespace(history=history, stop_reason=reason), {"rmse": 1.0}, tmp_path)
    tracking.end()
    assert listener.told == ["the run", *losses, (status, {"rmse": 1.0}, tmp_path)]


class CtrlC(keras.callbacks.Callback):
    """At the end of the second epoch."""

    def on_epoch_end(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt


class TestHowARunEnds:
    def test_what_ctrl_c_cuts_short_is_killed_with_its_figures(self, split, store):
        tracking = {"mlflow": {"experiment": "cut", "uri": store}}
        config = load_config({**SVD, "tracking": tracking})
        cut = run_on_split(config, split, callbacks=[CtrlC()])
        (run,) = runs_of("cut", store)
        assert (run.info.run_name, run.info.status) == ("svd", "KILLED")
        assert run.data.metrics["final/rmse"] == cut.metrics["rmse"]

    @pytest.mark.parametrize(
        ("error", "status"), [(KeyboardInterrupt, "KILLED"), (TrainingError, "FAILED"), (ValueError, "FAILED")]
    )
    def test_what_ends_without_figures_says_how(self, split, store, error, status, monkeypatch):
        def ends(*_, **__):
            raise error("before the end of epoch 1")

        monkeypatch.setattr("recsys_nn.experiment.run.train_on_split", ends)
        experiment = f"without figures, by {error.__name__}"
        config = load_config({**SVD, "tracking": {"mlflow": {"experiment": experiment, "uri": store}}})
        with pytest.raises(error, match="before the end of epoch 1"):
            run_on_split(config, split)
        (run,) = runs_of(experiment, store)
        assert run.info.status == status
        assert not [name for name in run.data.metrics if name.startswith("final/")]

    def test_no_training_is_lost_by_a_tracker(self, split, logs, store, monkeypatch):
        def unreachable(*_):
            raise OSError("the server is gone")

        monkeypatch.setattr(MlflowTracker, "epoch", unreachable)
        tracking = {"tensorboard": str(logs), "mlflow": {"experiment": "lost", "uri": store}, "name": "lost"}
        config = load_config({**CLOSED, "tracking": tracking})
        with pytest.warns(UserWarning, match="MlflowTracker stopped logging this run: the server is gone"):
            run_on_split(config, split)
        assert "final/rmse" in scalars(logs / "lost")


class TestBeforeTheTraining:
    @pytest.fixture(autouse=True)
    def _untrained(self, monkeypatch):
        monkeypatch.setattr("recsys_nn.experiment.run.train_on_split", lambda *_, **__: pytest.fail("it was trained"))

    @pytest.mark.parametrize(
        ("extra", "module", "value"), [("tensorboard", "tensorboard", "logs"), ("mlflow", "mlflow", "films")]
    )
    def test_a_missing_extra_is_named(self, extra, module, value, monkeypatch):
        monkeypatch.setitem(sys.modules, module, None)
        message = (
            f"^tracking.{extra} needs {module}, which is not installed: "
            f"pip install 'recsys-nn\\[{extra}\\]', or leave the key out$"
        )
        with pytest.raises(ConfigError, match=message):
            run_experiment({**CLOSED, "tracking": {extra: value}}, progress=False)

    def test_a_server_that_cannot_be_reached_is_told(self, store, monkeypatch):
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            uri = f"http://127.0.0.1:{unused.getsockname()[1]}"
            with pytest.raises(ConfigError, match=f"tracking.mlflow: the store {uri} cannot be used: .*refused"):
                run_experiment({**CLOSED, "tracking": {"mlflow": {"experiment": "films", "uri": uri}}}, progress=False)

    def test_a_server_is_tried_once_more_for_a_while_unless_the_environment_says_else(self, store, monkeypatch):
        retries, timeout = "MLFLOW_HTTP_REQUEST_MAX_RETRIES", "MLFLOW_HTTP_REQUEST_TIMEOUT"
        monkeypatch.delenv(retries, raising=False)
        monkeypatch.setenv(timeout, "3")
        found = []
        monkeypatch.setattr(
            MlflowTracker, "_id_of", lambda *_: found.append((os.environ[retries], os.environ[timeout]))
        )
        MlflowTracker(MlflowConfig(experiment="films", uri=store))
        assert found == [("1", "3")]
        assert (os.environ.get(retries), os.environ[timeout]) == (None, "3")

    def test_a_folder_that_cannot_be_made_is_told(self, logs, tmp_path):
        (tmp_path / "file").touch()
        with pytest.raises(ConfigError, match="tracking.tensorboard: .*file/logs cannot be created: Not a directory"):
            run_experiment({**CLOSED, "tracking": {"tensorboard": str(tmp_path / "file" / "logs")}}, progress=False)

    def test_a_search_without_its_tracker_has_no_trials(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "mlflow", None)
        search = {"method": "grid", "space": {"model.user_shrinkage": [1, 5]}}
        with pytest.raises(ConfigError, match="tracking.mlflow needs mlflow, which is not installed"):
            tune({**CLOSED, "search": search, "tracking": {"mlflow": "films"}}, progress=False)


class TestManyRuns:
    @pytest.mark.slow
    def test_each_run_of_a_search_is_named_after_its_place(self, logs, store, tmp_path):
        search = {"method": "grid", "space": {"model.user_shrinkage": [1, 5]}}
        tracking = {"tensorboard": str(logs), "mlflow": {"experiment": "search", "uri": store}}
        found = tune({**CLOSED, "search": search, "tracking": tracking}, output=tmp_path / "best", progress=False)
        parts = ["trials/0000", "trials/0001", "winner"]
        runs = runs_of("search", store)
        assert [run.info.run_name for run in runs] == [f"best/{part}" for part in parts]
        assert [run.info.status for run in runs] == ["FINISHED"] * 3
        assert ["final/rmse" in run.data.metrics for run in runs] == [False, False, True]
        for part, run in zip(parts, runs, strict=True):
            assert scalars(logs / "best" / part)["final/validation_rmse"] == {
                0: pytest.approx(run.data.metrics["final/validation_rmse"], rel=1e-6)
            }
        assert found.best.tracking == load_config({**CLOSED, "tracking": tracking}).tracking

    def test_of_a_cross_validation_the_refit_is_a_run(self, store):
        tracking = {"mlflow": {"experiment": "folds", "uri": store}, "name": "all rows"}
        folds = cross_validate({**CLOSED, "tracking": tracking}, folds=2, progress=False)
        refitted = refit(folds, progress=False)
        (run,) = runs_of("folds", store)
        assert run.info.run_name == "all rows"
        assert run.data.metrics["final/rmse"] == refitted.metrics["rmse"]
        assert run.data.metrics["val_rmse"] == folds.findings.run.history["val_rmse"].iloc[-1]


def test_values_are_flat_at_dotted_keys():
    values = {"a": {"b": {"c": 1, "d": None}, "e": [8, 4]}, "f": True, "g": "x", "h": {}}
    assert flat(values) == {"a.b.c": 1, "a.b.d": "null", "a.e": "[8, 4]", "f": True, "g": "x"}
