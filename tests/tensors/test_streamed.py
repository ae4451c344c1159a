"""Examples on disk, block by block: each once an epoch, in an order of seed and epoch alone, and parts of them."""

import gc
from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_nn.errors import DataError
from recsys_nn.tensors import row_file
from recsys_nn.tensors.row_file import RowFile
from recsys_nn.tensors.streamed import StreamedTensors
from recsys_nn.tensors.tensors import Block, Tensors, TrainingPart

REPEATABLE = settings(derandomize=True, deadline=None, max_examples=40)
CHUNK = 8


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_file, "CHUNK_ROWS", CHUNK)
        yield


def streamed(n: int, **options: int) -> StreamedTensors:
    """Row k has user k, item 2k and rating k / 2."""
    numbers = np.arange(n, dtype=np.int32)
    return StreamedTensors(RowFile.temporary([(numbers, 2 * numbers, numbers / 2)]), **options)


def visited(blocks: Iterator[Block]) -> list[int]:
    """The users in the order in which the examples of all blocks are visited."""
    return [user for block in blocks for user in block.tensors.inputs["user"][block.order].tolist()]


def users(part: TrainingPart) -> list[int]:
    return visited(part.blocks(batch_size=1))


def test_they_are_what_the_trainer_takes():
    part = streamed(20)
    assert isinstance(part, TrainingPart)
    assert isinstance(part.take(np.array([0])), TrainingPart)
    assert len(part) == 20
    assert repr(part) == "StreamedTensors(20 rows, inputs user, item)"


def test_a_block_is_tensors_in_memory_with_a_permutation_of_them():
    (block,) = streamed(20).blocks(batch_size=4, shuffle=True)
    assert isinstance(block.tensors, Tensors)
    assert list(block.tensors.inputs) == ["user", "item"]
    assert [array.dtype for array in block.tensors.inputs.values()] == [np.int32, np.int32]
    assert (block.tensors.targets.dtype, block.order.dtype) == (np.float32, np.int32)
    assert sorted(block.order.tolist()) == list(range(20))
    np.testing.assert_array_equal(block.tensors.inputs["item"], 2 * block.tensors.inputs["user"])
    np.testing.assert_array_equal(block.tensors.targets, block.tensors.inputs["user"] / 2)


def test_without_shuffling_the_order_is_that_of_the_table():
    blocks = list(streamed(20, block_rows=6).blocks(batch_size=2, seed=7, epoch=3))
    assert [len(block.tensors) for block in blocks] == [6, 6, 6, 2]
    assert visited(iter(blocks)) == list(range(20))


@REPEATABLE
@given(
    n=st.integers(1, 100),
    batch_size=st.integers(1, 40),
    block_rows=st.integers(1, 60),
    seed=st.integers(0, 2**32),
    epoch=st.integers(0, 9),
    shuffle=st.booleans(),
)
def test_an_epoch_has_each_example_once_in_blocks_of_whole_batches(n, batch_size, block_rows, seed, epoch, shuffle):
    part = streamed(n, block_rows=block_rows)
    blocks = list(part.blocks(batch_size=batch_size, seed=seed, epoch=epoch, shuffle=shuffle))
    assert sorted(visited(iter(blocks))) == list(range(n))
    lengths = [len(block.tensors) for block in blocks]
    assert all(length % batch_size == 0 for length in lengths[:-1])
    assert max(lengths) <= max(block_rows, batch_size)
    assert [len(block.order) for block in blocks] == lengths


def test_the_order_is_a_function_of_seed_and_epoch_alone():
    def order(seed: int, epoch: int) -> list[int]:
        return visited(streamed(100, block_rows=30).blocks(batch_size=5, seed=seed, epoch=epoch, shuffle=True))

    assert order(7, 2) == order(7, 2)
    assert len({tuple(order(seed, epoch)) for seed in (7, 8) for epoch in (0, 1, 2)}) == 6


def test_shuffling_brings_together_chunks_from_all_over_the_table_and_mixes_them():
    n = 100 * CHUNK
    (first, *_) = streamed(n, block_rows=10 * CHUNK).blocks(batch_size=8, seed=1, shuffle=True)
    found = first.tensors.inputs["user"][first.order]
    assert np.ptp(found) > n / 2
    assert len(set(found // CHUNK)) == 10
    assert sum(after == before + 1 for before, after in pairwise(found.tolist())) < 10


@REPEATABLE
@given(n=st.integers(4, 60), workers=st.integers(1, 4), batch_size=st.integers(1, 9), epoch=st.integers(0, 3))
def test_workers_have_equal_parts_of_an_epoch_with_none_in_common(n, workers, batch_size, epoch):
    part = streamed(n, block_rows=10)
    order = {"batch_size": batch_size, "seed": 5, "epoch": epoch, "shuffle": True}
    found = [visited(part.of_worker(rank, workers).blocks(**order)) for rank in range(workers)]
    assert {len(rows) for rows in found} == {len(part.of_worker(0, workers))} == {n // workers}
    together = [row for rows in found for row in rows]
    assert len(set(together)) == len(together) == n - n % workers


def test_a_worker_can_look_up_any_row():
    part = streamed(20)
    assert part.of_worker(1, 2).take(np.array([3, 17])).inputs["user"].tolist() == [3, 17]


def test_a_worker_has_other_rows_in_each_epoch():
    part = streamed(8 * CHUNK).of_worker(0, 2)
    epochs = [set(visited(part.blocks(batch_size=4, seed=1, epoch=epoch, shuffle=True))) for epoch in range(12)]
    assert len(set.union(*epochs)) == 8 * CHUNK


def test_a_worker_reads_no_other_chunks_than_those_of_its_rows(monkeypatch):
    read = []
    chunks = RowFile.chunks
    monkeypatch.setattr(RowFile, "chunks", lambda rows, which: read.extend(which) or chunks(rows, which))
    part = streamed(7 * CHUNK)  # of which two workers have three and a half chunks each
    for rank, own in ((0, [0, 1, 2, 3]), (1, [3, 4, 5, 6])):
        read.clear()
        list(part.of_worker(rank, 2).blocks(batch_size=4))
        assert read == own


def test_rows_for_fewer_than_all_workers_are_refused():
    with pytest.raises(DataError, match="3 rows are too few for 4 workers"):
        streamed(3).of_worker(0, 4)


def test_rows_are_taken_as_from_tensors_in_memory():
    part = streamed(20)
    for rows in ([0], [19, 3, 3, 8, -1], []):
        taken = part.take(np.array(rows, dtype=np.int64))
        assert taken.inputs["user"].tolist() == np.arange(20)[rows].tolist() if rows else len(taken) == 0
        assert taken.targets.tolist() == (taken.inputs["user"] / 2).tolist()
    for beyond in (20, -21):
        with pytest.raises(IndexError, match="beyond the 20 rows"):
            part.take(np.array([0, beyond]))


@REPEATABLE
@given(st.integers(4, 100), st.floats(0.15, 0.85), st.integers(0, 2**32))
def test_a_split_is_a_partition_of_which_the_held_out_part_is_in_memory(n, fraction, seed):
    part = streamed(n)
    rest, held_out = part.split(fraction, seed=seed)
    assert isinstance(rest, StreamedTensors)
    assert isinstance(held_out, Tensors)
    assert len(held_out) == round(fraction * n) == n - len(rest)
    assert users(held_out) == sorted(users(held_out))
    assert users(rest) == sorted(set(range(n)) - set(users(held_out)))
    assert users(part) == list(range(n))
    np.testing.assert_array_equal(held_out.targets, held_out.inputs["user"] / 2)
    np.testing.assert_array_equal(rest.take(np.arange(len(rest))).inputs["user"], users(rest))


def test_a_split_is_a_function_of_the_seed():
    part = streamed(100)
    assert users(part.split(0.25, seed=7)[1]) == users(part.split(0.25, seed=7)[1])
    assert users(part.split(0.25, seed=7)[1]) != users(part.split(0.25, seed=8)[1])


def test_what_is_left_is_split_again():
    rest, test = streamed(100).split(0.2, seed=1)
    train, validation = rest.split(0.25, seed=1)
    assert (len(train), len(validation), len(test)) == (60, 20, 20)
    assert sorted([*users(train), *users(validation), *users(test)]) == list(range(100))
    assert sorted(visited(train.blocks(batch_size=7, shuffle=True))) == users(train)


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.99, 1.0])
def test_a_fraction_that_leaves_a_part_empty_is_refused(fraction):
    with pytest.raises(DataError, match=f"10 rows are too few to hold out a fraction of {fraction:g}"):
        streamed(10).split(fraction, seed=0)


def test_a_block_has_at_least_one_row():
    with pytest.raises(DataError, match="block_rows must be a positive integer such as 10000, not 0$"):
        streamed(10, block_rows=0)


def test_a_temporary_file_goes_with_the_last_part_that_reads_it():
    part = streamed(100, block_rows=10)
    folder = part._rows.path.parent
    rest, _ = part.split(0.5, seed=0)
    blocks = rest.blocks(batch_size=1)
    next(blocks)
    del part, rest
    gc.collect()
    assert sum(len(block.tensors) for block in blocks) == 40
    del blocks
    gc.collect()
    assert not folder.exists()
