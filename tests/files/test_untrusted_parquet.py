"""Parquet that nobody is trusted with: what is read, what is refused, and before what."""

import io

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_nn.errors import ArtifactError
from recsys_nn.files import parquet_pages, untrusted_parquet
from recsys_nn.files.parquet_pages import unpacked_bytes
from recsys_nn.files.untrusted_parquet import are_integers, plain_table, read_plain_table

PLAIN = pd.DataFrame(
    {
        "id": ["b", "ä", ""],
        "count": np.array([1, 2, 3], np.int32),
        "share": [0.5, np.nan, 1.0],
        "age": pd.array([2**62 + 1, None, 3], "Int64"),
        "when": pd.to_datetime(["2020-01-01", None, "2020-01-03"]).as_unit("us"),
        "liked": [True, False, True],
    }
)


def parquet(table: pa.Table | dict, **options: object) -> bytes:
    content = io.BytesIO()
    pq.write_table(table if isinstance(table, pa.Table) else pa.table(table), content, **options)
    return content.getvalue()


@pytest.mark.parametrize("compression", ["snappy", "zstd", "gzip", "none"])
def test_plain_columns_come_back_exactly(compression):
    content = PLAIN.to_parquet(compression=compression)
    pd.testing.assert_frame_equal(read_plain_table(content, "plain.parquet", rows=3), PLAIN)


def test_columns_are_chosen_and_come_in_that_order():
    read = read_plain_table(PLAIN.to_parquet(), "plain.parquet", columns=["share", "id"])
    pd.testing.assert_frame_equal(read, PLAIN[["share", "id"]])


def test_an_empty_table_has_its_columns():
    read = read_plain_table(PLAIN.iloc[:0].to_parquet(index=False), "plain.parquet", columns=["count", "id"])
    assert (len(read), list(read)) == (0, ["count", "id"])


def test_an_index_is_no_more_than_a_column():
    read = read_plain_table(PLAIN[["id", "count"]].set_index("id").to_parquet(), "plain.parquet")
    assert read.columns.tolist() == ["count", "id"]


@pytest.mark.parametrize("noted", [b"\xe1", b"{}", b'{"columns": [{"numpy_type": "os.system"}]}', b"[" * 100_000])
def test_what_pandas_has_noted_has_no_effect(noted):
    """Found by mutated artifacts: pandas fails on notes of its own that have changed, in as many ways as they can."""
    table = pa.table({"count": [1, 2]}).replace_schema_metadata({b"pandas": noted})
    pd.testing.assert_frame_equal(read_plain_table(parquet(table), "noted.parquet"), pd.DataFrame({"count": [1, 2]}))


def test_categories_are_texts():
    read = read_plain_table(pd.DataFrame({"of": pd.Categorical(["x", None, "x"])}).to_parquet(), "plain.parquet")
    pd.testing.assert_frame_equal(read, pd.DataFrame({"of": ["x", None, "x"]}, dtype="str"))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "file size is 0 bytes"),
        (b"PAR1", "file size is 4 bytes"),
        (PLAIN.to_parquet()[:-1], "Parquet magic bytes not found"),
        (PLAIN[:2].to_parquet(), "it must have 3 rows, not 2"),
        (PLAIN[["count"]].to_parquet(), "the column 'id' is missing"),
        (parquet(pa.Table.from_arrays([pa.array([1, 2, 3])] * 2, ["id", "id"])), "the column 'id' occurs twice"),
        (parquet({"id": [[1], [2], [3]]}), "the column 'id' must hold numbers, texts or times, not list<"),
        (parquet({"id": [{"a": 1}] * 3}), "the column 'id' must hold numbers, texts or times, not struct<"),
        (parquet({"id": [b"a", b"b", b"c"]}), "the column 'id' must hold numbers, texts or times, not binary"),
        (
            parquet({"id": pa.array([1, 2, 3], pa.decimal128(5, 2))}),
            "the column 'id' must hold numbers, texts or times, not decimal128",
        ),
    ],
)
def test_other_tables_are_refused(content, message):
    with pytest.raises(ArtifactError, match=f"^plain.parquet is damaged: .*{message}"):
        read_plain_table(content, "plain.parquet", columns=["id"], rows=3)


def test_texts_that_are_no_unicode_are_refused():
    content = parquet({"id": ["aaaa", "bbbb"]}, compression="none").replace(b"aaaa", b"\xff\xff\xff\xff")
    with pytest.raises(ArtifactError, match="plain.parquet is damaged: .*UTF8"):
        read_plain_table(content, "plain.parquet")


@pytest.mark.parametrize(
    ("most", "message"),
    [("MAX_COLUMNS", "it has too many columns, 3, or groups of rows, 2$"), ("MAX_ROW_GROUPS", "3 col|Exc")],
)
def test_columns_and_groups_of_rows_are_bounded(monkeypatch, most, message):
    monkeypatch.setattr(untrusted_parquet, most, 1)
    with pytest.raises(ArtifactError, match=f"plain.parquet is damaged: .*({message})"):
        read_plain_table(parquet({name: [1, 2] for name in "abc"}, row_group_size=1), "plain.parquet")


def test_a_table_of_which_few_bytes_stand_for_many_is_written_at_length_and_read_again():
    table = pd.DataFrame({f"{k}": ["the same of all"] * 300_000 for k in range(3)})
    short = table.to_parquet(index=False, compression="zstd")
    with pytest.raises(
        ArtifactError, match="short.parquet is damaged: its rows must take at most 8,749,888 bytes, not 13,500,000$"
    ):
        read_plain_table(short, "short.parquet")
    content = plain_table(table, "zstd")
    assert len(content) > 10 * len(short)
    pd.testing.assert_frame_equal(read_plain_table(content, "long.parquet"), table)


class TestRoom:
    """A table may take 100 bytes, and 2 for each of its file."""

    @pytest.fixture(autouse=True)
    def _little_room(self, monkeypatch):
        monkeypatch.setattr(untrusted_parquet, "MIN_ROOM", 100)
        monkeypatch.setattr(untrusted_parquet, "ROOM_A_BYTE", 2)

    def test_rows_are_counted_before_they_are_read(self, monkeypatch):
        monkeypatch.setattr(pq.ParquetFile, "read", None)
        content = parquet({"n": pa.array([7] * 1000)})
        with pytest.raises(ArtifactError, match=rf"take at most {100 + 2 * len(content):,} bytes, not 8,000"):
            read_plain_table(content, "plain.parquet")

    def test_pages_are_looked_at_before_they_are_unpacked(self, monkeypatch):
        monkeypatch.setattr(pq.ParquetFile, "read", None)
        content = parquet({"id": ["a" * 50_000]}, compression="zstd", use_dictionary=False, write_statistics=False)
        with pytest.raises(
            ArtifactError, match="plain.parquet is damaged: its rows must take at most 860 bytes, not 50,010$"
        ):
            read_plain_table(content, "plain.parquet")

    def test_texts_are_counted_as_often_as_they_occur(self):
        texts = pa.DictionaryArray.from_arrays(pa.array([0, None, 0] * 20, pa.int8()), pa.array(["a" * 200]))
        with pytest.raises(
            ArtifactError, match="plain.parquet is damaged: its rows must take at most 2,652 bytes, not 8,000$"
        ):
            read_plain_table(parquet({"id": texts}), "plain.parquet")


def test_integers_are_those_within_the_bounds_without_a_gap():
    assert are_integers(pd.Series([0, 5]), 0, 5)
    assert not are_integers(pd.Series([0, 6]), 0, 5)
    assert not are_integers(pd.Series([-1, 5]), 0, 5)
    assert not are_integers(pd.Series([0.0, 5.0]), 0, 5)
    assert not are_integers(pd.Series([True, False]), 0, 5)
    assert not are_integers(pd.Series([0, None], dtype="Int64"), 0, 5)


# Pages


def sizes(content: bytes) -> int:
    return unpacked_bytes(memoryview(content), pq.read_metadata(pa.BufferReader(content)))


@pytest.mark.parametrize("version", ["1.0", "2.0"])
@pytest.mark.parametrize("compression", ["none", "snappy", "zstd"])
def test_the_bytes_of_all_pages_are_those_that_the_metadata_tells_of_an_honest_file(version, compression):
    table = pa.table({"n": np.arange(50_000), "text": [f"{k % 1000}" for k in range(50_000)]})
    options = {"data_page_version": version, "compression": compression, "data_page_size": 10_000}
    content = parquet(table, row_group_size=20_000, **options)
    metadata = pq.read_metadata(pa.BufferReader(content))
    chunks = [metadata.row_group(g).column(c) for g in range(3) for c in range(2)]
    stated = sum(chunk.total_uncompressed_size for chunk in chunks)
    assert stated * 0.95 < sizes(content) <= stated  # which counts the headers too


class Chunk:
    """What pyarrow tells of a column, of one group of rows."""

    has_dictionary_page, dictionary_page_offset = False, None

    def __init__(self, place: int, size: int) -> None:
        self.data_page_offset, self.total_compressed_size = place, size
        self.num_row_groups = self.num_columns = 1

    def row_group(self, _: int) -> "Chunk":
        return self

    def column(self, _: int) -> "Chunk":
        return self


def page(*, unpacked: bytes = b"\x14", packed: bytes = b"\x00", before: bytes = b"") -> bytes:
    """A header: field 1, an i32, is 0; what is ``before``; fields 2 and 3."""
    return b"\x15\x00" + before + (b"\x15" if not before else b"\x05\x04") + unpacked + b"\x15" + packed + b"\x00"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (page(), 10),
        (page() * 3, 30),
        (page(unpacked=b"\xfe\xff\xff\xff\x0f"), 2**31 - 1),
        (page(packed=b"\x06") + b"abc", 10),
        (page()[:-1] + b"\x11\x00", 10),  # a true boolean behind
        (page()[:-1] + b"\x18\x02ab\x00", 10),  # a binary
        (page()[:-1] + b"\x2c\x15\x02\x00\x00", 10),  # a struct with a field
    ],
)
def test_sizes_are_read_from_the_headers(content, expected):
    assert unpacked_bytes(memoryview(b"PAR1" + content), Chunk(4, len(content))) == expected


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x00", "^a page that lies outside its column$"),
        (page(unpacked=b"\x01"), "^a page that lies outside its column$"),
        (page(packed=b"\x01"), "^a page that lies outside its column$"),
        (page(packed=b"\x06") + b"ab", "^a page that lies outside its column$"),
        (page()[:-1], "^a header of a page that ends too early$"),
        (page()[:-1] + b"\x18\x7fab\x00", "^a header of a page that ends too early$"),
        (b"\x15" + b"\xff" * 20, "^a header of a page with a number of more than 64 bits$"),
        (b"\x19\x00", "^a header of a page with a field of type 9$"),
        (b"\x1c" * 10, "^a header of a page with structs within structs$"),
    ],
)
def test_what_is_no_header_is_refused(content, message):
    with pytest.raises(ValueError, match=message):
        unpacked_bytes(memoryview(b"PAR1" + content), Chunk(4, len(content)))


@pytest.mark.parametrize(("place", "size"), [(0, 5), (-1, 5), (4, 100), (200, 1), (4, -1)])
def test_a_column_that_lies_outside_the_file_is_refused(place, size):
    with pytest.raises(ValueError, match="a column that lies outside the file"):
        unpacked_bytes(memoryview(b"PAR1" + page()), Chunk(place, size))


def test_the_number_of_pages_is_bounded(monkeypatch):
    monkeypatch.setattr(parquet_pages, "MAX_PAGES", 2)
    content = b"PAR1" + page() * 3
    assert unpacked_bytes(memoryview(content), Chunk(4, 2 * len(page()))) == 20
    with pytest.raises(ValueError, match="more than 2 pages"):
        unpacked_bytes(memoryview(content), Chunk(4, 3 * len(page())))


def test_other_rows_than_the_metadata_tells_of_are_refused(monkeypatch):
    read = pq.ParquetFile.read
    monkeypatch.setattr(pq.ParquetFile, "read", lambda *given, **options: read(*given, **options).slice(1))
    with pytest.raises(ArtifactError, match="plain.parquet is damaged: it has 2 rows, but its metadata says 3$"):
        read_plain_table(PLAIN.to_parquet(), "plain.parquet")
