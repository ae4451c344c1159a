"""Parquet files part by part: rows, places, and memory that does not grow."""

import resource

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from recsys_nn.errors import DataError
from recsys_nn.files.parquet import parquet_parts
from tests.faults.processes import DONE, forked


def test_parts_are_rows_in_their_order_with_their_places(tmp_path):
    table = pa.table({"user": range(10), "item": range(10, 20)})
    pq.write_table(table, tmp_path / "pairs.parquet", row_group_size=4)
    parts = list(parquet_parts(tmp_path / "pairs.parquet", 3))
    assert pa.concat_tables([part for part, _ in parts]).equals(table)
    assert max(part.num_rows for part, _ in parts) == 3
    first = 0
    for part, where in parts:
        assert where(0) == f"{tmp_path / 'pairs.parquet'}, row {first}"
        first += part.num_rows
    assert {tuple(part.column_names) for part, _ in parquet_parts(tmp_path / "pairs.parquet", 3, ["item"])} == {
        ("item",)
    }


def test_a_file_is_never_held_whole(tmp_path):
    numbers = np.random.default_rng(0).integers(2**62, size=2**19)  # 4 MiB, which nothing makes smaller
    pq.write_table(pa.table({"user": numbers}), tmp_path / "pairs.parquet", row_group_size=2**14, use_dictionary=False)
    held = [pa.total_allocated_bytes() for _ in parquet_parts(tmp_path / "pairs.parquet", 2**14)]
    assert len(held) == 32
    assert max(held) - pa.total_allocated_bytes() < 2 * 2**20


def test_a_small_file_whose_page_says_that_it_is_large_is_refused_without_making_room_for_it(tmp_path):
    table = pa.table({"user": ["u" * 120] * 2**15})
    pq.write_table(table, tmp_path / "p.parquet", use_dictionary=False, compression="none", data_page_size=2**24)
    content = (tmp_path / "p.parquet").read_bytes()
    # A page begins with its type, its size and its packed size, each behind a byte for the field: of Thrift's compact
    # integers, these are the largest of four bytes, 128 MiB - 1.
    assert (content[4:7], content[11]) == (b"\x15\0\x15", 0x15)
    (tmp_path / "p.parquet").write_bytes(content[:7] + b"\xfe\xff\xff\x7f\x15\xfe\xff\xff\x7f" + content[16:])

    def refused() -> None:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(DataError, match="p.parquet cannot be read as Parquet: .*than expected"):
            list(parquet_parts(tmp_path / "p.parquet", 2**14))
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**16  # KiB

    assert forked(refused) == DONE
