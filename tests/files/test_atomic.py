import errno
import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from filelock import FileLock

from recsys_nn import ArtifactError
from recsys_nn.files import atomic
from recsys_nn.files.atomic import atomic_file, atomic_folder, sweep
from recsys_nn.files.system import exchange


class Broken(Exception):
    pass


def test_a_file_appears_whole_when_the_block_ends(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with atomic_file(path) as stream:
        stream.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_stays_as_it_was_after_an_exception(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(Broken), atomic_file(path) as stream:
        stream.write(b"half")
        raise Broken
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def write(folder, text):
    (folder / "file").write_text(text)


def test_a_folder_appears_whole_and_its_parents_with_it(tmp_path):
    path = tmp_path / "a" / "b" / "run"
    with atomic_folder(path, replace=False) as draft:
        write(draft, "new")
        assert not path.exists()
    assert (path / "file").read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_a_folder_is_replaced_only_when_asked(tmp_path):
    path = tmp_path / "run"
    path.mkdir()
    write(path, "old")
    with (
        pytest.raises(ArtifactError, match="run cannot be written: .*not empty"),
        atomic_folder(path, replace=False) as draft,
    ):
        write(draft, "new")
    assert (path / "file").read_text() == "old"
    with atomic_folder(path, replace=True) as draft:
        write(draft, "new")
    assert (path / "file").read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failing", [1, 2])
def test_without_exchanging_a_folder_stays_as_it_was_whichever_rename_fails(tmp_path, monkeypatch, failing):
    path = tmp_path / "run"
    path.mkdir()
    write(path, "old")
    renames = iter(range(1, 9))
    replace = os.replace

    def broken_replace(source, target):
        if next(renames) == failing:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(atomic, "exchange", lambda one, other: False)
    monkeypatch.setattr(os, "replace", broken_replace)
    with pytest.raises(KeyboardInterrupt), atomic_folder(path, replace=True) as draft:
        write(draft, "new")
    assert (path / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_without_exchanging_a_folder_is_replaced_too(tmp_path, monkeypatch):
    path = tmp_path / "run"
    path.mkdir()
    monkeypatch.setattr(atomic, "exchange", lambda one, other: False)
    with atomic_folder(path, replace=True) as draft:
        write(draft, "new")
    assert (path / "file").read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_refused_exchange_is_an_error_and_the_old_folder_stays(tmp_path, monkeypatch):
    path = tmp_path / "run"
    path.mkdir()
    write(path, "old")

    def refused(one, other):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(atomic, "exchange", refused)
    with (
        pytest.raises(ArtifactError, match="run cannot be written: Operation not permitted"),
        atomic_folder(path, replace=True) as draft,
    ):
        write(draft, "new")
    assert (path / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_exchanged_folders_have_each_others_content(tmp_path):
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        folder.mkdir()
        write(folder, folder.name)
    if not exchange(one, other):
        pytest.skip("this file system cannot exchange folders")
    assert ((one / "file").read_text(), (other / "file").read_text()) == ("other", "one")


def test_exchanging_with_nothing_is_an_error(tmp_path):
    (tmp_path / "one").mkdir()
    with pytest.raises(FileNotFoundError, match="other"):
        exchange(tmp_path / "one", tmp_path / "other")


LEFT = "0123456789ab"


def test_what_a_killed_process_has_left_is_removed_by_the_next_one(tmp_path):
    path = tmp_path / "run"
    (tmp_path / f".run.{LEFT}").mkdir()
    write(tmp_path / f".run.{LEFT}", "half")
    (tmp_path / f".run.{LEFT}.old").mkdir()
    (tmp_path / f".table.csv.{LEFT}").write_text("half")
    with atomic_folder(path, replace=True) as draft, atomic_file(tmp_path / "table.csv") as stream:
        write(draft, "new")
        stream.write(b"new")
    assert {entry.name for entry in tmp_path.iterdir()} == {"run", "table.csv"}


def test_drafts_of_others_and_of_other_places_stay(tmp_path):
    path, others = tmp_path / "run", tmp_path / f".run2.{LEFT}"
    others.mkdir()
    with atomic_folder(path, replace=True) as first:
        write(first, "first")
        with atomic_folder(path, replace=True) as second:
            write(second, "second")
        assert (path / "file").read_text() == "second"
    assert (path / "file").read_text() == "first"
    assert {entry.name for entry in tmp_path.iterdir()} == {"run", others.name}


def test_what_was_about_to_be_replaced_is_put_back(tmp_path):
    old = tmp_path / f".run.{LEFT}.old"
    old.mkdir()
    write(old, "old")
    sweep(tmp_path / "run")
    assert (tmp_path / "run" / "file").read_text() == "old"
    assert not old.exists()


def test_where_there_are_no_locks_nothing_is_swept(tmp_path, monkeypatch):
    def without_locks(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    left = tmp_path / f".run.{LEFT}"
    left.mkdir()
    monkeypatch.setattr(FileLock, "acquire", without_locks)
    with atomic_folder(tmp_path / "run", replace=True) as draft:
        write(draft, "new")
    assert {entry.name for entry in tmp_path.iterdir()} == {"run", left.name}


def test_another_refusal_of_a_lock_is_an_error(tmp_path, monkeypatch):
    def refused(*_):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(FileLock, "acquire", refused)
    with pytest.raises(ArtifactError, match="Input/output error"), atomic_file(tmp_path / "file"):
        pytest.fail("there is no draft")


def test_writers_of_one_place_do_not_sweep_each_other(tmp_path):
    path = tmp_path / "file"

    def write_many(writer):
        for _ in range(25):
            with atomic_file(path) as stream:
                stream.write(bytes([writer]) * 1000)

    with ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(write_many, writer) for writer in range(4)]:
            done.result()
    assert path.read_bytes() in [bytes([writer]) * 1000 for writer in range(4)]
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("nothing_there", [True, False])
def test_the_lock_of_a_draft_that_was_never_made_goes_too(tmp_path, nothing_there):
    path = tmp_path / "file"
    if not nothing_there:
        path.write_bytes(b"old")
    (tmp_path / f".file.{LEFT}.lock").touch()
    sweep(path)
    assert list(tmp_path.iterdir()) == ([] if nothing_there else [path])


def test_drafts_of_a_place_whose_name_ends_like_a_draft_are_not_those_of_the_place_before(tmp_path):
    with atomic_file(tmp_path / "run.old") as stream:
        sweep(tmp_path / "run")
        stream.write(b"new")
    assert (tmp_path / "run.old").read_bytes() == b"new"


class Library:
    """The C library of a system that has no such call, or that of macOS."""

    def renamex_np(self, one, other, how):
        os.rename(one, f"{os.fsdecode(one)}.moved")
        os.rename(other, one)
        os.rename(f"{os.fsdecode(one)}.moved", other)
        return 0


@pytest.mark.parametrize(("platform", "exchanged"), [("darwin", True), ("freebsd", False)])
def test_each_system_is_asked_in_its_own_way(tmp_path, monkeypatch, platform, exchanged):
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        write(tmp_path / name, name)
    monkeypatch.setattr("recsys_nn.files.system.sys.platform", platform)
    monkeypatch.setattr("recsys_nn.files.system.ctypes.CDLL", lambda *_, **__: Library())
    assert exchange(tmp_path / "one", tmp_path / "other") is exchanged
    assert (tmp_path / "one" / "file").read_text() == ("other" if exchanged else "one")
