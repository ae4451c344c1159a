import numpy as np
import pytest

from recsys_nn.tensors.aligned import ALIGNMENT, aligned, aligned_empty, is_aligned


@pytest.mark.parametrize("shape", [1, 7, (3, 5), (2, 3, 4)])
@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_an_aligned_array_begins_where_it_must(shape, dtype):
    array = aligned_empty(shape, dtype)
    assert array.shape == np.empty(shape).shape
    assert array.dtype == dtype
    assert array.ctypes.data % ALIGNMENT == 0
    assert is_aligned(array)


def test_an_array_is_copied_only_where_it_must_be():
    array = aligned_empty(10, np.int32)
    array[:] = np.arange(10)
    assert aligned(array, np.int32) is array
    for other in (array[1:], array[::2], array.astype(np.int64)):
        copy = aligned(other, np.int32)
        np.testing.assert_array_equal(copy, other)
        assert is_aligned(copy)
        assert not np.shares_memory(copy, array)


def test_a_read_only_array_is_not_shared():
    array = aligned_empty(4, np.float32)
    array.flags.writeable = False
    assert not is_aligned(array)
    assert aligned(array, np.float32) is not array
