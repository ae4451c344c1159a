import os

import pytest

from recsys_nn.data.atomic import atomic_file, atomic_folder


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
    with pytest.raises(OSError, match="not empty"), atomic_folder(path, replace=False) as draft:
        write(draft, "new")
    assert (path / "file").read_text() == "old"
    with atomic_folder(path, replace=True) as draft:
        write(draft, "new")
    assert (path / "file").read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failing", [1, 2])
def test_a_folder_stays_as_it_was_whichever_rename_fails(tmp_path, monkeypatch, failing):
    path = tmp_path / "run"
    path.mkdir()
    write(path, "old")
    renames = iter(range(1, 9))
    replace = os.replace

    def broken_replace(source, target):
        if next(renames) == failing:
            raise KeyboardInterrupt
        replace(source, target)

    monkeypatch.setattr(os, "replace", broken_replace)
    with pytest.raises(KeyboardInterrupt), atomic_folder(path, replace=True) as draft:
        write(draft, "new")
    assert (path / "file").read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
