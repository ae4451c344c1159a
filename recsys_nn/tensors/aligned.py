"""Arrays that TensorFlow can take as they are, without a copy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

ALIGNMENT = 64
"""Bytes; what TensorFlow's kernels ask of the address of an array."""


def aligned_empty(shape: int | tuple[int, ...], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """``np.empty`` at an address that TensorFlow can use."""
    shape = (shape,) if isinstance(shape, int) else shape
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + ALIGNMENT, dtype=np.uint8)
    start = -memory.ctypes.data % ALIGNMENT
    return memory[start : start + size].view(dtype).reshape(shape)


def is_aligned(array: npt.NDArray[Any]) -> bool:
    """Tells whether TensorFlow can use the memory of ``array`` without a copy."""
    flags = array.flags
    return bool(flags.c_contiguous and flags.writeable and array.size and array.ctypes.data % ALIGNMENT == 0)


def aligned(array: npt.NDArray[Any], dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """``array`` as ``dtype`` at an address that TensorFlow can use: itself where it is so already, else a copy."""
    if array.dtype == dtype and is_aligned(array):
        return array
    copy = aligned_empty(array.shape, dtype)
    copy[...] = array
    return copy
