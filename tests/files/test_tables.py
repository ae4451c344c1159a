"""Tables into files: read back exactly, written whole or not at all."""

import gzip
import re

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys_nn.data.readers import read_ratings
from recsys_nn.errors import DataError
from recsys_nn.files.tables import check_output, write_table

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=15)
FORMATS = [".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".pq"]
INTEGERS = st.integers(-(2**63), 2**63 - 1)
TEXTS = st.text(st.one_of(st.characters(exclude_categories=("Cs", "Cc")), st.sampled_from(',;|:\t\n\r"')))
IDS = TEXTS.filter(lambda text: text and text == text.strip())

FRAME = pd.DataFrame({"user": [2**53 + 1, -7], "item": ["007", 'a,\t"b"'], "prediction": [1 / 3, 4.0]})


@pytest.mark.parametrize("suffix", FORMATS)
@REPEATABLE
@given(st.lists(IDS, unique=True, min_size=1), st.floats(-1e9, 1e9))
@example(
    ["007", "7", "NA", "nan", "1e3", "a,b", 'say "x"', "two\r\nlines", "\ufeffmark", "é", "🎬", str(2**63)], 1e-300
)
def test_string_ids_and_numbers_are_read_back_exactly(tmp_path_factory, suffix, ids, rating):
    path = tmp_path_factory.mktemp("written") / f"ratings{suffix}"
    write_table(pd.DataFrame({"user": ids, "item": "i", "rating": rating}), path)
    frame = read_ratings(path).frame
    assert frame["user"].tolist() == ids
    assert frame["rating"].tolist() == [rating] * len(ids)


@pytest.mark.parametrize("suffix", FORMATS)
@REPEATABLE
@given(st.lists(INTEGERS, unique=True, min_size=1))
@example([2**53, 2**53 + 1, 2**63 - 1, -(2**63), -7, 0])
def test_integer_ids_are_read_back_exactly(tmp_path_factory, suffix, ids):
    path = tmp_path_factory.mktemp("written") / f"ratings{suffix}"
    write_table(pd.DataFrame({"user": ids, "item": 1, "rating": 1.5}), path)
    found = read_ratings(path, id_types={"user": "integer", "item": "integer"}).frame["user"]
    assert found.dtype == np.int64
    assert found.tolist() == ids


@pytest.mark.parametrize(("suffix", "separator"), [(".csv", ","), (".tsv", "\t"), (".CSV", ",")])
def test_a_text_file_is_what_pandas_reads(tmp_path, suffix, separator):
    path = tmp_path / f"table{suffix}"
    write_table(FRAME, path)
    pd.testing.assert_frame_equal(pd.read_csv(path, sep=separator, dtype={"item": "str"}), FRAME)


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_table_is_the_same_bytes_whenever_and_wherever_it_is_written(tmp_path, monkeypatch, suffix):
    write_table(FRAME, tmp_path / f"now{suffix}")
    monkeypatch.setattr("time.time", lambda: 2e9)
    write_table(FRAME, tmp_path / f"later{suffix}")
    assert (tmp_path / f"now{suffix}").read_bytes() == (tmp_path / f"later{suffix}").read_bytes()


def test_a_gzip_file_holds_the_text_that_would_stand_in_a_plain_one(tmp_path):
    write_table(FRAME, tmp_path / "plain.csv")
    write_table(FRAME, tmp_path / "packed.csv.gz")
    assert gzip.decompress((tmp_path / "packed.csv.gz").read_bytes()) == (tmp_path / "plain.csv").read_bytes()


def test_a_parquet_file_holds_the_columns_and_no_index(tmp_path):
    write_table(FRAME.set_index(pd.Index([5, 6])), tmp_path / "table.parquet")
    table = pq.read_table(tmp_path / "table.parquet")
    assert table.to_pydict() == FRAME.to_dict("list")


def test_writing_again_replaces_the_file_and_leaves_nothing_beside_it(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    write_table(FRAME, path)
    assert "old" not in path.read_text()
    assert [found.name for found in tmp_path.iterdir()] == ["table.csv"]


def test_a_table_that_cannot_be_written_leaves_the_old_file_and_nothing_beside_it(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(
        DataError,
        match=r"table\.csv: a column cannot be written as text \(.*list.*\): write a \.parquet file",
    ):
        write_table(pd.DataFrame({"user": [1], "genres": [["a", "b"]]}), path)
    assert path.read_text() == "old"
    assert [found.name for found in tmp_path.iterdir()] == ["table.csv"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_a_new_file_in_a_known_format_may_be_written(tmp_path, suffix):
    check_output(tmp_path / f"new{suffix}", overwrite=False)


def test_a_name_without_a_folder_is_one_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = type(tmp_path)("new.csv")
    check_output(path, overwrite=False)
    write_table(FRAME, path)
    assert (tmp_path / "new.csv").exists()


def test_an_existing_file_is_overwritten_only_where_the_caller_says_so(tmp_path):
    path = tmp_path / "old.csv"
    path.touch()
    check_output(path, overwrite=True)
    with pytest.raises(
        DataError,
        match=r"old\.csv exists: choose another output, or overwrite it \(--overwrite, in Python overwrite=True\)$",
    ):
        check_output(path, overwrite=False)


@pytest.mark.parametrize("overwrite", [True, False])
@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("folder.csv", "is a folder"),
        ("nowhere/new.csv", ": the folder {}/nowhere does not exist"),
        ("new.xlsx", " must be a .csv, .tsv (either also .gz) or .parquet file"),
        ("new", " must be a .csv, .tsv (either also .gz) or .parquet file"),
        ("new.gz", " must be a .csv, .tsv (either also .gz) or .parquet file"),
        ("new.parquet.gz", " must be a .csv, .tsv (either also .gz) or .parquet file"),
    ],
)
def test_an_output_that_cannot_be_written_is_refused_before_the_work(tmp_path, name, problem, overwrite):
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match=re.escape(problem.format(tmp_path))):
        check_output(tmp_path / name, overwrite=overwrite)
