"""Runs that two workers on Ray carry out, against those of one process."""

from contextlib import contextmanager

import pandas as pd
import pytest
import yaml

from recsys_nn import Predictor, RecsysError, TrainingError, evaluate, load_ratings, run_experiment
from recsys_nn.cluster.messages import told_here
from tests.cluster.kill_workers import RUN, Killer, weights

pytestmark = pytest.mark.usefixtures("ray_session")


@pytest.fixture(scope="module")
def whole(tmp_path_factory, ray_session):
    """A run by two workers that nobody disturbs, begun from the command line in its folder."""
    from typer.testing import CliRunner

    from recsys_nn.cli import app

    folder = tmp_path_factory.mktemp("whole")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        (folder / "run.yaml").write_text(yaml.safe_dump(RUN))
        found = CliRunner().invoke(app, ["train", "run.yaml", "--output", "runs/whole"])
    assert found.exit_code == 0, found.output
    return folder / "runs" / "whole"


def test_the_run_folder_is_that_of_one_process(whole, tmp_path):
    alone = run_experiment({**RUN, "cluster": None, "output": str(tmp_path / "alone")}, progress=False)
    assert sorted(file.name for file in whole.iterdir()) == sorted(file.name for file in alone.path.iterdir())
    assert {entry.name for entry in whole.parent.iterdir()} == {"whole", "whole-report.html"}


def test_losses_are_those_of_one_process_where_nothing_is_drawn_but_an_ensemble_from_where_the_workers_end(tmp_path):
    ensemble = {"samples": 3, "temperature": 0.5}
    config = {**RUN, "model": {"kind": "svd", "embedding_dim": 4}, "refit": True, "ensemble": ensemble}
    shared = run_experiment({**config, "output": str(tmp_path / "shared")}, progress=False)
    alone = run_experiment({**config, "cluster": None}, progress=False)
    assert shared.run.engine == "compiled, 2 workers"
    columns = ["loss", "val_loss", "rmse", "val_rmse"]
    pd.testing.assert_frame_equal(shared.run.history[columns], alone.run.history[columns], rtol=1e-6)
    assert shared.run.best_epoch == alone.run.best_epoch
    assert refitted_rmse(shared) == pytest.approx(refitted_rmse(alone), rel=1e-6)
    assert shared.metrics["rmse"] == pytest.approx(alone.metrics["rmse"], rel=1e-4)


def refitted_rmse(result):
    """Of the network itself, not of the ensemble around it."""
    return evaluate(Predictor(result.run.model, result.predictor.encoder), result.split.test).metrics["rmse"]


def test_each_worker_reads_its_part_of_a_stream_of_unequal_files(tmp_path):
    ratings = load_ratings("synthetic", n_users=60, n_items=40, n_ratings=1501).frame
    (tmp_path / "train").mkdir()
    for name, first, last in (("small", 0, 100), ("large", 100, 1301)):
        ratings[first:last].to_parquet(tmp_path / "train" / f"{name}.parquet")
    ratings[1301:].to_parquet(tmp_path / "held-out.parquet")
    split = {"kind": "files", "train": str(tmp_path / "train"), "validation": str(tmp_path / "held-out.parquet")}
    config = {**RUN, "data": {"stream": True, "scale": [1, 5], "split": split}, "model": {"kind": "svd"}}
    shared = run_experiment({**config, "output": str(tmp_path / "shared")}, progress=False)
    alone = run_experiment({**config, "cluster": None}, progress=False)
    assert (shared.run.engine, shared.run.n_train) == ("compiled, 2 workers", 1301)
    first, last = shared.run.history["val_rmse"].iloc[[0, -1]]
    assert last < first
    assert last == pytest.approx(alone.run.history["val_rmse"].iloc[-1], abs=0.01)  # other batches


def test_a_run_goes_on_from_its_last_epoch_whatever_has_ended_it(whole, tmp_path):
    """Ctrl-C, then the loss of a worker where none may be lost, then that of the other one, after which it goes on by
    itself."""
    config = {**RUN, "output": str(tmp_path / "run")}
    with disturbed(tmp_path / "run", after=1, rank=None), pytest.raises(KeyboardInterrupt):
        run_experiment(config, progress=False)
    assert (tmp_path / "run.unfinished").is_dir()
    with (
        disturbed(tmp_path / "run", after=3, rank=1),
        pytest.raises(RecsysError, match="cluster.max_failures: more than 0 times workers were lost.*--resume"),
    ):
        run_experiment({**config, "cluster": {"workers": 2, "max_failures": 0}}, resume=True, progress=False)
    with disturbed(tmp_path / "run", after=5, rank=0):
        run_experiment(config, resume=True, progress=False)
    assert weights(tmp_path / "run") == weights(whole)


@contextmanager
def disturbed(place, *, after, rank):
    killer = Killer(place, after=after, delay=0, rank=rank)
    killer.start()
    yield
    killer.join()
    assert killer.saved >= after


def test_what_a_worker_finds_wrong_is_raised_here_and_not_tried_anew(tmp_path):
    training = {**RUN["training"], "optimizer": "sgd", "learning_rate": 1e30}
    with pytest.raises(TrainingError, match="epoch 1: .* at learning rate 1e.30") as caught:
        run_experiment({**RUN, "training": training, "output": str(tmp_path / "run")}, progress=False)
    assert list(tmp_path.iterdir()) == []
    assert caught.value.run.stop_reason == "diverged"


def test_epochs_are_told_in_this_process_once_each():
    import ray

    heard = []
    with told_here(lambda number, figures: heard.append((number, figures))) as told:
        ray.get(ray.remote(lambda: [told(number, {"loss": 1 / number}) for number in (1, 2, 2, 4)]).remote())
    assert heard == [(1, {"loss": 1.0}), (2, {"loss": 0.5}), (4, {"loss": 0.25})]
