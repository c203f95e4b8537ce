"""What the operations share: making operands fit each other, undoing broadcasting, and several results at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, array_module, device_of, is_array
from tinygrad_edu.tensor import Tensor, as_array, record

Operand = Tensor | Array  # a tensor, or what becomes one beside a tensor: a number, a list, an array


def as_tensor(op: str, x: Operand) -> Tensor:
    """`x` as a tensor: itself, or a constant made of an array, a number or a list; TypeError where there is no way."""
    return x if isinstance(x, Tensor) else Tensor(array_of(op, x))


def array_of(op: str, x: Operand) -> Array:
    """`x`, which gets no gradient (labels, a mask), as an array; TypeError where there is no way."""
    try:
        return as_array(x)
    except TypeError as error:
        raise TypeError(f"{op}: {error}") from None


def floating(op: str, x: Operand) -> Tensor:
    """`x` as a tensor of floating-point numbers; whole ones, whose negatives may wrap around, become float64."""
    x = as_tensor(op, x)
    return x if x.data.dtype.kind == "f" else Tensor(x.data.astype(np.float64))


def operands(op: str, a: Operand, b: Operand) -> tuple[Tensor, Tensor]:
    """`a` and `b` as tensors that `op` can combine.

    A number, a list or an array beside a tensor takes the tensor's floating dtype, so that `x * 2.0` or
    `x * np.float64(2)` stays float32, and so does a tensor of whole numbers. Whole numbers and booleans among
    themselves follow NumPy's rules: int32 beside int64 is int64, uint8 beside a plain 2 is uint8, a boolean int64. Two
    floating tensors must agree in dtype, any two in device, and their shapes must broadcast; otherwise TypeError or
    ValueError names both.
    """
    if not (isinstance(a, Tensor) and isinstance(b, Tensor)):
        if not isinstance(a, Tensor) and not isinstance(
            b, Tensor
        ):  # a plain number is beside an array, not it beside one
            a, b = (a, as_tensor(op, b)) if isinstance(a, int | float) else (as_tensor(op, a), b)
        a = a if isinstance(a, Tensor) else constant(op, a, b)
        b = b if isinstance(b, Tensor) else constant(op, b, a)
    A, B = a.data, b.data
    if A.dtype is not B.dtype or type(A) is not type(B):
        a, b = _whole_beside(a, b), _whole_beside(b, a)
        same_kind(op, a, b)
    if A.shape != B.shape:
        check_broadcast(op, A.shape, B.shape)
    return a, b


def constant(op: str, value: Any, like: Tensor) -> Tensor:
    """`value` (number, list or array) as a tensor beside `like`: on its device and, for real numbers, of its dtype."""
    xp = array_module(like.data)
    if type(value) in (float, int) and like.dtype.kind == "f":  # the frequent case, x * 2.0, without the detours
        try:
            return Tensor(xp.asarray(value, dtype=like.dtype))
        except OverflowError:  # 10**400
            raise OverflowError(f"{op}: {checks.shown(value)} is too large for {like.dtype}") from None
    if type(value) is type(like.data) and value.dtype is like.dtype:  # nothing to convert
        return Tensor(value)
    if is_array(value) and device_of(value) != like.device:
        raise TypeError(
            f"{op}: operands on different devices, {device_of(value)!r} and {like.device!r}; move one with .to(device)"
        )
    if type(value) is int:
        dtype = np.result_type(like.dtype, 0)
        if not np.iinfo(dtype).min <= value <= np.iinfo(dtype).max:
            hint = "convert the tensor first: x.astype('int64')"
            raise OverflowError(f"{op}: {checks.shown(value)} does not fit into {dtype}; {hint}")
        return Tensor(xp.asarray(value, dtype=dtype))
    value = as_tensor(op, value).data  # refuses strings and objects
    dtype = like.dtype if like.dtype.kind == "f" else value.dtype
    return Tensor(xp.asarray(value, dtype=dtype))


def _whole_beside(x: Tensor, other: Tensor) -> Tensor:
    """Whole numbers and booleans take the dtype that fits the other operand; they have no gradient to lose."""
    if x.dtype.kind not in "iub" or x.dtype == other.dtype:
        return x
    return Tensor(x.data.astype(other.dtype if other.dtype.kind == "f" else np.result_type(x.dtype, other.dtype)))


def same_kind(op: str, *values: Operand) -> tuple[Tensor, ...]:
    """All values as tensors on one device and of one dtype, or TypeError; arrays and numbers become constants."""
    first = values[0]
    for x in values:
        if not isinstance(x, Tensor):
            like = next((v for v in values if isinstance(v, Tensor)), None)
            like = as_tensor(op, first) if like is None else like
            return same_kind(op, *(v if isinstance(v, Tensor) else constant(op, v, like) for v in values))
        if x.data.dtype is first.data.dtype and type(x.data) is type(first.data):
            continue
        if x.device != first.device:
            raise TypeError(
                f"{op}: operands on different devices, {first.device!r} and {x.device!r}; move one with .to(device)"
            )
        if x.dtype != first.dtype:
            raise TypeError(
                f"{op}: operands of different dtypes, {first.dtype} and {x.dtype}; convert one with .astype(dtype)"
            )
    return values


def below(y: Array, K: int) -> bool:
    """Whether all whole numbers y lie in 0..K-1: one reduction, and on a GPU one number for the host.

    Read as an unsigned number, a negative one is larger than any K: -1 is 2^64 - 1.
    """
    unsigned = y.view(_UNSIGNED[y.dtype.itemsize]) if y.dtype.kind == "i" else y
    return y.size == 0 or int(unsigned.max()) < K


_UNSIGNED = {1: np.uint8, 2: np.uint16, 4: np.uint32, 8: np.uint64}


def check_broadcast(op: str, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    """NumPy's rule: seen from the last axis, two lengths must be equal or one of them 1."""
    for m, n in zip(reversed(a), reversed(b)):
        if m != n and m != 1 and n != 1:
            raise ValueError(
                f"{op}: shapes {a} and {b} do not broadcast: from the last axis backwards, lengths must be equal or 1"
            )


def unbroadcast(G: Array, shape: tuple[int, ...]) -> Array:
    """Sum G over the axes along which an operand of this `shape` was repeated by broadcasting.

    If one number x was copied into y[0], ..., y[n-1], then dL/dx = sum_i dL/dy[i].
    """
    if G.shape == shape:
        return G
    added = G.ndim - len(shape)
    stretched = tuple(added + i for i, n in enumerate(shape) if n == 1)
    return G.sum(axis=(*range(added), *stretched)).reshape(shape)


def record_many(results: Sequence[Array], inputs: tuple[Tensor, ...], backward: Callable) -> tuple[Tensor, ...]:
    """`record` for an operation with several results, such as an LSTM's outputs and its last cell state.

    The walk knows tensors with one gradient each, so the results hang on one hidden tensor, older than they are. Each
    result puts its gradient into a list when the walk reaches it. All of them come before the hidden tensor, whose turn
    it is then to call `backward(Gs)`: a list with dL/d(result), or None where the loss does not depend on the result.
    """
    Gs: list[Array | None] = [None] * len(results)

    def backward_all(_):
        collected = Gs.copy()
        Gs[:] = [None] * len(Gs)  # ready for another walk over a retained tape
        return backward(collected)

    backward_all.__qualname__ = backward.__qualname__  # now, for whoever observes births
    hidden = record(np.zeros(()), inputs, backward_all)

    def record_result(i: int) -> Tensor:
        def backward_one(G):
            Gs[i] = G[...]  # a view: if `backward` hands it on as it is, the walk sees that the memory is not new
            return (np.zeros(()),)  # in place of a gradient

        backward_one.__qualname__ = backward.__qualname__  # so that the result shows the operation's own name
        return record(results[i], (hidden,), backward_one)

    return tuple(record_result(i) for i in range(len(results)))


def or_zeros(Gs: list[Array | None], results: tuple[Array, ...]) -> list[Array]:
    """What `record_many` hands to a backward, with zeros for each result that the loss does not depend on."""
    return [array_module(R).zeros_like(R) if G is None else G for G, R in zip(Gs, results)]
