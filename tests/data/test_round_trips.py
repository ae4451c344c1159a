"""Whatever table of ratings somebody writes, in whichever way, is read back as the same ratings."""

import csv
import gzip
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_nn.data.readers import read_ratings
from recsys_nn.data.stream import stream_ratings
from recsys_nn.data.table_format import TableFormat
from recsys_nn.files.spreadsheets import restored
from recsys_nn.files.tables import write_table

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=20)
TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")) | st.sampled_from("'=-+@,;|\t\"\n"), min_size=1
)
FEATURES = ("device", "hour")


def keeps_its_apostrophes(text: str) -> bool:
    """Not so one before a formula, which is taken for the mark that this package writes there."""
    return restored(pa.table({"": [text]}), "")[""][0].as_py() == text


IDS = TEXTS.filter(lambda text: text == text.strip() and keeps_its_apostrophes(text))


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Of up to five ratings; ids are texts, or integers for both sides."""
    ids = draw(st.sampled_from([IDS, st.integers(-(2**63), 2**63 - 1)]))
    items = draw(st.lists(ids, min_size=1, max_size=5, unique=True))

    def column(values: st.SearchStrategy) -> list:
        return draw(st.lists(values, min_size=len(items), max_size=len(items)))

    return pd.DataFrame(
        {
            "user": column(ids),
            "item": items,
            "rating": column(st.floats(-1e100, 1e100)),
            "timestamp": column(st.datetimes(pd.Timestamp("1900-01-01"), pd.Timestamp("2199-12-31"))),
            "device": column(IDS.map(lambda text: f"device {text}")),
            "hour": column(st.integers(-(2**53), 2**53)),
        }
    ).astype({"timestamp": "datetime64[us]"})


def as_texts(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(timestamp=[moment.isoformat() for moment in table["timestamp"]])


def by_csv_module(table: pd.DataFrame, path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(table.columns)
        writer.writerows(as_texts(table).itertuples(index=False))


def by_pandas_in_utf16(table: pd.DataFrame, path: Path) -> None:
    as_texts(table).to_csv(path, index=False, encoding="utf-16", sep="\t", quoting=csv.QUOTE_NONNUMERIC)


def by_pyarrow_and_gzip(table: pd.DataFrame, path: Path) -> None:
    with gzip.open(path, "wb") as stream:
        pa.csv.write_csv(pa.Table.from_pandas(as_texts(table), preserve_index=False), stream)


def by_pyarrow_with_other_pages(table: pd.DataFrame, path: Path) -> None:
    table = pa.Table.from_pandas(table, preserve_index=False)
    pq.write_table(table, path, compression="zstd", data_page_version="2.0", row_group_size=2, use_dictionary=False)


WRITERS: dict[str, tuple[str, Callable[[pd.DataFrame, Path], object]]] = {
    "csv": ("r.csv", by_csv_module),
    "pandas": ("r.csv", lambda table, path: as_texts(table).to_csv(path, index=False)),
    "pandas in UTF-16": ("r.tsv", by_pandas_in_utf16),
    "pyarrow and gzip": ("r.csv.gz", by_pyarrow_and_gzip),
    "this package": ("r.csv", lambda table, path: write_table(as_texts(table), path)),
    "this package, tabs and gzip": ("r.tsv.gz", lambda table, path: write_table(as_texts(table), path)),
    "this package, Parquet": ("r.parquet", write_table),
    "pandas, Parquet": ("r.parquet", lambda table, path: table.to_parquet(path)),
    "pyarrow, other pages": ("r.parquet", by_pyarrow_with_other_pages),
}


@pytest.mark.parametrize(("name", "write"), WRITERS.values(), ids=WRITERS)
@REPEATABLE
@given(table=tables())
def test_ratings_are_read_as_they_were_written(tmp_path_factory, name, write, table):
    path = tmp_path_factory.mktemp("written") / name
    write(table, path)
    kind = "integer" if pd.api.types.is_integer_dtype(table["user"]) else "string"
    separator = None if path.suffix == ".parquet" else "\t" if ".tsv" in name else ","
    found = read_ratings(path, TableFormat(id_type=kind, separator=separator, features=FEATURES)).frame
    assert found.to_dict("list") == table.to_dict("list")


@REPEATABLE
@given(table=tables(), rows=st.integers(1, 3))
def test_a_stream_of_files_is_their_rows_in_order(tmp_path_factory, table, rows):
    folder = tmp_path_factory.mktemp("parts")
    for first in range(0, len(table), rows):
        table.iloc[first : first + rows].to_parquet(folder / f"{first}.parquet")
    stream = stream_ratings(folder)
    found = pd.concat([part.frame for part in stream])
    assert len(stream) == len(table)
    assert found.to_dict("list") == table[["user", "item", "rating"]].to_dict("list")
