"""Parquet files part by part: rows, places, and memory that does not grow."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from recsys_nn.data.parquet import parquet_parts


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
