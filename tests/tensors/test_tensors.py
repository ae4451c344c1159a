"""Arrays for training: one dtype each, equal lengths, finite numbers."""

import numpy as np
import pandas as pd
import pytest

from recsys_nn.errors import DataError
from recsys_nn.tensors.tensors import Tensors, drawn_in_chunks, epoch_order, shuffled_order


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([1, 2], np.int32),
        (np.array([1, 2], dtype="uint64"), np.int32),
        (np.array([-(2**31), 2**31 - 1]), np.int32),
        ([True, False], np.int32),
        ([1.5, 2.0], np.float32),
        (np.array([1.5, 2.0], dtype="float16"), np.float32),
        (pd.Series([1, 2], index=[7, 8]), np.int32),
        (pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]}), np.float32),
    ],
)
def test_integers_are_held_as_int32_and_other_numbers_as_float32(values, dtype):
    tensors = Tensors(values, [0, 0])
    assert tensors.inputs.dtype == dtype
    np.testing.assert_array_equal(tensors.inputs, np.asarray(values))


def test_targets_are_float32_of_one_or_more_columns():
    for targets in ([1, 2], [1.5, 2.5], [[1, 2], [3, 4]]):
        tensors = Tensors([1, 2], targets)
        assert tensors.targets.dtype == np.float32
        np.testing.assert_array_equal(tensors.targets, targets)


def test_inputs_may_be_named():
    tensors = Tensors({"user": [1, 2, 3], "price": [1, 2, 0.5]}, [1, 2, 3])
    assert list(tensors.inputs) == ["user", "price"]
    assert [array.dtype for array in tensors.inputs.values()] == [np.int32, np.float32]
    assert len(tensors) == 3
    assert repr(tensors) == "Tensors(3 rows, inputs user, price)"
    assert repr(Tensors(np.zeros((2, 4)), [1, 2])) == "Tensors(2 rows, inputs (2, 4))"


REFUSED = {
    "more inputs": ([1, 2], [1], "the inputs must have as many rows as the targets, 1, not 2$"),
    "more of one input": (
        {"user": [1], "item": [1, 2]},
        [1],
        "the input 'item' must have as many rows as the targets, 1, not 2$",
    ),
    "one number": (5, [1], "the inputs must be an array with a row for each example, not the single value 5$"),
    "one target": ([1], 2.5, "the targets must be an array with a row for each example, not the single value 2.5$"),
    "texts": ({"user": ["196"]}, [1], "the input 'user' must hold numbers, not <U3$"),
    "objects": ([None], [1], "the inputs must hold numbers, not object$"),
    "complex numbers": ([1j], [1], "the inputs must hold numbers, not complex128$"),
    "NaN": ([[1.0, 2.0], [3.0, np.nan]], [1, 2], "row 1: the inputs must hold finite 32-bit numbers, not nan$"),
    "infinity": ([1, 2, 3], [1, 2, -np.inf], "row 2: the targets must hold finite 32-bit numbers, not -inf$"),
    "2**31": ({"user": [2**31]}, [1], "the input 'user' must hold integers of at most 32 bits$"),
    "below -2**31": ([-(2**31) - 1], [1], "the inputs must hold integers of at most 32 bits$"),
    "2**63": (np.array([2**63], dtype="uint64"), [1], "the inputs must hold integers of at most 32 bits$"),
    "infinite as float32": ([1, 2], [1.0, 1e39], r"row 1: the targets must hold finite 32-bit numbers, not 1e\+39$"),
    "no input": ({}, [1], "inputs must not be empty: give an array for each input$"),
}


@pytest.mark.filterwarnings("error:overflow")
@pytest.mark.parametrize(("inputs", "targets", "message"), REFUSED.values(), ids=REFUSED)
def test_what_a_model_cannot_be_trained_on_is_refused(inputs, targets, message):
    with pytest.raises(DataError, match=message):
        Tensors(inputs, targets)


@pytest.mark.parametrize("named", [True, False])
def test_rows_are_taken_from_inputs_and_targets_alike(named):
    inputs = np.array([[1, 2], [3, 4], [5, 6]])
    part = Tensors({"x": inputs} if named else inputs, [10, 20, 30]).take(np.array([2, 0]))
    found = part.inputs["x"] if named else part.inputs
    assert found.tolist() == [[5, 6], [1, 2]]
    assert part.targets.tolist() == [30.0, 10.0]
    assert found.dtype == np.int32
    assert part.targets.dtype == np.float32


def test_a_fraction_is_held_out_at_random_and_both_parts_keep_the_order():
    tensors = Tensors(np.arange(100), np.arange(100) * 2)
    rest, held_out = tensors.split(0.25, seed=7)
    assert (len(rest), len(held_out)) == (75, 25)
    assert sorted([*rest.inputs, *held_out.inputs]) == list(range(100))
    for part in (rest, held_out):
        assert part.inputs.tolist() == sorted(part.inputs)
        assert part.targets.tolist() == (part.inputs * 2).tolist()
    assert tensors.split(0.25, seed=7)[1].inputs.tolist() == held_out.inputs.tolist()
    assert tensors.split(0.25, seed=8)[1].inputs.tolist() != held_out.inputs.tolist()


@pytest.mark.parametrize("fraction", [0.0, 0.01, 0.99, 1.0])
def test_a_fraction_that_leaves_a_part_empty_is_refused(fraction):
    with pytest.raises(DataError, match=f"10 rows are too few to hold out a fraction of {fraction:g}"):
        Tensors(np.arange(10), np.arange(10)).split(fraction, seed=0)


@pytest.mark.parametrize("named", [True, False])
def test_a_dataset_gives_batches_in_the_given_order(named):
    inputs = np.arange(5)
    dataset = Tensors({"user": inputs} if named else inputs, inputs / 2).to_dataset(batch_size=2)
    batches = [(x["user"] if named else x, y) for x, y in dataset.as_numpy_iterator()]
    assert [x.tolist() for x, _ in batches] == [[0, 1], [2, 3], [4]]
    assert [y.tolist() for _, y in batches] == [[0.0, 0.5], [1.0, 1.5], [2.0]]
    assert {(x.dtype, y.dtype) for x, y in batches} == {(np.dtype(np.int32), np.dtype(np.float32))}


def test_an_order_may_be_longer_than_what_is_written_of_it_at_once():
    order = shuffled_order(2**16 + 3, None)
    np.testing.assert_array_equal(order, np.arange(2**16 + 3))
    assert order.dtype == np.int32


def test_all_examples_in_memory_are_one_block_in_the_order_of_the_epoch():
    tensors = Tensors(np.arange(50), np.arange(50))
    for settings in ({}, {"seed": 1}, {"epoch": 2}, {"shuffle": True}, {"seed": 1, "epoch": 2, "shuffle": True}):
        (block,) = tensors.blocks(batch_size=4, **settings)
        assert block.tensors is tensors
        expected = epoch_order(50, **({"seed": 0, "epoch": 0, "shuffle": False} | settings))
        np.testing.assert_array_equal(block.order, expected)
    assert not np.array_equal(epoch_order(50, seed=0, epoch=0), np.arange(50))


def test_of_every_chunk_its_share_is_drawn():
    """Of 10, 20 and 30 rows a third: 3, 7 and 10, each position once and in order."""
    chunks = list(drawn_in_chunks(np.array([10, 20, 30]), 20, np.random.default_rng(0)))
    assert [len(chunk) for chunk in chunks] == [3, 7, 10]
    for chunk, size in zip(chunks, (10, 20, 30), strict=True):
        assert (np.diff(chunk) > 0).all()
        assert 0 <= chunk[0] <= chunk[-1] < size
