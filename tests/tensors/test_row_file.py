"""Encoded rows on disk: what was written is read, in chunks of one size, and temporary files go."""

import gc
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from recsys_nn.errors import DataError
from recsys_nn.tensors import row_file
from recsys_nn.tensors.row_file import FILE_NAME, Columns, RowFile, regrouped


@pytest.fixture(autouse=True)
def chunks_of_four_rows(monkeypatch):
    monkeypatch.setattr(row_file, "CHUNK_ROWS", 4)


def columns(first: int, last: int) -> Columns:
    numbers = np.arange(first, last, dtype=np.int32)
    return numbers, -numbers, numbers / 2


PARTS = [columns(0, 3), columns(3, 3), columns(3, 4), columns(4, 10)]


def test_rows_are_regrouped_in_their_order():
    for size, lengths in ((1, [1] * 10), (3, [3, 3, 3, 1]), (5, [5, 5]), (11, [10])):
        groups = list(regrouped(PARTS, size))
        assert [len(ratings) for *_, ratings in groups] == lengths
        for found, expected in zip(map(np.concatenate, zip(*groups, strict=True)), columns(0, 10), strict=True):
            np.testing.assert_array_equal(found, expected, strict=True)


def test_what_was_written_is_read_in_chunks(tmp_path):
    rows = RowFile.write(PARTS, tmp_path / "new" / "folder")
    assert len(rows) == 10
    assert rows.sizes.tolist() == [4, 4, 2]
    assert [users.tolist() for users, _, _ in rows] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    ((users, items, ratings),) = RowFile(tmp_path / "new" / "folder").chunks(np.array([2]))
    assert (users.tolist(), items.tolist(), ratings.tolist()) == ([8, 9], [-8, -9], [4.0, 4.5])
    assert (users.dtype, items.dtype, ratings.dtype) == (np.int32, np.int32, np.float32)


def test_the_file_is_one_that_pyarrow_reads(tmp_path):
    table = pa.ipc.open_file(RowFile.write(PARTS, tmp_path).path).read_all()
    assert table.column_names == ["user", "item", "rating"]
    assert table["rating"].to_pylist() == [k / 2 for k in range(10)]


def test_a_failure_while_writing_leaves_what_was_there(tmp_path, monkeypatch):
    def failing():
        yield columns(0, 6)
        raise DataError("row 6 is bad")

    RowFile.write(PARTS, tmp_path)
    with pytest.raises(DataError, match="row 6 is bad"):
        RowFile.write(failing(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    assert len(RowFile(tmp_path)) == 10

    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(DataError, match="row 6 is bad"):
        RowFile.temporary(failing())
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]


def test_a_temporary_file_goes_with_its_object():
    rows = RowFile.temporary(PARTS)
    folder = rows.path.parent
    assert len(list(rows)) == 3
    assert folder.is_dir()
    del rows
    gc.collect()
    assert not folder.exists()


def test_no_rows_are_a_file_too(tmp_path):
    assert len(RowFile.write([], tmp_path)) == 0
    assert list(RowFile(tmp_path)) == []


def other_table(folder: Path) -> None:
    table = pa.table(dict(zip(("user", "item", "rating"), columns(0, 9), strict=True)))  # chunks of any size
    with pa.ipc.new_file(folder / FILE_NAME, table.schema) as writer:
        writer.write_table(table)


@pytest.mark.parametrize(
    ("prepare", "message"),
    [
        (lambda folder: None, r"holds no encoded ratings \(encoded.arrow\)"),
        (lambda folder: (folder / FILE_NAME).write_text("x"), r"encoded\.arrow cannot be read as encoded ratings: "),
        (other_table, "encoded.arrow is an Arrow file, but not one of encoded ratings"),
    ],
    ids=["nothing", "a text", "another table"],
)
def test_what_holds_no_encoded_ratings_is_refused(tmp_path, prepare, message):
    prepare(tmp_path)
    with pytest.raises(DataError, match=message):
        RowFile(tmp_path)


def test_a_temporary_folder_says_whose_it_is():
    rows = RowFile.temporary(PARTS)
    assert rows.path.parent.name.startswith("recsys-nn-")
