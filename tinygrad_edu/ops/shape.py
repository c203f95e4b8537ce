"""Operations that move elements without changing them; their backwards move the gradients back. G = dL/dY."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_edu.backend import array_module, scatter_add, to_device
from tinygrad_edu.ops.support import check_same_kind, constant, normalize_axes, record_many, unbroadcast
from tinygrad_edu.tensor import Tensor, record


def reshape(a: Tensor, *shape: Any) -> Tensor:
    """The same elements in row-major order under another shape; one length may be -1.   dL/dA = G in A's shape.

    The shape is given as a tuple or as separate numbers: `reshape(x, (2, 3))`, `x.reshape(2, -1)`.
    """
    A = a.data

    def backward(G):
        return (G.reshape(A.shape),)

    return record(A.reshape(*shape), (a,), backward)


def transpose(a: Tensor, *axes: Any) -> Tensor:
    """Reorder the axes: Y's axis i is A's axis axes[i]; without axes, their order is reversed.

    The inverse permutation p, with p[axes[i]] = i, brings the gradient back:   dL/dA = transpose(G, p).
    """
    A = a.data
    order = axes[0] if len(axes) == 1 and not isinstance(axes[0], int) else axes
    order = tuple(order) if order else tuple(reversed(range(A.ndim)))
    normalized = tuple(i + A.ndim if i < 0 else i for i in order)
    if sorted(normalized) != list(range(A.ndim)):
        raise ValueError(f"transpose: axes {order} are not a permutation of the {A.ndim} axes of shape {A.shape}")
    inverse = tuple(normalized.index(i) for i in range(A.ndim))

    def backward(G):
        return (G.transpose(inverse),)

    return record(A.transpose(normalized), (a,), backward)


def swapaxes(a: Tensor, first: int, second: int) -> Tensor:
    """Exchange two axes; exchanging them again is the inverse:   dL/dA = swapaxes(G, first, second)."""
    A = a.data
    normalize_axes("swapaxes", first, A.ndim)
    normalize_axes("swapaxes", second, A.ndim)

    def backward(G):
        return (G.swapaxes(first, second),)

    return record(A.swapaxes(first, second), (a,), backward)


def expand_dims(a: Tensor, axis: int | tuple[int, ...]) -> Tensor:
    """Insert axes of length 1 at the given places of the result.   dL/dA = G without them."""
    A = a.data

    def backward(G):
        return (G.reshape(A.shape),)

    return record(array_module(A).expand_dims(A, axis), (a,), backward)


def squeeze(a: Tensor, axis: int | tuple[int, ...] | None = None) -> Tensor:
    """Remove axes of length 1 (all of them if none is named).   dL/dA = G with them back."""
    A = a.data

    def backward(G):
        return (G.reshape(A.shape),)

    return record(array_module(A).squeeze(A, axis), (a,), backward)


def broadcast_to(a: Tensor, shape: Sequence[int]) -> Tensor:
    """Repeat A to a larger shape by NumPy's rules.   dL/dA = the sum of G over all copies of an element."""
    A = a.data

    def backward(G):
        return (unbroadcast(G, A.shape),)

    return record(array_module(A).broadcast_to(A, tuple(shape)), (a,), backward)


def concatenate(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join tensors along an existing axis.   Each one's gradient is the piece of G that lies where it went."""
    tensors = _several("concatenate", tensors)
    arrays = [t.data for t in tensors]
    axis = normalize_axes("concatenate", axis, arrays[0].ndim)[0]
    if any(A.ndim != arrays[0].ndim or _without(A.shape, axis) != _without(arrays[0].shape, axis) for A in arrays):
        shapes = ", ".join(str(A.shape) for A in arrays)
        raise ValueError(f"concatenate: shapes must agree except along axis {axis}; got {shapes}")
    ends = np.cumsum([A.shape[axis] for A in arrays]).tolist()

    def backward(G):
        return _pieces(G, ends[:-1], axis)

    return record(array_module(arrays[0]).concatenate(arrays, axis=axis), tensors, backward)


def stack(tensors: Sequence[Tensor], axis: int = 0) -> Tensor:
    """Join tensors of one shape along a new axis.   Each one's gradient is its slice of G along that axis."""
    tensors = _several("stack", tensors)
    arrays = [t.data for t in tensors]
    if any(A.shape != arrays[0].shape for A in arrays):
        raise ValueError(f"stack: all shapes must be equal; got {', '.join(str(A.shape) for A in arrays)}")
    axis = normalize_axes("stack", axis, arrays[0].ndim + 1)[0]

    def backward(G):
        before = (slice(None),) * axis
        return [G[(*before, i)] for i in range(len(arrays))]

    return record(array_module(arrays[0]).stack(arrays, axis=axis), tensors, backward)


def split(a: Tensor, sections: int | Sequence[int], axis: int = 0) -> tuple[Tensor, ...]:
    """Cut along an axis: into that many equal pieces, or at the given indices.   dL/dA = the pieces' gradients, joined.

    One step on the tape, however many pieces; a piece that the loss does not use contributes zeros.
    """
    A = a.data
    axis = normalize_axes("split", axis, A.ndim)[0]
    if isinstance(sections, int):
        if sections < 1 or A.shape[axis] % sections:
            raise ValueError(f"split: axis {axis} of shape {A.shape} cannot be cut into {sections} equal pieces")
        size = A.shape[axis] // sections
        cuts = [size * i for i in range(1, sections)]
    else:
        cuts = list(sections)
        if any(start > end for start, end in zip([0, *cuts], [*cuts, A.shape[axis]])):
            raise ValueError(f"split: cuts must ascend from 0 to the axis' length {A.shape[axis]}; got {cuts}")
    pieces = _pieces(A, cuts, axis)
    xp = array_module(A)

    def backward(Gs):
        parts = [xp.zeros_like(piece) if G is None else G for piece, G in zip(pieces, Gs)]
        return (xp.concatenate(parts, axis=axis),)

    return record_many(pieces, (a,), backward)


def pad(a: Tensor, widths: Any, value: float = 0.0) -> Tensor:
    """Surround A with a constant: `widths` is ((before, after), ...) for each axis, or an int for all sides.

    dL/dA = the part of G that lies inside the frame.
    """
    A = a.data
    pairs = [(widths, widths)] * A.ndim if isinstance(widths, int) else [tuple(pair) for pair in widths]
    if len(pairs) != A.ndim or any(len(pair) != 2 or min(pair) < 0 for pair in pairs):
        raise ValueError(f"pad: expected {A.ndim} pairs (before, after) >= 0 for shape {A.shape}, got {widths}")
    inside = tuple(slice(before, before + n) for (before, _), n in zip(pairs, A.shape))

    def backward(G):
        return (G[inside],)

    return record(array_module(A).pad(A, pairs, constant_values=value) if pairs else A, (a,), backward)


def getitem(a: Tensor, index: Any) -> Tensor:
    """Y = A[index]: slices, steps, negative numbers, None, integer arrays (with repeats) and boolean masks.

    An element taken several times was copied several times, so its gradients add up:   dL/dA[index] += G, else 0.
    """
    A = a.data
    index = tuple(_plain(part) for part in index) if isinstance(index, tuple) else _plain(index)
    parts = index if isinstance(index, tuple) else (index,)
    takes_once = all(part is None or part is Ellipsis or isinstance(part, int | slice) for part in parts)

    def backward(G):
        D = array_module(A).zeros_like(A)
        if takes_once:
            D[index] = G
        else:
            scatter_add(D, index, G)
        return (D,)

    return record(A[index], (a,), backward)


def astype(a: Tensor, dtype: Any) -> Tensor:
    """A in another dtype; itself when it has it already.   dL/dA = G, converted back.

    Whole numbers and booleans do not change when A changes a little: their history ends here.
    """
    A = a.data
    if A.dtype == np.dtype(dtype):
        return a
    if np.dtype(dtype).kind != "f":
        return Tensor(A.astype(dtype))

    def backward(G):
        return (G.astype(A.dtype),)

    return record(A.astype(dtype), (a,), backward)


def to(a: Tensor, device: str) -> Tensor:
    """A on `"cpu"`, `"cuda"` or `"auto"`; itself when it is there already.   dL/dA = G, moved back."""
    home = a.device
    moved = to_device(a.data, device)
    if moved is a.data:
        return a

    def backward(G):
        return (to_device(G, home),)

    return record(moved, (a,), backward)


def _several(op: str, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    tensors = tuple(tensors)
    first = next((t for t in tensors if isinstance(t, Tensor)), None)
    if first is None:
        raise ValueError(f"{op}: expected at least one tensor, got none")
    tensors = tuple(t if isinstance(t, Tensor) else constant(op, t, first) for t in tensors)
    check_same_kind(op, *tensors)
    return tensors


def _pieces(X: Any, cuts: Sequence[int], axis: int) -> list:
    before = (slice(None),) * axis
    return [X[(*before, slice(start, end))] for start, end in zip([0, *cuts], [*cuts, X.shape[axis]])]


def _without(shape: tuple[int, ...], axis: int) -> tuple[int, ...]:
    return shape[:axis] + shape[axis + 1 :]


def _plain(part: Any) -> Any:
    """An index may be a tensor of integers or booleans, or a list; the array library wants arrays."""
    return part.data if isinstance(part, Tensor) else part
