"""Pairs to predict: which columns they are read from, whole and part by part."""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_nn.data import pair_files as pairs_module
from recsys_nn.data.pair_files import PairsSource, read_pairs
from recsys_nn.data.table_format import READERS, TableFormat
from recsys_nn.errors import DataError
from recsys_nn.files.text import decoding

STRINGS = {"user": "string", "item": "string"}


@pytest.fixture
def written(tmp_path):
    """Writes a text file of this content and returns its path."""

    def write(content: str) -> Path:
        path = tmp_path / "pairs.csv"
        path.write_text(content)
        return path

    return write


def test_pairs_are_read_with_the_types_that_the_encoder_knows(written):
    types = {"user": "integer", "item": "string"}
    for content in ("movieId,userId,rating\n007,196,\n", "196,007\n197,8\n"):
        pairs, where = read_pairs(path := written(content), TableFormat(), types)
        assert pairs.columns.tolist() == ["user", "item"]
        assert (pairs["user"].iloc[0], pairs["item"].iloc[0]) == (196, "007")
        assert where(0) == f"{path}, line {2 if content.startswith('movie') else 1}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            "user,rating\n1,3\n",
            "there is no column for the item among 'user', 'rating': set the option item to its column",
        ),
        ("user,item\n1,2\nx,2\n", "line 3: the user id must be a plain 64-bit integer, as other user ids are, not 'x'"),
        ("1,2,3,4,5\n", "has no header and 5 columns: set the option user to the position of its column, such as 0"),
    ],
)
def test_pairs_that_cannot_be_used_are_refused(written, content, message):
    with pytest.raises(DataError, match=message):
        read_pairs(written(content), TableFormat(), {"user": "integer", "item": "string"})


def test_pairs_have_the_columns_of_their_context_that_the_file_has(written):
    types = {"user": "string", "item": "string"}
    path = written("date,item,user,hour,note\n2004-02-10,x,a,7,n\n2004-02-11,x,b,,n\n")
    pairs, _ = read_pairs(path, TableFormat(), types, context=("timestamp", "hour", "device"))
    assert pairs.columns.tolist() == ["user", "item", "timestamp", "hour"]
    assert pairs["timestamp"].tolist() == ["2004-02-10", "2004-02-11"]
    assert pairs["hour"][0] == 7
    assert pd.isna(pairs["hour"][1])
    assert read_pairs(path, TableFormat(), types)[0].columns.tolist() == ["user", "item"]


def test_pairs_by_position_come_from_parquet_without_a_word_on_headers(tmp_path):
    pd.DataFrame({"what": ["x"], "who": ["a"]}).to_parquet(tmp_path / "pairs.parquet")
    layout = TableFormat(user=1, item=0)
    pairs, _ = read_pairs(tmp_path / "pairs.parquet", layout, {"user": "string", "item": "string"})
    assert pairs.to_dict("list") == {"user": ["a"], "item": ["x"]}


# Part by part


def parquet(folder: Path, **columns: pa.Array) -> Path:
    pq.write_table(pa.table(columns), folder / "pairs.parquet")
    return folder / "pairs.parquet"


def test_parts_have_all_columns_and_the_places_of_their_rows(tmp_path, monkeypatch):
    monkeypatch.setattr(pairs_module, "PART_ROWS", 2)
    path = parquet(tmp_path, user=pa.array([1, 2, 3], pa.int8()), item=pa.array(["x"] * 3), kinds=pa.array([["a"]] * 3))
    source = PairsSource(path, TableFormat(), {"user": "integer", "item": "string"})
    parts = list(source.parts())
    assert pa.concat_tables([source.columns(part.table) for part in parts]).equals(pq.read_table(path))
    assert [part.table.where(0) for part in parts] == [f"{path}, row 0", f"{path}, row 2"]
    assert [source.pairs(part.table)["user"].tolist() for part in parts] == [[1, 2], [3]]
    assert [part.done for part in parts] == [2 / 3, 1.0]
    assert {part.table.name for part in parts} == {str(path)}
    assert parts[1].row_text(0) == '{"user": 3, "item": "x", "kinds": ["a"]}'


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        (pa.array([1, None], pa.int32()), [1, None]),
        (pa.array([2**63, None], pa.uint64()), [2**63, None]),
        (pa.array([7, None]).dictionary_encode(), [7, None]),
        (pa.array(["7", None]).dictionary_encode(), ["7", None]),
        (pa.array(["7"], pa.large_string()), ["7"]),
    ],
)
def test_ids_of_parquet_keep_their_values_where_some_are_missing(tmp_path, ids, expected):
    path = parquet(tmp_path, user=ids, item=pa.array(["x"] * len(ids)))
    pairs, _ = read_pairs(path, TableFormat(), STRINGS)
    assert [None if pd.isna(value) else value for value in pairs["user"]] == expected


def test_rows_that_are_left_out_twice_are_still_called_by_their_own_numbers(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("user,item\na,x\nb\nc,y\nd,z\ne,w\n")
    part = next(PairsSource(path, TableFormat(), STRINGS, ragged="leave out").parts())
    for rows in ([1], [1]):  # c, and then of a, d, e the second
        part = part.without(np.array(rows), "row {} is bad".format)
    assert part.table.column(0).tolist() == ["a", "e"]
    assert [part.table.where(row) for row in (0, 1)] == [f"{path}, line 2", f"{path}, line 6"]
    assert part.row_text(1) == "e,w"
    left_out = [part.left_out[number] for number in sorted(part.left_out)]
    assert [(row.where, row.row) for row in left_out] == [
        (f"{path}, line {line}", row) for line, row in ((3, "b"), (4, "c,y"), (5, "d,z"))
    ]


def test_a_column_of_the_context_is_as_it_is_written_in_the_whole_file(tmp_path, monkeypatch):
    monkeypatch.setattr(decoding, "BLOCK_BYTES", 24)
    path = tmp_path / "pairs.csv"
    kinds = {}
    for last in ("1.5", "2", "late", ""):
        path.write_text(f"user,item,hour\na,x,1\nb,y,2\nc,z,\nd,x,{last}\n")
        source = PairsSource(path, TableFormat(separator=","), STRINGS, context=("hour", "timestamp"))
        found = [source.pairs(part.table)["hour"].dtype for part in source.parts()]
        assert len(found) > 1
        kinds[last] = {str(kind) for kind in found}
    assert kinds == {"1.5": {"float64"}, "2": {"Int64"}, "late": {"str"}, "": {"Int64"}}


def test_a_column_beside_those_of_parquet_stays_as_it_is(tmp_path):
    """pandas writes its index as a column, and the types that only it has into the metadata."""
    frame = pd.DataFrame(
        {"user": ["a"], "item": ["x"], "n": pd.array([None], dtype="Int8")}, index=pd.Index([7], name="k")
    )
    frame.to_parquet(tmp_path / "pairs.parquet")
    source = PairsSource(tmp_path / "pairs.parquet", TableFormat(), STRINGS)
    (part,) = source.parts()
    pq.write_table(source.columns(part.table), tmp_path / "out.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "out.parquet"), frame)


def test_numbers_that_the_type_of_other_files_cannot_hold_are_refused(tmp_path):
    for name, values in (("a", [0.5]), ("b", [2**53 + 1])):
        pq.write_table(pa.table({"user": ["u"], "item": ["i"], "note": values}), tmp_path / f"{name}.parquet")
    with pytest.raises(
        DataError,
        match=r"b\.parquet: a column has another type than in the other files: ",
    ):
        list(PairsSource(tmp_path, TableFormat(), STRINGS).parts())


def test_columns_by_position_need_to_know_of_the_header(written):
    path = written("a,x\nb,y\n")
    message = "pairs.csv: columns are named by position: set the option header to true or false$"
    for columns in ({"user": 0, "item": 1}, {"user": 0}, {"item": 1}):
        with pytest.raises(DataError, match=message):
            read_pairs(path, TableFormat(**columns), STRINGS)
    pairs, _ = read_pairs(path, TableFormat(user=1, item=0, header=False), STRINGS)
    assert pairs.to_dict("list") == {"user": ["x", "y"], "item": ["a", "b"]}


def test_files_of_other_columns_are_refused(tmp_path):
    for name, columns in (("a", ["user", "item"]), ("b", ["user", "thing"])):
        pq.write_table(pa.table({column: ["x"] for column in columns}), tmp_path / f"{name}.parquet")
    with pytest.raises(DataError) as caught:
        list(PairsSource(tmp_path, TableFormat(), STRINGS).parts())
    assert str(caught.value) == (
        f"{tmp_path / 'b.parquet'} has the columns 'user', 'thing', but {tmp_path / 'a.parquet'} has 'user', 'item': "
        "write the same columns in all files"
    )


def test_files_with_columns_of_types_that_do_not_go_together_are_refused(tmp_path):
    for name, notes in (("a", pa.array(["x"])), ("b", pa.array([["x"]]))):
        pq.write_table(pa.table({"user": ["u"], "item": ["i"], "note": notes}), tmp_path / f"{name}.parquet")
    with pytest.raises(DataError, match=f"^{tmp_path}: a column has different types in these files: .*note"):
        list(PairsSource(tmp_path, TableFormat(), STRINGS).parts())


def test_a_folder_without_rows_is_one_empty_part(tmp_path):
    nothing = pa.table({"user": pa.array([], pa.string()), "item": pa.array([], pa.string())})
    for name in ("a", "b"):
        pq.write_table(nothing, tmp_path / f"{name}.parquet")
    (part,) = PairsSource(tmp_path, TableFormat(), STRINGS).parts()
    assert (part.table.data.num_rows, part.done, part.table.name) == (0, 1.0, str(tmp_path / "a.parquet"))


def test_rows_of_other_lengths_are_refused_unless_they_are_left_out(tmp_path):
    path = tmp_path / "pairs.csv"
    path.write_text("user,item\na,x\n" + "b\n" * 7 + "c,y\n")
    with pytest.raises(DataError, match="pairs.csv, line 3: 1 field where 2 are expected: 'b'; line 4: "):
        list(PairsSource(path, TableFormat(), STRINGS).parts())
    (part,) = PairsSource(path, TableFormat(), STRINGS, ragged="leave out").parts()
    assert part.table.column(0).tolist() == ["a", "c"]
    assert [(row.where, row.why) for row in part.left_out.values()] == [
        (f"{path}, line {line}", "1 field where 2 are expected") for line in range(3, 10)
    ]


def test_a_parquet_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nothing\.parquet does not exist$"):
        next(PairsSource(tmp_path / "nothing.parquet", TableFormat(), STRINGS).parts())


def test_a_file_of_a_registered_format_is_one_part(tmp_path, monkeypatch):
    path = tmp_path / "pairs.made"
    path.touch()
    table = pa.table({"user": ["a", "b"], "item": ["x", "y"], "note": [1, 2]})
    for made in (table, table.to_pandas()):
        monkeypatch.setitem(READERS, ".made", lambda file, made=made: made)
        source = PairsSource(path, TableFormat(), STRINGS)
        (part,) = source.parts()
        assert source.pairs(part.table).to_numpy().tolist() == [["a", "x"], ["b", "y"]]
        assert (source.columns(part.table).column_names, part.done) == (["user", "item", "note"], 1.0)
        assert part.table.where(1) == f"{path}, row 1"
    mixed = pd.DataFrame({"user": ["a", "b"], "item": ["x", "y"], "note": [1, "one"]})
    monkeypatch.setitem(READERS, ".made", lambda file: mixed)
    with pytest.raises(DataError, match=r"pairs\.made: a column has values of several types: .+"):
        next(PairsSource(path, TableFormat(), STRINGS).parts())
