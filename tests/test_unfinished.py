"""Runs that were interrupted, and what they leave beside their place."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from filelock import FileLock

from recsys_nn import ArtifactError, ConfigError, DataError, Predictor, TrainingError, run_experiment
from recsys_nn.finished_run import FinishedRun
from recsys_nn.training.checkpoints import Checkpoints

RUN = {
    "seed": 7,
    "data": {"source": "synthetic", "options": {"n_users": 30, "n_items": 20, "n_ratings": 300}},
    "model": {"kind": "svd", "embedding_dim": 2},
    "training": {"epochs": 4, "batch_size": 100},
}
STAGES = {"refit": True, "ensemble": {"samples": 2, "burn_in": 3, "thin": 2, "temperature": 0.5}}


class Killed(BaseException):
    pass


def run(place: Path | None, *changes, **options):
    config = {name: value for part in (RUN, *changes) for name, value in part.items()}
    return run_experiment(config | {"output": place and str(place)}, progress=False, **options)


def killed(place: Path, stage: str, epoch: int, *changes, error: type[BaseException] = Killed, **options) -> None:
    """Carried out until this epoch of a stage is to be saved."""
    save = Checkpoints.save

    def saved(checkpoints, done, state):
        if (checkpoints.folder.name, done) == (stage, epoch):
            raise error
        save(checkpoints, done, state)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(error):
        patch.setattr(Checkpoints, "save", saved)
        run(place, *changes, **options)


def weights(place: Path) -> list[np.ndarray]:
    return Predictor.load(place).model.get_weights()


def assert_the_same(one, other) -> None:
    for first, second in zip(one, other, strict=True):
        np.testing.assert_array_equal(first, second)


def left_in(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """In one piece, with all stages."""
    place = tmp_path_factory.mktemp("whole") / "run"
    run(place, STAGES)
    return place


@pytest.fixture
def begun(tmp_path):
    """The place of a run of one stage that was killed in its third epoch."""
    killed(tmp_path / "run", "training", 3)
    return tmp_path / "run"


@pytest.mark.slow
@pytest.mark.parametrize(("stage", "epoch"), [("training", 3), ("posterior", 2), ("refit", 2), ("refit-posterior", 6)])
def test_killed_in_any_stage_a_run_goes_on_to_the_same_weights_and_figures(tmp_path, whole, stage, epoch):
    place = tmp_path / "run"
    killed(place, stage, epoch, STAGES)
    assert left_in(tmp_path) == {"run.unfinished"}
    result = run(place, STAGES, resume=True)
    assert left_in(tmp_path) == {"run"}
    assert_the_same(weights(place), weights(whole))
    expected = FinishedRun.load(whole).metrics
    assert result.metrics == {**expected, "seconds": result.metrics["seconds"]}


def test_without_being_told_an_unfinished_run_is_neither_lost_nor_gone_on_with(begun):
    with pytest.raises(ArtifactError, match=r"run\.unfinished holds an unfinished training: go on with it \(--resume"):
        run(begun)
    result = run(begun, overwrite=True)
    assert list(result.run.history["epoch"]) == [1, 2, 3, 4]
    assert left_in(begun.parent) == {"run"}


def test_what_is_not_begun_is_begun_by_resuming(tmp_path):
    run(tmp_path / "run", resume=True)
    assert left_in(tmp_path) == {"run"}


@pytest.mark.slow
def test_a_finished_run_is_not_repeated(tmp_path):
    first = run(tmp_path / "run", STAGES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("recsys_nn.experiment.build_model", lambda *_, **__: pytest.fail("a model was built"))
        again = run(tmp_path / "run", STAGES, resume=True)
    assert again.metrics == first.metrics
    assert again.evaluation.rmse == first.evaluation.rmse
    assert (again.path, again.run.record) == (first.path, first.run.record)
    assert len(again.split.validation) == len(first.split.validation) == 0
    assert left_in(tmp_path) == {"run"}


def test_a_finished_run_of_another_config_is_no_reason_to_replace_it(tmp_path):
    run(tmp_path / "run")
    with pytest.raises(ArtifactError, match="already holds a run"):
        run(tmp_path / "run", {"seed": 8}, resume=True)


def test_an_unfinished_run_of_another_config_is_refused_saying_what_has_changed(begun):
    other = {"training": {**RUN["training"], "learning_rate": 0.5}}
    with pytest.raises(ArtifactError, match=r"of another run: training\.learning_rate was 0\.003, is 0\.5; go back"):
        run(begun, other, resume=True)
    run(begun, other, resume=True, overwrite=True)
    assert left_in(begun.parent) == {"run"}


def test_an_unfinished_run_of_other_ratings_is_refused(tmp_path):
    table = tmp_path / "ratings.csv"
    rows = [f"u{n % 7},i{n % 11},{1 + n % 5}" for n in range(60)]
    table.write_text("\n".join(["user,item,rating", *rows]))
    data = {"data": {"source": str(table)}}
    killed(tmp_path / "run", "training", 2, data)
    table.write_text("\n".join(["user,item,rating", *rows, "u1,i9,5"]))
    with pytest.raises(ArtifactError, match="of another run: the training part has changed"):
        run(tmp_path / "run", data, resume=True)
    table.unlink()
    with pytest.raises(DataError, match="No such file"):
        run(tmp_path / "run", data, resume=True)
    assert "run.unfinished" in left_in(tmp_path)


def test_a_run_may_be_logged_elsewhere_when_it_goes_on(begun):
    moved = begun.with_name("moved")
    begun.with_name("run.unfinished").rename(begun.with_name("moved.unfinished"))
    result = run(moved, resume=True)
    assert len(result.run.history) == 4


def test_other_versions_are_warned_of(begun, monkeypatch):
    monkeypatch.setattr("recsys_nn.unfinished.versions", lambda: {"keras": "9"})
    with pytest.warns(UserWarning, match=r"begun with other versions \(keras \S+ -> 9\)"):
        run(begun, resume=True)


@pytest.mark.slow
def test_interrupted_it_keeps_its_best_epoch_and_can_go_on(tmp_path, whole):
    place = tmp_path / "run"
    save = Checkpoints.save

    def interrupted(checkpoints, done, state):
        save(checkpoints, done, state)
        if done == 2:
            raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "save", interrupted)
        result = run(place, STAGES)
    assert (result.run.stop_reason, len(result.run.history)) == ("interrupted", 2)
    assert left_in(tmp_path) == {"run", "run.unfinished"}
    run(place, STAGES, resume=True)
    assert left_in(tmp_path) == {"run"}
    assert_the_same(weights(place), weights(whole))


def test_a_full_disk_is_told_of_and_what_was_saved_stays(tmp_path):
    place = tmp_path / "run"

    def full(*_):
        raise OSError(28, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        save = Checkpoints.save

        def saved(checkpoints, done, state):
            if done == 3:
                patch.setattr("recsys_nn.training.checkpoints._packed", full)
            save(checkpoints, done, state)

        patch.setattr(Checkpoints, "save", saved)
        with pytest.raises(ArtifactError, match=r"epoch-000003\.safetensors cannot be written: No space left"):
            run(place)
    assert Checkpoints(tmp_path / "run.unfinished" / "training").epochs == [1, 2]
    run(place, resume=True)


def test_a_training_that_diverges_leaves_nothing(tmp_path):
    with pytest.raises(TrainingError, match="epoch"):
        run(tmp_path / "run", {"training": {**RUN["training"], "optimizer": "sgd", "learning_rate": 1e30}})
    assert left_in(tmp_path) == set()


def test_one_that_fails_before_its_first_epoch_leaves_nothing(tmp_path):
    killed(tmp_path / "run", "training", 1)
    assert left_in(tmp_path) == set()


def test_two_cannot_train_into_one_place(tmp_path):
    (tmp_path / "run.unfinished").mkdir()
    with FileLock(tmp_path / "run.unfinished" / "lock"), pytest.raises(ArtifactError, match="another process is train"):
        run(tmp_path / "run")


def test_the_lock_of_a_process_that_is_gone_is_none(tmp_path):
    folder = tmp_path / "run.unfinished"
    folder.mkdir()
    script = f"import os; from filelock import FileLock; FileLock({str(folder / 'lock')!r}).acquire(); os._exit(9)"
    subprocess.run([sys.executable, "-c", script], check=False)
    assert (folder / "lock").exists()
    run(tmp_path / "run")
    assert left_in(tmp_path) == {"run"}


def test_damaged_notes_on_the_run_are_told_of(begun):
    (begun.with_name("run.unfinished") / "run.json").write_text("{")
    with pytest.raises(ArtifactError, match=r"run\.json is damaged \(.*\): begin anew"):
        run(begun, resume=True)


def test_without_an_output_there_is_nothing_to_go_on_with():
    with pytest.raises(ConfigError, match="output: a training goes on from what it has saved beside its run folder"):
        run(None, resume=True)
