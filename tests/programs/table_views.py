"""The table of operations, part two: views, what joins and cuts, and indexing."""

from __future__ import annotations

from typing import Any

import numpy as np

from programs.building import Builder
from programs.program import torch
from programs.table import along_one_axis, functional, operation


@operation("reshape", lambda x, shape: x.reshape(shape))
def _(make: Builder) -> tuple[tuple, dict]:
    a = make.tensor()
    n = make.values[a].size
    divisors = [k for k in range(1, n + 1) if n % k == 0]
    return (a, make.choose((-1,), *((k, n // k) for k in divisors), *((k, 1, -1) for k in divisors))), {}


@operation("flatten", lambda x, start_axis=0: x.flatten(start_axis))
def _(make: Builder) -> tuple[tuple, dict]:
    a = make.tensor()
    return (a,), {"start_axis": make.axis(make.values[a].ndim)} if make.values[a].ndim and make.flag() else {}


@operation("transpose", lambda x, axes=None: x.permute(axes or tuple(reversed(range(x.ndim)))))
def _(make: Builder) -> tuple[tuple, dict]:
    a = make.tensor()
    axes = tuple(make.whole(0, 1000) for _ in range(make.values[a].ndim))
    return ((a, tuple(np.argsort(axes, kind="stable").tolist())) if axes and make.flag() else (a,)), {}


@operation("swapaxes", lambda x, first, second: x.swapaxes(first, second))
def _(make: Builder) -> tuple[tuple, dict]:
    (a, axis), _ = along_one_axis(make)
    return (a, axis, make.axis(make.values[a].ndim)), {}


@operation("expand_dims", lambda x, axis: x.reshape(np.expand_dims(np.empty(x.shape), axis).shape))
def _(make: Builder) -> tuple[tuple, dict]:
    a = make.tensor(lambda X: X.ndim < 4)
    n = make.values[a].ndim
    return (a, make.axis(n + 1) if make.flag() else (0, make.whole(1, n + 1))), {}


@operation("squeeze", lambda x, axis=None: x.squeeze() if axis is None else x.squeeze(axis))
def _(make: Builder) -> tuple[tuple, dict]:
    a = make.tensor(lambda X: 1 in X.shape, lambda: (*make.shape(0, 2), 1))
    ones = [i for i, n in enumerate(make.values[a].shape) if n == 1]
    return (a,), {"axis": make.choose(*ones)} if make.flag() else {}


@operation("broadcast_to", lambda x, shape: x.expand(shape))
def _(make: Builder) -> tuple[tuple, dict]:
    a = make.tensor(lambda X: X.size <= 12 and X.ndim < 4, lambda: make.shape(0, 2, 3))
    shape = make.values[a].shape
    larger = tuple(make.whole(1, 3) if n == 1 else n for n in shape)
    return (a, (make.whole(1, 3), *larger) if make.flag() else larger), {}


@operation("concatenate", lambda tensors, axis=0: torch.cat(tensors, axis))
def _(make: Builder) -> tuple[tuple, dict]:
    (a, axis), _ = along_one_axis(make)
    shape = make.values[a].shape
    k = axis % len(shape)

    def fits(X: np.ndarray) -> bool:
        return X.ndim == len(shape) and all(X.shape[i] == n for i, n in enumerate(shape) if i != k)

    more = [make.tensor(fits, (*shape[:k], make.whole(1, 3), *shape[k + 1 :])) for _ in range(make.whole(1, 2))]
    return ([a, *more],), {"axis": axis} if make.flag() or k else {}


@operation("stack", lambda tensors, axis=0: torch.stack(tensors, axis))
def _(make: Builder) -> tuple[tuple, dict]:
    a = make.tensor()
    shape = make.values[a].shape
    return ([a, *(make.like(shape) for _ in range(make.whole(0, 2)))], make.axis(len(shape) + 1)), {}


@operation("split", lambda x, sections, axis: tuple(pieces(x, sections, axis)))
def _(make: Builder) -> tuple[tuple, dict]:
    (a, axis), _ = along_one_axis(make)
    n = make.values[a].shape[axis]
    if make.flag():
        return (a, make.choose(*(k for k in range(1, n + 1) if n % k == 0)), axis), {}
    return (a, sorted(make.whole(0, n - 1) for _ in range(make.whole(1, 2))), axis), {}


def pieces(x: Any, sections: Any, axis: int) -> list:
    n = x.shape[axis]
    cuts = [n // sections * i for i in range(1, sections)] if isinstance(sections, int) else sections
    return [x.narrow(axis, start, end - start) for start, end in zip([0, *cuts], [*cuts, n])]


@operation("pad", lambda x, widths, value=0.0: padded(x, widths, value))
def _(make: Builder) -> tuple[tuple, dict]:
    a = make.tensor(lambda X: X.size <= 30 and X.ndim < 4, lambda: make.shape(0, 2, 3))
    ndim = make.values[a].ndim
    widths = 1 if make.flag() else tuple((make.whole(0, 1), make.whole(0, 2)) for _ in range(ndim))
    return (a, widths), {"value": 0.5} if make.flag() else {}


def padded(x: Any, widths: Any, value: float) -> Any:
    pairs = [(widths, widths)] * x.ndim if isinstance(widths, int) else widths
    sides = [n for pair in reversed(pairs) for n in pair]
    return functional().pad(x, sides, value=value) if sides else x


@operation("getitem", lambda x, index: taken(x, index))
def _(make: Builder) -> tuple[tuple, dict]:
    a = make.tensor(lambda X: X.ndim > 0, lambda: make.shape(1))
    shape = make.values[a].shape
    form = make.choose("slices", "slices", "rows", "mask", "points", "mixed")
    if form == "rows":  # with repeats
        return (a, make.integers((make.whole(1, 4),), -shape[0], shape[0])), {}
    if form == "mask":
        mask = make.mask(make.choose(shape, shape[:1]))
        mask.flat[0] = True
        return (a, mask), {}
    if form == "points":
        return (a, tuple(make.integers((3,), 0, n) for n in shape)), {}
    index = [part_of_axis(make, n) for n in shape[: make.whole(1, len(shape))]]
    if form == "mixed":
        k = make.whole(0, len(index) - 1)
        index[k] = make.integers((2,), 0, shape[k])
    if make.flag():
        index.append(Ellipsis)
    if make.flag():
        index.insert(make.whole(0, len(index)), None)
    return (a, tuple(index)), {}


def part_of_axis(make: Builder, n: int) -> int | slice:
    form = make.choose("all", "number", "some", "backwards", "steps")
    if form == "number":
        return make.whole(-n, n - 1)
    start = make.whole(0, n - 1)
    stop = make.whole(start + 1, n)
    return {
        "all": slice(None),
        "some": slice(start, stop),
        "backwards": slice(None, None, -1),
        "steps": slice(start, None, 2),
    }[form]


def taken(x: Any, index: Any) -> Any:
    """x[index] by NumPy's rules: the places of x are indexed, and what is found there is taken."""
    parts = tuple(plain(part) for part in index) if isinstance(index, tuple) else plain(index)
    places = np.asarray(np.arange(x.numel()).reshape(x.shape)[parts])
    return x.reshape(-1)[torch.from_numpy(places.reshape(-1).copy())].reshape(places.shape)


def plain(part: Any) -> Any:
    return part.numpy() if torch.is_tensor(part) else part
