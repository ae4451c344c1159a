"""What begins like a formula: written so that a spreadsheet takes it for text, and read back as it was."""

import csv
import re

import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys_nn.data.pair_files import PairsSource
from recsys_nn.data.readers import read_ratings, read_table
from recsys_nn.data.table_format import TableFormat
from recsys_nn.errors import DataError
from recsys_nn.files.spreadsheets import defused, defused_frame, restored
from recsys_nn.files.tables import write_table

ATTACKS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "@SUM(1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "＝1+1",
    "＋1",
    "－1",
    "＠A",
    "a;=1+1",
    "a,=1+1",
    'a",=1+1',
    "a\n@SUM(1)",
    "a\t+1",
]
HARMLESS = [
    "ann",
    "O'Neil",
    "'til",
    "'",
    "Spider-Man",
    "a=b",
    "me@home",
    "-5",
    "-0.5",
    "-1e-7",
    "1+1",
    "",
    "é",
    "’=",
    "−5",
]
TEXTS = st.text(st.one_of(st.sampled_from("'=+-@＝＋－＠,;\t\r\n\" 0a"), st.characters(exclude_categories=("Cs",))))
BEGINNING_OF_A_CELL = re.compile(r"(?:^|(?<=[,;\"\t\r\n]))\s*(\S)")


def written(texts: list[str | None]) -> list[str | None]:
    return defused(pa.table({"id": pa.array(texts, pa.string())}))["id"].to_pylist()


@pytest.mark.parametrize("text", ATTACKS)
def test_no_cell_begins_like_a_formula(text):
    beginnings = [found[1] for found in BEGINNING_OF_A_CELL.finditer(written([text])[0])]
    assert "'" in beginnings
    assert not set(beginnings) & set("=+-@＝＋－＠")


def test_an_apostrophe_is_all_that_is_written():
    assert written(["=1+1", " @a", "a;-b", "'=1", None]) == ["'=1+1", " '@a", "a;'-b", "''=1", None]


def test_what_is_no_formula_stays_as_it_is():
    assert written(HARMLESS) == HARMLESS


@settings(deadline=None)
@given(st.lists(st.none() | TEXTS))
@example(["'=", "''=", "=", "=;=", "'\t=", "'-5", "-5", "\"'\"'="])
def test_what_was_written_is_read_back_exactly(texts):
    table = pa.table({"id": pa.array(texts, pa.string())})
    assert restored(defused(table), "a.csv").equals(table)


@settings(deadline=None)
@given(TEXTS)
def test_different_texts_are_written_differently(text):
    others = [f"'{text}", f"''{text}", text.replace("'", "", 1), text.lstrip("'")]
    assert all((written([other]) == written([text])) == (other == text) for other in others)


def test_names_are_written_alike():
    table = pa.table({"=1": [1], "id": ["a"]})
    assert defused(table).column_names == ["'=1", "id"]
    assert restored(defused(table), "a.csv").column_names == ["=1", "id"]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["b", "=1"]).dictionary_encode(),
        pa.array(["b", "=1"], pa.large_string()),
        pa.array([b"b", b"=1"]),
        pa.array([b"bb", b"=1"], pa.binary(2)),
        pa.array(["a", "b", "=1"]).slice(1),
    ],
    ids=["dictionary", "large", "bytes", "bytes of one length", "a part"],
)
def test_texts_of_every_type_are_written_alike(column):
    assert defused(pa.table({"id": column}))["id"].to_pylist()[1] == "'=1"


def test_numbers_and_times_are_left_alone():
    table = pa.table({"n": [-1], "x": [-0.5], "when": pa.array([-1], pa.timestamp("s"))})
    assert defused(table).equals(table)


def test_a_frame_may_hold_texts_among_other_things():
    frame = pd.DataFrame({"=a": ["=1", 2, None, True]}, dtype=object)
    assert defused_frame(frame).to_dict("list") == {"'=a": ["'=1", 2, None, True]}


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".csv.gz"])
def test_ids_of_a_file_are_safe_to_open_and_come_back(tmp_path, suffix):
    ids = [text for text in ATTACKS + HARMLESS if text and text == text.strip()]
    path = tmp_path / f"table{suffix}"
    write_table(pd.DataFrame({"user": ids, "item": "=x", "rating": -0.5}), path)
    frame = read_ratings(path).frame
    assert frame["user"].tolist() == ids
    assert (frame["item"] == "=x").all()
    assert (frame["rating"] == -0.5).all()


def test_further_columns_and_their_names_are_safe_and_come_back(tmp_path):
    path = tmp_path / "table.csv"
    frame = pd.DataFrame({"user": ["a"], "item": ["b"], "=cmd": ["@x"], "x": [-2]})
    write_table(frame, path)
    assert list(csv.reader(path.open())) == [["user", "item", "'=cmd", "x"], ["a", "b", "'@x", "-2"]]
    part = next(PairsSource(path, TableFormat(), {"user": "string", "item": "string"}).parts())
    assert part.table.data.to_pydict() == {"user": ["a"], "item": ["b"], "=cmd": ["@x"], "x": ["-2"]}
    assert part.row_text(0) == '"a","b","\'@x",-2'


def test_the_apostrophe_of_another_writer_is_taken_away_too(tmp_path):
    (tmp_path / "r.csv").write_text("user,item,rating\n'-ann,'=b,'-1\n")
    assert read_ratings(tmp_path / "r.csv").frame.to_dict("list") == {
        "user": ["-ann"],
        "item": ["=b"],
        "rating": [-1.0],
    }


def test_two_names_that_become_one_are_refused(tmp_path):
    (tmp_path / "r.csv").write_text("user,item,=a,'=a\n1,2,3,4\n")
    with pytest.raises(DataError, match="apart from an apostrophe for spreadsheets: rename one$"):
        read_table(tmp_path / "r.csv")


def test_bytes_that_are_no_text_are_refused(tmp_path):
    with pytest.raises(
        DataError, match=r"t.csv: a column cannot be written as text \(Invalid UTF8.*: write a .parquet"
    ):
        write_table(pd.DataFrame({"user": [b"\xff"]}), tmp_path / "t.csv")
