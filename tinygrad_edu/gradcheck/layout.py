"""How arrays lie in memory: transposed, reversed, with gaps.

An operation is handed views as often as arrays of their own, and its fast form may treat them differently: a product
reads a transposed matrix as it lies, a loop over windows follows the strides. So a check keeps the layout of its
inputs, and hands over gradients in other layouts as well.
"""

from __future__ import annotations

from typing import Any

import numpy as np


def copy_with_strides(x: np.ndarray) -> np.ndarray:
    """A copy of x that lies in memory as x does: `x.copy()` would be contiguous whatever x was.

    Entry [i, j, ...] lies i strides[0] + j strides[1] + ... bytes from entry [0, 0, ...]. Strides may be negative, so
    that the first entry is not the lowest in memory.
    """
    if x.size == 0:
        return x.copy()
    ends = [(length - 1) * stride for length, stride in zip(x.shape, x.strides)]
    lowest, highest = sum(end for end in ends if end < 0), sum(end for end in ends if end > 0)
    memory = np.zeros(highest - lowest + x.itemsize, np.uint8)
    copy = np.ndarray(x.shape, x.dtype, memory, -lowest, x.strides)
    copy[...] = x
    return copy


def _fortran(x: np.ndarray) -> np.ndarray:
    return x.T.copy().T


def _reversed(x: np.ndarray) -> np.ndarray:
    backwards: tuple[Any, ...] = (*[slice(None, None, -1)] * x.ndim, ...)
    return x[backwards].copy()[backwards]


def _with_gaps(x: np.ndarray) -> np.ndarray:
    pairs = np.zeros((*x.shape, 2), x.dtype)
    pairs[..., 0] = x
    return pairs[..., 0]


# Each gives a view: were it an array of its own, the walk could take it for a new one and add into it.
OTHER_LAYOUTS = {"in Fortran order": _fortran, "reversed": _reversed, "with gaps": _with_gaps}


def refuse_overlap(arrays: list[np.ndarray]) -> None:
    """An entry that stands for several places cannot be changed alone, so its difference quotient means nothing."""
    for i, x in enumerate(arrays):
        offsets = np.zeros(1, dtype=int)
        for length, stride in zip(x.shape, x.strides):
            offsets = np.add.outer(offsets, np.arange(length) * stride).reshape(-1)
        if len(np.unique(offsets)) < x.size:
            raise ValueError(f"gradcheck: input {i} overlaps with itself (a broadcast or sliding view); pass a copy")
        for j in range(i):
            if np.shares_memory(x, arrays[j]):
                raise ValueError(f"gradcheck: inputs {j} and {i} overlap in memory; pass copies")
