"""Training by the workers of a cluster, with Ray's part played by this process (``one_process.py``)."""

import json
import signal
from pathlib import Path

import keras
import numpy as np
import pandas as pd
import pytest

from recsys_nn import ConfigError, Encoder, RecsysError, SVDConfig, TrainConfig, Trainer, TrainingError, build_model
from recsys_nn.cluster import training
from recsys_nn.cluster.ray_session import Setting
from recsys_nn.cluster.training import fit_on_workers
from recsys_nn.config.cluster import ClusterConfig
from tests.cluster.one_process import Lost, Ref
from tests.models.contract import twenty_ratings

pytestmark = pytest.mark.usefixtures("untraced")

ENCODER = Encoder.fit(twenty_ratings())
TENSORS = ENCODER.encode(twenty_ratings())
TRAIN, VALIDATION = TENSORS.take(np.arange(16)), TENSORS.take(np.arange(16, 20))
SETTINGS = {"epochs": 2, "batch_size": 8, "validation": 0, "patience": None, "engine": "keras", "optimizer": "sgd"}
CONFIG = TrainConfig(**SETTINGS)


class Begins(keras.callbacks.Callback):
    """Notes each training that begins, and does something then."""

    def __init__(self, *deeds):
        super().__init__()
        self.deeds, self.began = list(deeds), 0

    def on_train_begin(self, logs=None):
        self.began += 1
        if self.deeds:
            raise self.deeds.pop(0)

    def __deepcopy__(self, memo):
        return self


def fitted(config=CONFIG, cluster=None, **settings):
    """The run of one worker."""
    model = build_model(SVDConfig(embedding_dim=2), ENCODER, seed=4)
    one = ClusterConfig(workers=1, **(cluster or {}))
    run = fit_on_workers(one, model, ENCODER, config, TRAIN, VALIDATION, **settings)
    assert run.model is model
    return run


def test_one_worker_trains_as_this_process_does(here, tmp_path, capsys):
    told, begins = [], Begins()
    states = tmp_path / "run.unfinished" / "states"
    states.parent.mkdir()
    run = fitted(
        cluster={"cpus": 2},
        callbacks=[begins],
        tell=lambda *epoch: told.append(epoch),
        checkpoints=states,
        progress=False,
    )
    assert capsys.readouterr().out == ""
    model = build_model(SVDConfig(embedding_dim=2), ENCODER, seed=4)
    alone = Trainer(CONFIG, progress=False).fit(model, TRAIN, VALIDATION)
    assert run.config == CONFIG
    for one, other in zip(run.model.get_weights(), alone.model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    pd.testing.assert_frame_equal(run.history.drop(columns="seconds"), alone.history.drop(columns="seconds"))
    assert {**run.record, "seconds": 0} == {**alone.record, "seconds": 0}
    assert [number for number, _ in told] == [1, 2]
    assert [figures["val_loss"] for _, figures in told] == alone.history["val_loss"].tolist()
    assert begins.began == 1
    assert list(states.iterdir()) != []
    assert [entry.name for entry in states.parent.iterdir()] == ["states"]
    assert here.asked == {
        "threads": 2,
        "queue": {"force": True},
        "training": {
            "scaling_config": {"num_workers": 1, "use_gpu": False, "resources_per_worker": {"CPU": 2.0}},
            "run_config": {
                "name": "train",
                "storage_path": str(states.parent / ".recsys-nn-ray"),
                "failure_config": {"max_failures": 3},
            },
        },
    }


def test_each_worker_has_a_gpu_where_that_is_asked_for(here):
    here.interrupted = True
    with pytest.raises(KeyboardInterrupt):
        fitted(cluster={"gpu": True})
    asked = here.asked["training"]["scaling_config"]
    assert asked == {"num_workers": 1, "use_gpu": True, "resources_per_worker": {"CPU": 1.0, "GPU": 1}}


def test_after_a_worker_was_lost_all_begin_anew_and_tell_of_each_epoch(here, capsys):
    begins = Begins(Lost(), ZeroDivisionError("a defect"))
    run = fitted(callbacks=[begins], cluster={"max_failures": 2})
    assert begins.began == 3
    assert run.history["epoch"].tolist() == [1, 2]
    assert [line.split("  ")[0] for line in capsys.readouterr().out.splitlines()] == ["epoch 1/2", "epoch 2/2"]


def test_where_they_are_lost_more_often_the_run_can_go_on(here, tmp_path):
    begins = Begins(*[ZeroDivisionError("a defect")] * 5)
    with pytest.raises(RecsysError) as told:
        fitted(callbacks=[begins], cluster={"max_failures": 1}, checkpoints=tmp_path / "states")
    assert str(told.value) == (
        "cluster.max_failures: more than 1 times workers were lost, or failed otherwise; the run can go on (--resume). "
        "At last: the worker has failed: a defect"
    )
    assert begins.began == 2
    assert list(tmp_path.iterdir()) == []


def test_a_loss_that_is_no_number_is_not_tried_anew(here):
    begins = Begins()
    with pytest.raises(TrainingError, match="epoch 1: .* at learning rate 1e.30") as told:
        fitted(TrainConfig(**SETTINGS, learning_rate=1e30), callbacks=[begins])
    assert begins.began == 1
    assert told.value.run.stop_reason == "diverged"
    assert not np.isfinite(told.value.run.model.get_weights()[0]).all()


@pytest.mark.parametrize("max_failures", [0, 3])
@pytest.mark.parametrize("error", [ConfigError("it cannot be"), TrainingError("it cannot begin")])
def test_what_a_worker_finds_wrong_is_not_tried_anew(here, error, max_failures):
    begins = Begins(error)
    with pytest.raises(type(error), match=f"^{error}$"):
        fitted(callbacks=[begins], cluster={"max_failures": max_failures})
    assert begins.began == 1


def test_ctrl_c_ends_it(here, tmp_path):
    here.interrupted, before = True, signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        fitted(checkpoints=tmp_path / "states")
    assert signal.getsignal(signal.SIGINT) is before
    assert list(tmp_path.iterdir()) == []


class Second:
    """One of two workers."""

    rank, n, leads = 1, 2, False


@pytest.fixture
def job(monkeypatch):
    """What the second of two workers is sent; its trainer is this process's, which knows of no others."""
    monkeypatch.setattr("recsys_nn.training.Workers", Second)
    made = []

    def trainer(config, *, workers, **settings):
        made.append(workers)
        return Trainer(config, **settings)

    monkeypatch.setattr(training, "Trainer", trainer)
    variables = [variable.numpy() for variable in build_model(SVDConfig(), ENCODER).variables]
    callbacks = (Begins(),)
    yield training._Job(SVDConfig(), variables, ENCODER, CONFIG, TRAIN, None, callbacks, None, False)
    assert [type(workers) for workers in made] == [Second] * callbacks[0].began


def carried_out(job, place, told=None):
    return training._carried_out(Ref(job), Setting(1, Path.cwd(), ()), 2, place, told)


def test_the_first_alone_brings_back_what_was_found_and_tells_of_epochs(here, job, tmp_path, monkeypatch):
    told = []
    assert carried_out(job, tmp_path, lambda *epoch: told.append(epoch)) is None
    assert told == []
    monkeypatch.setattr(Second, "leads", True)
    found = carried_out(job, tmp_path, lambda *epoch: told.append(epoch))
    assert found.history["epoch"].tolist() == [number for number, _ in told] == [1, 2]
    assert job.callbacks[0].began == 2


def test_what_one_has_found_wrong_all_others_read_and_end(here, job, tmp_path):
    job.callbacks[0].deeds.append(ConfigError("it cannot be"))
    with pytest.raises(ConfigError, match="it cannot be"):
        carried_out(job, tmp_path)
    (file,) = tmp_path.iterdir()
    assert file.name == "wrong-000001.json"
    assert json.loads(file.read_bytes()) == {"kind": "ConfigError", "message": "it cannot be"}
    assert carried_out(job, tmp_path) is None
    assert job.callbacks[0].began == 1
    (tmp_path / "wrong-000000.json").write_text('{"kind": "DataError", "message": "the first of all"}')
    with pytest.raises(RecsysError, match="the first of all"):
        training._raise_what_is_wrong(tmp_path)
