"""Folders here and in stores: their names, what they hold, and where they lie."""

from pathlib import Path

import pyarrow.fs as fs
import pytest

from recsys_nn.errors import DataError
from recsys_nn.files.folders import Folder, is_uri


def store(folder: Path, path: str = "out") -> Folder:
    """As of another machine, where a local path means nothing."""
    return Folder(f"store://{path}", fs.SubTreeFileSystem(str(folder), fs.LocalFileSystem()), path)


def test_a_place_is_a_path_here_or_a_uri():
    assert [is_uri(place) for place in ("s3://bucket", "ftp://x", "pairs", "C:/pairs", Path("a/b"))] == [
        *(True, True),
        *(False, False, False),
    ]


def test_a_folder_here_is_found_by_its_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    folder = Folder.at("pairs")
    assert (folder.name, folder.path, folder.is_local) == ("pairs", str(tmp_path / "pairs"), True)
    assert Folder.at("~/pairs").path == str(tmp_path / "home" / "pairs")


def test_a_uri_is_named_without_its_password(tmp_path):
    folder = Folder.at(f"file://{tmp_path}/")
    assert (folder.name, folder.path, folder.is_local) == (f"file://{tmp_path}", str(tmp_path), True)
    with pytest.raises(DataError, match="^ftp://there/pairs cannot be reached: "):
        Folder.at("ftp://me:secret@there/pairs/")
    with pytest.raises(DataError, match="^ftp://there/pairs cannot be reached: "):
        Folder.at("ftp://there/pairs")
    assert Folder.at(f"file://{tmp_path}/gone").files() == []


def test_what_is_hidden_is_no_pairs_and_all_are_in_the_order_of_their_names(tmp_path):
    for folder in (Folder.at(tmp_path / "out"), store(tmp_path)):
        for name in ("b.parquet", "a/c.pq", "_draft.parquet", ".b/x.parquet", "note.txt"):
            (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "out" / name).touch()
        assert folder.parquet_files() == ["a/c.pq", "b.parquet"]
        assert sorted(folder.files()) == [".b/x.parquet", "_draft.parquet", "a/c.pq", "b.parquet", "note.txt"]
        assert [folder.has(name) for name in ("note.txt", "a", "gone")] == [True, False, False]
        folder.clear()
        assert folder.files() == []
        with pytest.raises(DataError, match=rf"^{folder.name} holds no Parquet file \(\.parquet, \.pq\)$"):
            folder.parquet_files()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "out").touch()
    for folder in (Folder.at(tmp_path / "out"), store(tmp_path)):
        with pytest.raises(DataError, match=f"^{folder.name} is a file, not a folder$"):
            folder.files()
    with pytest.raises(DataError, match="^store://out/x cannot be written: "):
        store(tmp_path).store("x", tmp_path / "out")
    with pytest.raises(DataError, match="^store://out/x cannot be read: "), store(tmp_path).fetched("x"):
        pass


@pytest.mark.parametrize("path", ["X", "X/", "X/Y"])
def test_a_copy_is_stored_and_fetched_by_its_name(tmp_path, path):
    """The folder is made, whatever its name ends with."""
    (tmp_path / "here").write_text("pairs")
    folder = store(tmp_path, path)
    folder.store("deep/X/one.csv", tmp_path / "here")
    assert (tmp_path / path / "deep" / "X" / "one.csv").read_text() == "pairs"
    assert folder.files() == ["deep/X/one.csv"]
    with folder.fetched("deep/X/one.csv") as copy:
        assert copy.read_text() == "pairs"
        assert (copy.name, copy.parent.name.startswith("recsys-nn-")) == ("one.csv", True)
    assert not copy.exists()


def test_a_folder_holds_itself_and_what_lies_in_it(tmp_path):
    outer, inner = Folder.at(tmp_path / "out"), Folder.at(tmp_path / "out" / "in")
    there, deeper = store(tmp_path), store(tmp_path, "out/in")
    for one, other in ((outer, inner), (there, deeper)):
        assert (one.holds(one), one.holds(other), other.holds(one)) == (True, True, False)
    assert not outer.holds(there)
    assert not there.holds(outer)
    assert not there.holds(store(tmp_path / "elsewhere", "out/in"))
