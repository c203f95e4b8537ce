"""What a tensor can do because it holds an array, without a gradient: length, comparison, printing, conversion.

`ops/__init__.py` hangs these functions on `Tensor`, beside the operations.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, device_of, to_numpy
from tinygrad_edu.ops.support import as_tensor, check_broadcast
from tinygrad_edu.tensor import Tensor, as_array

# --- shape and size ------------------------------------------------------------------------------------------------


def shape(x: Tensor) -> tuple[int, ...]:
    """The lengths of the axes."""
    return x.data.shape


def dtype(x: Tensor) -> np.dtype:
    """What the numbers are: float32, int64, ..."""
    return x.data.dtype


def device(x: Tensor) -> str:
    """Where the numbers are: `"cpu"` or `"cuda"`."""
    return device_of(x.data)


def ndim(x: Tensor) -> int:
    """The number of axes."""
    return x.data.ndim


def size(x: Tensor) -> int:
    """The number of elements."""
    return x.data.size


def length(x: Tensor) -> int:
    """The length of the first axis; TypeError for a tensor without axes."""
    if x.data.ndim == 0:
        raise TypeError("len() of a tensor without axes, which is one number: x.item()")
    return len(x.data)


def iterate(x: Tensor) -> Iterator[Tensor]:
    """x[0], x[1], ...; TypeError for a tensor without axes."""
    return (x[i] for i in range(len(x)))


# --- values --------------------------------------------------------------------------------------------------------


def numpy(x: Tensor) -> np.ndarray:
    """The values as a NumPy array: the same memory on the CPU, a copy from the GPU."""
    return to_numpy(x.data)


def to_array(x: Tensor, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
    """What `np.asarray(x)`, `np.allclose(x, y)` or `plt.imshow(x)` ask for.

    A tensor that requires a gradient refuses with a TypeError: NumPy would compute on without it, and nobody would be
    told. Say `x.detach()`, or `x.data`. One on the GPU is not fetched unasked either: say `x.numpy()`.
    """
    if x.device != "cpu":
        raise TypeError(f"a tensor on {x.device!r} becomes a NumPy array by x.numpy(), not unasked")
    array = as_array(x)
    try:
        return np.array(array, dtype=dtype, copy=copy)
    except (TypeError, ValueError) as error:
        raise type(error)(f"array of a Tensor: {error}") from None


def item(x: Tensor) -> float:
    """The value of a tensor with one element, as a Python number; ValueError for several."""
    if x.data.size != 1:
        raise ValueError(f"item() of a tensor of shape {x.shape}: it takes one element; reduce it: .mean()")
    return x.data.item()


def number(x: Tensor) -> float:
    """`float(x)`, for a tensor with one element."""
    return float(item(x))


def whole_number(x: Tensor) -> int:
    """`int(x)`, for a tensor with one element: what lies behind the point is cut off."""
    return int(item(x))


def truth(x: Tensor) -> bool:
    """Whether the one element is not zero; ValueError for several."""
    if x.data.size != 1:
        raise ValueError(f"bool() of a tensor of shape {x.shape}: it takes one element; say (x > 0).all() or .any()")
    return bool(x.data)


# --- comparison ----------------------------------------------------------------------------------------------------


def comparison(compare: Callable[[Any, Any], Array], name: str) -> Callable[[Tensor, Any], Array]:
    """`compare`, which is `operator.lt` or its like, between the values of a tensor and of another operand."""

    def method(x: Tensor, other: Any) -> Array:
        if isinstance(other, int | float):  # NumPy compares a plain number exactly, whatever the dtype
            try:
                return compare(x.data, other)
            except OverflowError:  # 10**400
                raise OverflowError(f"{name}: {checks.shown(other)} is too large for {x.dtype}") from None
        other = as_tensor(name, other)
        if other.device != x.device:
            raise TypeError(
                f"{name}: operands on different devices, {x.device!r} and {other.device!r}; move one with .to"
            )
        check_broadcast(name, x.shape, other.shape)
        return compare(x.data, other.data)

    method.__name__, method.__doc__ = name, f"`{name}`, element by element: an array of booleans."
    return method


less, less_equal = comparison(operator.lt, "<"), comparison(operator.le, "<=")
greater, greater_equal = comparison(operator.gt, ">"), comparison(operator.ge, ">=")


def argmax(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Array:
    """Where the largest element is along an axis (in the flattened tensor without one): an array of whole numbers."""
    return _place("argmax", x, axis, keepdims)


def argmin(x: Tensor, axis: int | None = None, keepdims: bool = False) -> Array:
    """Where the smallest element is; as `argmax`."""
    return _place("argmin", x, axis, keepdims)


def _place(name: str, x: Tensor, axis: int | None, keepdims: bool) -> Array:
    keepdims = checks.flag(name, "keepdims", keepdims)
    axis = None if axis is None else checks.one_axis(name, axis, x.data.ndim)
    compared = x.shape if axis is None else (x.shape[axis],)
    if 0 in compared:
        raise ValueError(f"{name}: no elements to compare, shape {x.shape} along axis {axis}")
    return getattr(x.data, name)(axis=axis, keepdims=keepdims)


# --- text ----------------------------------------------------------------------------------------------------------


def text(x: Tensor) -> str:
    """The values, shape, dtype, and where they come from: a device, an operation."""
    values = np.array2string(numpy(x), precision=4, threshold=20, separator=", ", prefix="Tensor(")
    history = f", op={x.op!r}" if x.op else ", requires_grad=True" if x.requires_grad else ""
    device = "" if x.device == "cpu" else f", device={x.device!r}"
    return f"Tensor({values}, shape={x.shape}, dtype={x.dtype}{device}{history})"


def formatted(x: Tensor, spec: str) -> str:
    """`f"{loss:.3f}"` for a tensor with one element; without a format, the whole tensor as it prints."""
    if not checks.text("format", "spec", spec):
        return str(x)
    if x.data.size != 1:
        raise TypeError(f"the format {spec!r} is for one number, this tensor has shape {x.shape}; reduce it: .mean()")
    try:
        return format(item(x), spec)
    except ValueError:
        raise ValueError(f"format: {spec!r:.80} is no format for a number, such as '.3f'") from None
