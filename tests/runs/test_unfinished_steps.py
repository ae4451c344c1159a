"""What lies beside an unfinished run, without any training."""

import hashlib
import json
import signal
import threading

import pytest

from recsys_nn import ArtifactError, ConfigError, Split, TrainingError, load_config
from recsys_nn.data.fingerprints import fingerprints
from recsys_nn.prediction.saving.manifest import versions
from recsys_nn.runs.unfinished import Unfinished, digest, identity, undisturbed, unfinished_run
from recsys_nn.training.checkpoints import Checkpoints
from tests.models.contract import twenty_ratings

RUN = {"model.kind": "svd", "training part": "abc"}
OTHER = {"model.kind": "gmf", "training part": "abd", "seed": 3}


@pytest.fixture
def folder(tmp_path):
    """That of a run that has begun: two of its stages have taken 5 and 2.5 seconds."""
    place = tmp_path / "run.unfinished"
    place.mkdir()
    begun = Unfinished(place)
    begun.take_up(RUN, anew=False)
    for stage, epoch, seconds in (("training", 1, 1.0), ("training", 2, 5.0), ("refit", 1, 2.5)):
        Checkpoints(begun.checkpoints(stage)).save(epoch, {"seconds": seconds})
    return place


def test_a_run_is_its_config_and_its_data_but_for_where_it_is_carried_out():
    split = Split(twenty_ratings())
    config = load_config({"model": {"kind": "mlp", "widths": [8, 4]}, "seed": 3})
    found = identity(config, split)
    assert found.items() >= fingerprints(split).items()
    assert (found["model.kind"], found["model.widths"], found["seed"]) == ("mlp", [8, 4], 3)
    assert not [name for name in found if name.startswith(("output", "tracking", "cluster"))]
    placed = {"output": "runs/mlp", "tracking": {"tensorboard": "logs"}, "cluster": {"workers": 2}}
    assert identity(load_config({**config.values(), **placed}), split) == found
    assert digest({"b": 1, "a": 2}) == hashlib.sha256(b'{"a": 2, "b": 1}').hexdigest()


def test_what_is_begun_is_written_down(tmp_path):
    place = tmp_path / "run.unfinished"
    place.mkdir()
    for name in ("lock", "notes"):
        (place / name).touch()
    (place / "training").mkdir()
    begun = Unfinished(place)
    assert not begun.is_begun
    begun.take_up(RUN, anew=False)
    assert (begun.run, begun.seconds, begun.is_begun, begun.is_to_stay) == (digest(RUN), 0, False, False)
    assert sorted(entry.name for entry in place.iterdir()) == ["lock", "run.json"]
    assert json.loads((place / "run.json").read_text()) == {"run": RUN, "versions": versions()}
    assert begun.checkpoints("refit") == place / "refit"


def test_without_a_folder_nothing_is_kept():
    nowhere = Unfinished()
    nowhere.take_up(RUN, anew=True)
    assert (nowhere.run, nowhere.is_begun, nowhere.checkpoints("training")) == (digest(RUN), False, None)


def test_what_was_begun_is_gone_on_with(folder, recwarn):
    again = Unfinished(folder)
    assert again.is_begun
    again.take_up(RUN, anew=False)
    assert (again.seconds, again.run) == (7.5, digest(RUN))
    assert Checkpoints(folder / "training").epochs == [1, 2]
    assert len(recwarn) == 0


def test_that_of_another_run_is_refused_or_removed(folder):
    with pytest.raises(ArtifactError) as refused:
        Unfinished(folder).take_up(OTHER, anew=False)
    assert str(refused.value) == (
        f"{folder} holds the unfinished training of another run: model.kind was svd and is gmf, the training part "
        "has changed, seed was None and is 3; restore it, or start over (--overwrite, in Python overwrite=True)"
    )
    other = Unfinished(folder)
    other.take_up(OTHER, anew=True)
    assert (other.seconds, other.is_begun) == (0, False)
    assert [entry.name for entry in folder.iterdir()] == ["run.json"]


def test_other_versions_are_told(folder):
    now = versions()
    before = {**now, "keras": "1.0"}
    del before["numpy"]
    (folder / "run.json").write_text(json.dumps({"run": RUN, "versions": before}))
    with pytest.warns(UserWarning, match="versions") as told:
        Unfinished(folder).take_up(RUN, anew=False)
    assert str(told.pop(UserWarning).message) == (
        f"the unfinished training started with other versions (keras 1.0 -> {now['keras']}, numpy None -> "
        f"{now['numpy']}): its results may differ in their last digits from those of an uninterrupted training"
    )


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"run": 3, "versions": {}}', '{"run": {}}', None])
def test_a_record_that_is_damaged_is_told(folder, content):
    file = folder / "run.json"
    file.unlink() if content is None else file.write_text(content)
    with pytest.raises(ArtifactError) as refused:
        Unfinished(folder).take_up(RUN, anew=False)
    assert str(refused.value).startswith(f"{file} is damaged (")
    assert str(refused.value).endswith("): start over (--overwrite, in Python overwrite=True)")


def carried_out(place, error=None, *, begins=True, stays=False, resume=False, overwrite=False):
    """What is left beside a run that is carried out in the place, and ends with an error."""
    try:
        with unfinished_run(str(place), resume=resume, overwrite=overwrite) as unfinished:
            unfinished.take_up(RUN, anew=overwrite)
            unfinished.is_to_stay = stays
            if begins:
                Checkpoints(unfinished.checkpoints("training")).save(1, {"seconds": 1.0})
            if error is not None:
                raise error
    except (TrainingError, ZeroDivisionError, KeyboardInterrupt):
        pass
    return sorted(entry.name for entry in place.parent.iterdir())


@pytest.mark.parametrize(
    ("how", "left"),
    [
        ({}, []),
        ({"stays": True}, ["run.unfinished"]),
        ({"error": ZeroDivisionError()}, ["run.unfinished"]),
        ({"error": KeyboardInterrupt()}, ["run.unfinished"]),
        ({"error": ZeroDivisionError(), "begins": False}, []),
        ({"error": TrainingError("nan")}, []),
    ],
)
def test_what_is_left_of_a_run(tmp_path, how, left):
    assert carried_out(tmp_path / "run", **how) == left


def test_what_is_left_is_gone_on_with_where_that_is_asked_for(folder):
    place = folder.with_name("run")
    with pytest.raises(ArtifactError) as refused:
        carried_out(place)
    assert str(refused.value) == (
        f"{folder} holds an unfinished training: resume it (--resume, in Python resume=True), or start over "
        "(--overwrite, in Python overwrite=True)"
    )
    carried_out(place, ZeroDivisionError(), resume=True)
    assert (folder / "refit").is_dir()
    carried_out(place, ZeroDivisionError(), overwrite=True)
    assert sorted(entry.name for entry in folder.iterdir()) == ["lock", "run.json", "training"]


def test_a_place_has_one_process_at_a_time(tmp_path):
    place = tmp_path / "deep" / "run"
    with unfinished_run(str(place), resume=False, overwrite=False) as unfinished:
        assert unfinished.folder == tmp_path / "deep" / "run.unfinished"
        with pytest.raises(ArtifactError) as refused:
            carried_out(place)
    assert str(refused.value) == f"{place} is in use by another training: wait for it, or choose another output"
    (tmp_path / "file").touch()
    with pytest.raises(ArtifactError, match="cannot be written"):
        carried_out(tmp_path / "file" / "run")


def test_a_run_stands_in_its_place_or_not(tmp_path):
    place = tmp_path / "run"
    place.mkdir()
    (place / "manifest.json").write_text("{}")
    with pytest.raises(ArtifactError, match="already holds a run"):
        carried_out(place)
    assert carried_out(place, resume=True) == ["run"]
    with unfinished_run(None, resume=False, overwrite=False) as nowhere:
        assert nowhere.folder is None
    with pytest.raises(
        ConfigError, match="^output is missing: name the run folder beside which the unfinished training was saved$"
    ):
        carried_out_nowhere()


def carried_out_nowhere():
    with unfinished_run(None, resume=True, overwrite=False):
        pass


def test_ctrl_c_waits_in_the_main_thread_alone():
    before, seen = signal.getsignal(signal.SIGINT), []

    def look():
        with undisturbed():
            seen.append(signal.getsignal(signal.SIGINT))

    look()
    with pytest.raises(ZeroDivisionError), undisturbed():
        raise ZeroDivisionError
    thread = threading.Thread(target=look)
    thread.start()
    thread.join()
    assert seen == [signal.SIG_IGN, before]
    assert signal.getsignal(signal.SIGINT) is before
