"""Runs that were interrupted, and what they leave beside their place."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from recsys_nn import ArtifactError, ConfigError, DataError, Predictor, TrainingError, run_experiment
from recsys_nn.runs.finished import FinishedRun
from recsys_nn.runs.result import ExperimentResult
from recsys_nn.training.checkpoints import Checkpoints

RUN = {
    "seed": 7,
    "data": {"source": "synthetic", "options": {"n_users": 30, "n_items": 20, "n_ratings": 300}},
    "model": {"kind": "svd", "embedding_dim": 2},
    "training": {"epochs": 4, "batch_size": 100, "optimizer": {"name": "sgd", "momentum": 0.9}, "metrics": ()},
}
KILLS = [("training", 3), ("posterior", 2), ("refit", 2), ("refit-posterior", 6)]
STAGES = {"refit": True, "ensemble": {"samples": 2, "burn_in": 3, "thin": 2, "temperature": 0.5}}


class Killed(BaseException):
    pass


def run(place: Path | None, *changes, **options):
    config = {name: value for part in (RUN, *changes) for name, value in part.items()}
    return run_experiment(config | {"output": place and str(place)}, progress=False, **options)


@contextmanager
def before_saving(do) -> Iterator[None]:
    """Within the block, ``do(stage, epoch)`` comes before the state after an epoch of a stage is saved."""
    save = Checkpoints.save

    def saved(checkpoints, done, state):
        do(checkpoints.folder.name, done)
        save(checkpoints, done, state)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "save", saved)
        yield


def killed(place: Path, epoch: int, *changes) -> None:
    """Carried out until this epoch of the training is to be saved."""

    def kill(_, done):
        if done == epoch:
            raise Killed

    with before_saving(kill), pytest.raises(Killed):
        run(place, *changes)


def weights(place: Path) -> list[np.ndarray]:
    return Predictor.load(place).model.get_weights()


def assert_the_same(one, other) -> None:
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first, second)


def left_in(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


@dataclass
class Whole:
    """A run in one piece, with all stages, and what lay where it lies whenever it could have been killed."""

    place: Path
    result: ExperimentResult
    kept: Path


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Whole:
    place, kept = (tmp_path_factory.mktemp(name) / "run" for name in ("whole", "kept"))

    def keep(stage, epoch):
        if (stage, epoch) in KILLS:
            shutil.copytree(place.parent, kept / f"{stage}-{epoch}")

    with before_saving(keep):
        return Whole(place, run(place, STAGES), kept)


@dataclass
class Refused:
    """A run whose third state found a full disk, and what was said."""

    folder: Path
    error: ArtifactError


@pytest.fixture(scope="module")
def refused(tmp_path_factory) -> Refused:
    folder = tmp_path_factory.mktemp("refused")

    def full(*_):
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:

        def fill(_, epoch):
            if epoch == 3:
                patch.setattr("recsys_nn.training.checkpoints._packed", full)

        with before_saving(fill), pytest.raises(ArtifactError) as raised:
            run(folder / "run")
    return Refused(folder, raised.value)


@pytest.fixture
def begun(refused, tmp_path) -> Path:
    """The place of a copy of that run."""
    shutil.copytree(refused.folder, tmp_path, dirs_exist_ok=True)
    return tmp_path / "run"


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The place of a run that was begun by resuming, where a process that is gone had a lock."""
    folder = tmp_path_factory.mktemp("finished")
    lock = folder / "run.unfinished" / "lock"
    lock.parent.mkdir()
    script = f"import os; from filelock import FileLock; FileLock({str(lock)!r}).acquire(); os._exit(9)"
    subprocess.run([sys.executable, "-c", script], check=False)
    assert lock.exists()
    run(folder / "run", resume=True)
    return folder / "run"


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "epoch"), KILLS)
def test_killed_in_any_stage_a_run_goes_on_to_the_same_weights_and_figures(tmp_path, whole, stage, epoch):
    shutil.copytree(whole.kept / f"{stage}-{epoch}", tmp_path, dirs_exist_ok=True)
    assert left_in(tmp_path) == {"run.unfinished"}
    result = run(tmp_path / "run", STAGES, resume=True)
    assert left_in(tmp_path) == {"run"}
    assert_the_same(weights(tmp_path / "run"), weights(whole.place))
    assert result.metrics == {**whole.result.metrics, "seconds": result.metrics["seconds"]}


def test_without_being_told_an_unfinished_run_is_neither_lost_nor_gone_on_with(begun):
    with pytest.raises(
        ArtifactError,
        match=(
            r"run\.unfinished holds an unfinished training: resume it \(--resume, in Python resume=True\), or start "
            r"over \(--overwrite, in Python overwrite=True\)$"
        ),
    ):
        run(begun)
    result = run(begun, overwrite=True)
    assert list(result.run.history["epoch"]) == [1, 2, 3, 4]
    assert left_in(begun.parent) == {"run"}


def test_what_is_not_begun_is_begun_by_resuming_and_the_lock_of_a_process_that_is_gone_is_none(finished):
    assert left_in(finished.parent) == {"run"}


@pytest.mark.slow
def test_a_finished_run_is_not_repeated(whole):
    first = whole.result
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recsys_nn.experiment.run.build_model", lambda *_, **__: pytest.fail("a model was built"))
        again = run(whole.place, STAGES, resume=True)
    assert again.metrics == first.metrics == FinishedRun.load(whole.place).metrics
    assert again.evaluation.rmse == first.evaluation.rmse
    assert (again.path, again.run.record) == (first.path, first.run.record)
    assert len(again.split.validation) == len(first.split.validation) == 0
    assert left_in(whole.place.parent) == {"run"}


def test_a_finished_run_of_another_config_is_no_reason_to_replace_it(finished, monkeypatch):
    monkeypatch.setattr("recsys_nn.experiment.run.build_model", lambda *_, **__: pytest.fail("a model was built"))
    with pytest.raises(ArtifactError, match="already holds a run"):
        run(finished, {"seed": 8}, resume=True)


def test_an_unfinished_run_of_another_config_is_refused_saying_what_has_changed(begun):
    other = {"training": {**RUN["training"], "learning_rate": 0.5}}
    with pytest.raises(
        ArtifactError,
        match=(
            r"of another run: training\.learning_rate was 0\.003 and is 0\.5; restore it, or start over "
            r"\(--overwrite, in Python overwrite=True\)$"
        ),
    ):
        run(begun, other, resume=True)
    run(begun, other, resume=True, overwrite=True)
    assert left_in(begun.parent) == {"run"}


def test_an_unfinished_run_of_other_ratings_is_refused(tmp_path):
    table = tmp_path / "ratings.csv"
    rows = [f"u{n % 7},i{n % 11},{1 + n % 5}" for n in range(60)]
    table.write_text("\n".join(["user,item,rating", *rows]))
    data = {"data": {"source": str(table)}}
    killed(tmp_path / "run", 2, data)
    table.write_text("\n".join(["user,item,rating", *rows, "u1,i9,5"]))
    with pytest.raises(ArtifactError, match="of another run: the training part has changed"):
        run(tmp_path / "run", data, resume=True)
    table.unlink()
    with pytest.raises(DataError, match="No such file"):
        run(tmp_path / "run", data, resume=True)
    assert "run.unfinished" in left_in(tmp_path)


def test_a_run_may_be_moved_and_other_versions_are_warned_of(begun, monkeypatch):
    moved = begun.with_name("moved")
    begun.with_name("run.unfinished").rename(begun.with_name("moved.unfinished"))
    monkeypatch.setattr("recsys_nn.runs.unfinished.versions", lambda: {"keras": "9"})
    with pytest.warns(UserWarning, match=r"started with other versions \(keras \S+ -> 9\)"):
        result = run(moved, resume=True)
    assert len(result.run.history) == 4
    assert left_in(moved.parent) == {"moved"}


@pytest.mark.slow
def test_interrupted_it_keeps_its_best_epoch_and_can_go_on(tmp_path, whole):
    place = tmp_path / "run"

    def interrupt(_, epoch):
        if epoch == 3:
            raise KeyboardInterrupt

    with before_saving(interrupt):
        result = run(place, STAGES)
    assert (result.run.stop_reason, len(result.run.history)) == ("interrupted", 3)
    assert left_in(tmp_path) == {"run", "run.unfinished"}
    run(place, STAGES, resume=True)
    assert left_in(tmp_path) == {"run"}
    assert_the_same(weights(place), weights(whole.place))


def test_a_full_disk_is_told_of_and_what_was_saved_stays(refused):
    assert "epoch-000003.safetensors cannot be written: No space left" in str(refused.error)
    assert Checkpoints(refused.folder / "run.unfinished" / "training").epochs == [1, 2]


def test_a_training_that_diverges_leaves_nothing(tmp_path):
    with pytest.raises(TrainingError, match="epoch"):
        run(tmp_path / "run", {"training": {**RUN["training"], "optimizer": "sgd", "learning_rate": 1e30}})
    assert left_in(tmp_path) == set()


def test_one_that_fails_before_its_first_epoch_leaves_nothing(tmp_path):
    killed(tmp_path / "run", 1)
    assert left_in(tmp_path) == set()


def test_two_cannot_train_into_one_place(tmp_path):
    (tmp_path / "run.unfinished").mkdir()
    with (
        FileLock(tmp_path / "run.unfinished" / "lock"),
        pytest.raises(ArtifactError, match="run is in use by another train"),
    ):
        run(tmp_path / "run")


def test_damaged_notes_on_the_run_are_told_of(begun):
    (begun.with_name("run.unfinished") / "run.json").write_text("{")
    with pytest.raises(
        ArtifactError, match=r"run\.json is damaged \(.*\): start over \(--overwrite, in Python overwrite=True\)$"
    ):
        run(begun, resume=True)


def test_without_an_output_there_is_nothing_to_go_on_with():
    with pytest.raises(
        ConfigError, match="^output is missing: name the run folder beside which the unfinished training was saved$"
    ):
        run(None, resume=True)
