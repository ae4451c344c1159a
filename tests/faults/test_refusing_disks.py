"""Disks that are full, read-only, or fail at some write."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

import recsys_nn as rn
from recsys_nn.files.tables import write_table
from tests.faults.conftest import ALL
from tests.faults.kill_saving import content


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler to build the library that fails writes")
def test_whichever_write_fails_what_stands_there_stays_whole(carried_out):
    found = carried_out("failing_writes", "--stride", 1 if ALL else 16)
    assert len(found) == 6
    for case, figures in found.items():
        assert figures.pop("writes failed") >= 10, case
        assert figures == {"other errors": [], "not whole": 0, "left after the next start": []}, case


@pytest.fixture(scope="module")
def predictor():
    ratings = rn.load_ratings("synthetic", n_users=300, n_items=200, n_ratings=3000)
    encoder = rn.Encoder.fit(ratings)
    return rn.Predictor(rn.build_model(rn.SVDConfig(embedding_dim=16), encoder), encoder)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    """A file system of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("file systems cannot be mounted here")
    try:
        yield disk
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def filled_up_to(disk: Path, free: int) -> None:
    """Leaves so many bytes."""
    (disk / "filling").unlink(missing_ok=True)
    (disk / "filling").write_bytes(bytes(max(shutil.disk_usage(disk).free - free, 0)))


def test_a_full_disk_leaves_the_old_run_whole_and_no_draft(predictor, small_disk):
    place = small_disk / "run"
    predictor.save(place)
    before = content(place)
    for free in range(0, 80_000, 4096):
        filled_up_to(small_disk, free)
        try:
            predictor.save(place, overwrite=True)
        except rn.ArtifactError as error:
            assert "No space left on device" in str(error)  # noqa: PT017 (some of the sizes suffice)
        assert content(place) == before
        assert {entry.name for entry in small_disk.iterdir()} == {"run", "filling"}
    filled_up_to(small_disk, 0)
    with pytest.raises(rn.ArtifactError, match="No space left on device"):
        predictor.save(place, overwrite=True)


def test_a_training_that_fills_the_disk_goes_on_once_there_is_room(small_disk):
    place = small_disk / "run"
    config = {
        "data": {"source": "synthetic", "options": {"n_users": 60, "n_items": 40, "n_ratings": 600}},
        "model": {"kind": "svd", "embedding_dim": 16},
        "training": {"epochs": 3, "batch_size": 600, "metrics": ()},
        "output": str(place),
    }
    filled_up_to(small_disk, 100_000)
    with pytest.raises(rn.ArtifactError, match=r"run\.unfinished.*No space left on device"):
        rn.run_experiment(config, progress=False)
    (small_disk / "filling").unlink()
    result = rn.run_experiment(config, resume=True, progress=False)
    assert list(result.run.history["epoch"]) == [1, 2, 3]
    assert {entry.name for entry in small_disk.iterdir()} == {"run"}


def test_a_full_disk_leaves_the_old_table(small_disk):
    file = small_disk / "table.csv"
    file.write_text("old")
    table = pd.DataFrame({"user": [f"user-{n:020d}" for n in range(20_000)]})
    with pytest.raises(rn.ArtifactError, match=r"table\.csv cannot be written: No space left on device"):
        write_table(table, file)
    assert file.read_text() == "old"
    assert list(small_disk.iterdir()) == [file]


def test_a_folder_that_cannot_be_written_to_is_found_before_the_training(small_disk, monkeypatch):
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    monkeypatch.setattr("recsys_nn.experiment.run.load_parts", lambda *_: pytest.fail("the data were read"))
    with pytest.raises(rn.ArtifactError, match="cannot be written"):
        rn.run_experiment({"data": {"source": "synthetic"}, "output": str(small_disk / "run")}, progress=False)


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes to every folder")
def test_a_folder_of_somebody_else_is_refused(predictor, tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(rn.ArtifactError, match="is not a writable folder"):
        predictor.save(tmp_path / "run")
