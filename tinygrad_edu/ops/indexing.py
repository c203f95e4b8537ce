"""Taking elements out of a tensor by their places."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, array_module, is_array, scatter_add
from tinygrad_edu.ops.support import Operand, as_tensor, below
from tinygrad_edu.tensor import Tensor, record


def getitem(a: Operand, index: Any) -> Tensor:
    """Y = A[index]: slices, steps, negative numbers, None, integer arrays (with repeats) and boolean masks.

    Raises IndexError for an index that is out of range, on a GPU too.

    An element taken several times was copied several times, so its gradients add up:   dL/dA[index] += G, else 0.
    """
    a = as_tensor("getitem", a)
    A = a.data
    index = tuple(_plain(part) for part in index) if isinstance(index, tuple) else _plain(index)
    if array_module(A) is not np:
        index = _checked_index(A, index)
    parts = index if isinstance(index, tuple) else (index,)
    takes_once = all(part is None or part is Ellipsis or isinstance(part, int | slice) for part in parts)

    def backward(G):
        D = array_module(A).zeros_like(A)
        if takes_once:
            D[index] = G
        else:
            scatter_add(D, index, G)
        return (D,)

    try:
        Y = A[index]
    except (IndexError, TypeError, ValueError) as error:
        raise IndexError(f"getitem: {checks.shown(index)} is no index for the shape {A.shape}; {error}") from None
    return record(Y, (a,), backward)


def _checked_index(A: Array, index: Any) -> Any:
    """The index for CuPy, which wraps the numbers of an index array around in silence, where NumPy raises IndexError.

    Lists and arrays on the CPU are looked at there and copied over; an array that is on the GPU costs one number for
    the host.
    """
    parts = list(index) if isinstance(index, tuple) else [index]
    parts = [np.asarray(part, None if part else int) if isinstance(part, list) else part for part in parts]
    masks = [is_array(part) and part.dtype.kind == "b" for part in parts]
    axes = [
        part.ndim if mask else int(part is not None and not isinstance(part, bool)) for part, mask in zip(parts, masks)
    ]
    for i, part in enumerate(parts):
        if part is Ellipsis:
            axes[i] = A.ndim - (sum(axes) - 1)
        axis = sum(axes[:i])
        if is_array(part) and not masks[i] and axis < A.ndim:
            n = A.shape[axis]
            if not below(part.astype(np.int64) + n, 2 * n):
                raise IndexError(
                    f"getitem: an index array is out of range for axis {axis} of shape {A.shape}; its numbers must lie "
                    f"in {-n}..{n - 1}"
                )
        parts[i] = array_module(A).asarray(part) if is_array(part) else part
    return tuple(parts) if isinstance(index, tuple) else parts[0]


def _plain(part: Any) -> Any:
    """An index as the array library wants it; an array is copied, since its owner may change it before the backward."""
    part = part.data if isinstance(part, Tensor) else part
    return part.copy() if is_array(part) or isinstance(part, list) else part
