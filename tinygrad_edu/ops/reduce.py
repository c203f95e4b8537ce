"""Reductions over one axis, several or all: `axis` is None (all), an int (negative counts from the end) or a tuple.

A reduction sends every element of a group into one result, so its backward sends one gradient back to every element
of the group: G is spread over the reduced axes, then multiplied by what each element contributed. G = dL/dY.
"""

from __future__ import annotations

import math

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.support import Operand, as_tensor
from tinygrad_edu.tensor import Tensor, record

Axis = int | tuple[int, ...] | None


def sum(a: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Y = sum over the axes.   Every element enters with weight 1:   dL/dA = G, spread over the summed axes."""
    a = as_tensor("sum", a)
    A = a.data
    axes, keepdims = checks.axes("sum", axis, A.ndim), checks.flag("sum", "keepdims", keepdims)

    def backward(G):
        return (_spread(G, A.shape, axes),)

    return record(A.sum(axis=axes, keepdims=keepdims, dtype=A.dtype if A.dtype.kind == "f" else None), (a,), backward)


def mean(a: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """Y = sum over the axes / n, with n elements in each group.   dL/dA = G / n, spread over the averaged axes."""
    a = as_tensor("mean", a)
    A = a.data
    axes, keepdims = checks.axes("mean", axis, A.ndim), checks.flag("mean", "keepdims", keepdims)
    n = _group_size("mean", A, axes)

    def backward(G):
        return (_spread(G / n, A.shape, axes),)

    return record(A.mean(axis=axes, keepdims=keepdims), (a,), backward)


def var(a: Operand, axis: Axis = None, keepdims: bool = False, ddof: int = 0) -> Tensor:
    """The variance, Y = sum_i (A_i - m)^2 / (n - ddof), with m the mean of the group's n elements.

    dY/dA_j = 2/(n - ddof) sum_i (A_i - m)(delta_ij - 1/n) = 2 (A_j - m) / (n - ddof),
    because the deviations A_i - m sum to zero. `ddof=1` gives the unbiased estimate.
    """
    a = as_tensor("var", a)
    A = a.data
    axes, keepdims = checks.axes("var", axis, A.ndim), checks.flag("var", "keepdims", keepdims)
    n, ddof = _group_size("var", A, axes), checks.whole("var", "ddof", ddof)
    if n <= ddof:
        raise ValueError(f"var: needs more than ddof={ddof} elements in a group, there are {n}")
    deviation = A - A.mean(axis=axes, keepdims=True)

    def backward(G):
        return (_spread(G, A.shape, axes) * (2 / (n - ddof) * deviation),)

    return record((deviation * deviation).sum(axis=axes, keepdims=keepdims) / (n - ddof), (a,), backward)


def max(a: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The largest element.   Only that one moves the result:   dL/dA = G at its place, 0 elsewhere.

    Of several equal maxima the first (in row-major order) takes the whole gradient.
    """
    return _extremum("max", a, axis, keepdims)


def min(a: Operand, axis: Axis = None, keepdims: bool = False) -> Tensor:
    """The smallest element; dL/dA = G at its place, 0 elsewhere. The first of several equal ones takes it all."""
    return _extremum("min", a, axis, keepdims)


def _extremum(name: str, a: Operand, axis: Axis, keepdims: bool) -> Tensor:
    a = as_tensor(name, a)
    A = a.data
    xp = array_module(A)
    axes, keepdims = checks.axes(name, axis, A.ndim), checks.flag(name, "keepdims", keepdims)
    n = _group_size(name, A, axes)
    kept = tuple(i for i in range(A.ndim) if i not in axes)
    kept_shape = tuple(A.shape[i] for i in kept)
    rows = A.transpose(kept + axes).reshape(-1, n)  # one row for each group
    first = (rows.argmax if name == "max" else rows.argmin)(axis=1)  # both find the first of equal ones
    every_row = xp.arange(len(rows))
    Y_shape = tuple(1 if i in axes else m for i, m in enumerate(A.shape)) if keepdims else kept_shape

    def backward(G):
        D = xp.zeros_like(rows)
        D[every_row, first] = G.reshape(-1)
        shape = kept_shape + tuple(A.shape[i] for i in axes)
        order = kept + axes  # the transposition above; its inverse puts axis order[i] back to its place
        return (D.reshape(shape).transpose(tuple(order.index(i) for i in range(A.ndim))),)

    backward.__qualname__ = name
    return record(rows[every_row, first].reshape(Y_shape), (a,), backward)


def cumsum(a: Operand, axis: int | None = None) -> Tensor:
    """Y_i = A_0 + ... + A_i along an axis; without one, of the flattened tensor.

    A_j is part of every Y_i with i >= j:   dL/dA_j = sum over i >= j of G_i,   the running sum from the other end.
    """
    a = as_tensor("cumsum", a)
    A = a.data
    along = 0 if axis is None else checks.one_axis("cumsum", axis, A.ndim)
    X = A.reshape(-1) if axis is None else A
    backwards = (slice(None),) * along + (slice(None, None, -1),)

    def backward(G):
        return (G[backwards].cumsum(axis=along)[backwards].reshape(A.shape),)

    return record(X.cumsum(axis=along, dtype=A.dtype if A.dtype.kind == "f" else None), (a,), backward)


def _spread(G: Array, shape: tuple[int, ...], axes: tuple[int, ...]) -> Array:
    """Repeat G along the reduced axes: a view of the operand's shape."""
    xp = array_module(G)
    with_ones = tuple(1 if i in axes else n for i, n in enumerate(shape))
    return xp.broadcast_to(G.reshape(with_ones), shape)


def _group_size(name: str, A: Array, axes: tuple[int, ...]) -> int:
    n = math.prod(A.shape[i] for i in axes)
    if n == 0:
        raise ValueError(f"{name}: no elements to reduce, shape {A.shape} over axes {axes}")
    return n
