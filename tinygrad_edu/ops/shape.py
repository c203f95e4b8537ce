"""Operations that move elements without changing them; their backwards move the gradients back. G = dL/dY."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, array_module, to_device
from tinygrad_edu.ops.support import (
    Operand,
    as_tensor,
    record_many,
    same_kind,
    unbroadcast,
)
from tinygrad_edu.tensor import Tensor, record


def reshape(a: Operand, *shape: Any) -> Tensor:
    """The same elements in row-major order under another shape; one length may be -1.   dL/dA = G in A's shape.

    The shape is given as a tuple or as separate numbers: `reshape(x, (2, 3))`, `x.reshape(2, -1)`.
    """
    a = as_tensor("reshape", a)
    A = a.data
    new = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
    try:
        Y = A.reshape(new)
    except (TypeError, ValueError):  # checked by NumPy, explained by us
        raise _reshape_error(A, new) from None

    def backward(G):
        return (G.reshape(A.shape),)

    return record(Y, (a,), backward)


def _reshape_error(A: Array, new: Sequence[Any]) -> Exception:
    if not all(hasattr(n, "__index__") for n in new):
        return TypeError(f"reshape: expected whole numbers, or one tuple of them; got {new!r:.80}")
    rule = "the lengths' product must be the same; one length may be -1 and is worked out"
    return ValueError(f"reshape: {A.shape} has {A.size} elements and cannot become {tuple(new)}; {rule}")


def flatten(a: Operand, start_axis: int = 0) -> Tensor:
    """All axes from `start_axis` on as one, in row-major order; 1 keeps the batch axis.   dL/dA = G in A's shape."""
    a = as_tensor("flatten", a)
    A = a.data
    start = checks.one_axis("flatten", start_axis, A.ndim, "start_axis") if A.ndim else 0

    def backward(G):
        return (G.reshape(A.shape),)

    return record(A.reshape(*A.shape[:start], math.prod(A.shape[start:])), (a,), backward)


def transpose(a: Operand, *axes: Any) -> Tensor:
    """Reorder the axes: Y's axis i is A's axis axes[i]; without axes, their order is reversed. Also `x.T`.

    The inverse permutation p, with p[axes[i]] = i, brings the gradient back:   dL/dA = transpose(G, p).
    """
    a = as_tensor("transpose", a)
    A = a.data
    order = axes[0] if len(axes) == 1 and isinstance(axes[0], tuple | list) else axes
    order = tuple(order) if order else tuple(reversed(range(A.ndim)))
    if not all(map(checks.is_whole, order)):
        checks.refuse("transpose", "axes", "whole numbers, or one tuple of them", order, TypeError)
    normalized = tuple(i + A.ndim if i < 0 else i for i in order)
    if sorted(normalized) != list(range(A.ndim)):
        raise ValueError(
            f"transpose: axes {order} are not a permutation of the {A.ndim} axes of shape {A.shape}; to exchange two "
            "axes say swapaxes"
        )
    if len(axes) == 2 and normalized == (0, 1):
        raise ValueError(f"transpose: the order {order} changes nothing; to exchange the two axes say .T or swapaxes")
    inverse = tuple(normalized.index(i) for i in range(A.ndim))

    def backward(G):
        return (G.transpose(inverse),)

    return record(A.transpose(normalized), (a,), backward)


def swapaxes(a: Operand, first: int, second: int) -> Tensor:
    """Exchange two axes; exchanging them again is the inverse:   dL/dA = swapaxes(G, first, second)."""
    a = as_tensor("swapaxes", a)
    A = a.data
    first, second = (
        checks.one_axis("swapaxes", axis, A.ndim, name) for axis, name in ((first, "first"), (second, "second"))
    )

    def backward(G):
        return (G.swapaxes(first, second),)

    return record(A.swapaxes(first, second), (a,), backward)


def expand_dims(a: Operand, axis: int | tuple[int, ...]) -> Tensor:
    """Insert axes of length 1 at the given places of the result.   dL/dA = G without them."""
    a = as_tensor("expand_dims", a)
    A = a.data
    new = axis if isinstance(axis, tuple | list) else (axis,)
    if not all(map(checks.is_whole, new)):
        checks.refuse("expand_dims", "axis", "a whole number or a tuple of them", axis, TypeError)
    axes = checks.axes("expand_dims", new, A.ndim + len(new))

    def backward(G):
        return (G.reshape(A.shape),)

    return record(array_module(A).expand_dims(A, axes), (a,), backward)


def squeeze(a: Operand, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """Remove axes of length 1 (all of them if none is named).   dL/dA = G with them back."""
    a = as_tensor("squeeze", a)
    A = a.data
    axes = checks.axes("squeeze", axis, A.ndim)
    if axis is not None and any(A.shape[i] != 1 for i in axes):
        raise ValueError(f"squeeze: axis {axis} of shape {A.shape} is not of length 1")

    def backward(G):
        return (G.reshape(A.shape),)

    return record(A.reshape([n for i, n in enumerate(A.shape) if n != 1 or i not in axes]), (a,), backward)


def broadcast_to(a: Operand, shape: Sequence[int]) -> Tensor:
    """Repeat A to a larger shape by NumPy's rules.   dL/dA = the sum of G over all copies of an element."""
    a = as_tensor("broadcast_to", a)
    A = a.data
    new = checks.shape("broadcast_to", "shape", shape)
    try:
        Y = array_module(A).broadcast_to(A, new)
    except ValueError:
        rule = "from the last axis backwards, a length must be the same or 1, and axes may be added in front"
        raise ValueError(f"broadcast_to: {A.shape} cannot become {new}; {rule}") from None

    def backward(G):
        return (unbroadcast(G, A.shape),)

    return record(Y, (a,), backward)


def concatenate(tensors: Sequence[Operand], axis: int = 0) -> Tensor:
    """Join tensors along an existing axis.   Each one's gradient is the piece of G that lies where it went."""
    tensors = _several("concatenate", tensors)
    arrays = [t.data for t in tensors]
    axis = checks.one_axis("concatenate", axis, arrays[0].ndim)
    if any(A.ndim != arrays[0].ndim or _without(A.shape, axis) != _without(arrays[0].shape, axis) for A in arrays):
        shapes = ", ".join(str(A.shape) for A in arrays)
        raise ValueError(f"concatenate: shapes must agree except along axis {axis}; got {shapes}")
    ends = np.cumsum([A.shape[axis] for A in arrays]).tolist()

    def backward(G):
        return tuple(_pieces(G, ends[:-1], axis))

    return record(array_module(arrays[0]).concatenate(arrays, axis=axis), tensors, backward)


def stack(tensors: Sequence[Operand], axis: int = 0) -> Tensor:
    """Join tensors of one shape along a new axis.   Each one's gradient is its slice of G along that axis."""
    tensors = _several("stack", tensors)
    arrays = [t.data for t in tensors]
    if any(A.shape != arrays[0].shape for A in arrays):
        raise ValueError(f"stack: all shapes must be equal; got {', '.join(str(A.shape) for A in arrays)}")
    axis = checks.one_axis("stack", axis, arrays[0].ndim + 1)

    def backward(G):
        before = (slice(None),) * axis
        return tuple(G[(*before, i)] for i in range(len(arrays)))

    return record(array_module(arrays[0]).stack(arrays, axis=axis), tensors, backward)


def split(a: Operand, sections: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
    """Cut along an axis: into that many equal pieces, or at the given indices.   dL/dA = the pieces' gradients, joined.

    One step on the tape, however many pieces; a piece that the loss does not use contributes zeros.
    """
    a = as_tensor("split", a)
    A = a.data
    axis = checks.one_axis("split", axis, A.ndim)
    if not isinstance(sections, tuple | list | np.ndarray):
        sections = checks.size("split", "sections", sections)
        if A.shape[axis] % sections:
            raise ValueError(f"split: axis {axis} of shape {A.shape} cannot be cut into {sections} equal pieces")
        size = A.shape[axis] // sections
        cuts = [size * i for i in range(1, sections)]
    else:
        cuts = checks.items("split", "sections", sections, "a number of pieces, or a list of places to cut at")
        if not all(map(checks.is_whole, cuts)):
            checks.refuse("split", "sections", "a number of pieces, or whole numbers to cut at", sections, TypeError)
        if any(start > end for start, end in zip([0, *cuts], [*cuts, A.shape[axis]])):
            raise ValueError(f"split: cuts must ascend from 0 to the axis' length {A.shape[axis]}; got {cuts}")
    pieces = _pieces(A, cuts, axis)
    xp = array_module(A)

    def backward(Gs):
        parts = [xp.zeros_like(piece) if G is None else G for piece, G in zip(pieces, Gs)]
        return (xp.concatenate(parts, axis=axis),)

    return record_many(pieces, (a,), backward)


def pad(a: Operand, widths: Any, value: float = 0.0) -> Tensor:
    """Surround A with a constant: `widths` is ((before, after), ...) for each axis, or an int for all sides.

    dL/dA = the part of G that lies inside the frame.
    """
    a = as_tensor("pad", a)
    A = a.data
    pairs = _pairs(widths, A.shape)
    try:
        fits = checks.is_number(value) and (A.dtype.kind == "f" or A.dtype.type(value) == value)
        constant = A.dtype.type(value) if fits else None
    except (OverflowError, ValueError):  # 10**400; NaN as a whole number
        constant = None
    if constant is None:
        raise TypeError(f"pad: expected value as a number that fits into {A.dtype}, got {checks.shown(value)}")
    if math.prod(before + n + after for (before, after), n in zip(pairs, A.shape)) > checks.MOST_NUMBERS:
        raise ValueError(f"pad: widths {pairs} around the shape {A.shape} fit into no computer")
    inside = tuple(slice(before, before + n) for (before, _), n in zip(pairs, A.shape))

    def backward(G):
        return (G[inside],)

    return record(array_module(A).pad(A, pairs, constant_values=constant) if pairs else A, (a,), backward)


def _pairs(widths: Any, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    try:
        pairs = [(widths, widths)] * len(shape) if hasattr(widths, "__index__") else [(b, a) for b, a in widths]
        pairs = [
            (checks.whole("pad", "widths", before), checks.whole("pad", "widths", after)) for before, after in pairs
        ]
    except (TypeError, ValueError):
        pairs = []
    if len(pairs) != len(shape) or any(min(pair) < 0 for pair in pairs):
        raise ValueError(
            f"pad: expected widths as a number >= 0, or {len(shape)} pairs of them, (before, after) for each axis "
            f"of shape {shape}; got {checks.shown(widths)}"
        )
    return pairs


def astype(a: Operand, dtype: Any) -> Tensor:
    """A in another dtype; itself when it has it already.   dL/dA = G, converted back.

    Whole numbers and booleans do not change when A changes a little: their history ends here.
    """
    a = as_tensor("astype", a)
    A = a.data
    dtype = checks.dtype("astype", dtype)
    if A.dtype == dtype:
        return a
    if dtype.kind != "f":
        return Tensor(A.astype(dtype))

    def backward(G):
        return (G.astype(A.dtype),)

    return record(A.astype(dtype), (a,), backward)


def to(a: Operand, device: str) -> Tensor:
    """A on `"cpu"`, `"cuda"` or `"auto"`; itself when it is there already.   dL/dA = G, moved back."""
    a = as_tensor("to", a)
    home = a.device
    moved = to_device(a.data, device)
    if moved is a.data:
        return a

    def backward(G):
        return (to_device(G, home),)

    return record(moved, (a,), backward)


def _several(op: str, tensors: Sequence[Operand]) -> tuple[Tensor, ...]:
    several = checks.items(op, "tensors", tensors, "a list or tuple of tensors")
    if not several:
        raise ValueError(f"{op}: expected at least one tensor, got none")
    return same_kind(op, *several)


def _pieces(X: Any, cuts: Sequence[int], axis: int) -> list:
    before = (slice(None),) * axis
    return [X[(*before, slice(start, end))] for start, end in zip([0, *cuts], [*cuts, X.shape[axis]])]


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]
