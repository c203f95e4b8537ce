"""The table of operations, part one: element by element, and reductions.

A row says how an operation's arguments are drawn (`draw`, from a `Builder`), and what PyTorch computes for the same
arguments (`theirs`). `draw` returns the arguments and the settings of one call.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from programs.building import MARGIN, Builder, apart, gap
from programs.program import T, torch


@dataclass(frozen=True)
class Operation:
    """How the arguments of an operation are drawn, and PyTorch's function of the same arguments."""

    draw: Callable[[Builder], tuple[tuple, dict[str, Any]]]
    theirs: Callable


TABLE: dict[str, Operation] = {}


def operation(name: str, theirs: Callable) -> Callable:
    """Put a function that draws an operation's arguments into the table."""

    def enter(draw: Callable) -> Callable:
        TABLE[name] = Operation(draw, theirs)
        return draw

    return enter


def functional() -> Any:
    return torch.nn.functional


# --- element by element ---


def unary(name: str, theirs: Callable, low: float = -8.0, high: float = 8.0, kink: float | None = None) -> None:
    """An operation of one tensor with numbers from low to high, and away from the kink."""

    @operation(name, theirs)
    def draw(make: Builder) -> tuple[tuple, dict]:
        a = make.tensor(lambda X: X.min() >= low and X.max() <= high, None, max(low, -2.0), min(high, 2.0))
        return (a if kink is None else make.away_from(kink, a),), {}


unary("neg", lambda a: -a)
unary("exp", lambda a: a.exp(), high=2.0)
unary("log", lambda a: a.log(), low=0.2)
unary("log1p", lambda a: a.log1p(), low=-0.7)
unary("sqrt", lambda a: a.sqrt(), low=0.1)
unary("sin", lambda a: a.sin())
unary("cos", lambda a: a.cos())
unary("abs", lambda a: a.abs(), kink=0.0)
unary("tanh", lambda a: a.tanh())
unary("sigmoid", lambda a: a.sigmoid())
unary("relu", lambda a: a.relu(), kink=0.0)
unary("silu", lambda a: functional().silu(a))
unary("softplus", lambda a: functional().softplus(a, threshold=1e9))


@operation("leaky_relu", lambda a, slope: functional().leaky_relu(a, slope))
def _(make: Builder) -> tuple[tuple, dict]:
    return (make.away_from(0.0, make.tensor()), make.choose(0.25, 0.01)), {}


@operation("elu", lambda a, alpha: functional().elu(a, alpha))
def _(make: Builder) -> tuple[tuple, dict]:
    return (make.away_from(0.0, make.tensor()), make.choose(1.0, 0.5)), {}


@operation("gelu", lambda a, approximate="none": functional().gelu(a, approximate=approximate))
def _(make: Builder) -> tuple[tuple, dict]:
    return (make.tensor(),), {} if make.flag() else {"approximate": "tanh"}


@operation("clip", lambda a, low, high: a.clamp(low, high))
def _(make: Builder) -> tuple[tuple, dict]:
    low, high = make.choose((-0.5, 1.0), (None, 0.5), (-1.0, None))
    a = make.tensor()
    for limit in (low, high):
        a = a if limit is None else make.away_from(limit, a)
    X = make.values[a]  # moved away from the second limit, it may have come close to the first
    low = None if low is None or np.abs(X - low).min() < MARGIN else low
    return (a, low, high), {}


def two(make: Builder, low: float = -2.0, high: float = 2.0, need: Callable = lambda X: True) -> tuple[T, Any]:
    """A tensor, and beside it one that broadcasts with it; the second keeps to the need."""
    a = make.tensor()
    return a, make.partner(a, low, high, need)


def with_number(make: Builder) -> tuple[tuple, dict]:
    """Two tensors, or one and a number on either side."""
    form = make.choose("tensors", "tensors", "right", "left")
    if form == "tensors":
        return two(make), {}
    a, number = make.tensor(), make.choose(2.0, -0.5, 3)
    return ((a, number) if form == "right" else (number, a)), {}


operation("add", lambda a, b: a + b)(with_number)
operation("sub", lambda a, b: a - b)(with_number)
operation("mul", lambda a, b: a * b)(with_number)


@operation("div", lambda a, b: a / b)
def _(make: Builder) -> tuple[tuple, dict]:
    return two(make, 0.5, 2.0, lambda X: np.abs(X).min() >= 0.3), {}


@operation("pow", lambda a, b: a**b)
def _(make: Builder) -> tuple[tuple, dict]:
    form = make.choose("whole", "root", "tensor", "base")
    if form == "whole":
        return (make.tensor(), make.choose(2, 3, 2.0, 1)), {}
    if form == "base":
        return (make.choose(2.0, 0.5), make.tensor()), {}
    a = make.tensor(lambda X: X.min() >= 0.3, low=0.5)
    return (
        a,
        make.choose(0.5, -1, -0.5, 0) if form == "root" else make.partner(a, need=lambda X: abs(X).max() < 3),
    ), {}


def larger_or_smaller(make: Builder) -> tuple[tuple, dict]:
    a = make.tensor()
    b = make.partner(a)
    difference = make.values[b] - make.values[a]
    if np.abs(difference).min() > MARGIN:
        return (a, b), {}
    return (a, make.add("sub", b, gap(difference))), {}


operation("maximum", lambda a, b: torch.maximum(a, b))(larger_or_smaller)
operation("minimum", lambda a, b: torch.minimum(a, b))(larger_or_smaller)


@operation("where", lambda condition, a, b: torch.where(condition, a, b))
def _(make: Builder) -> tuple[tuple, dict]:
    a, b = two(make)
    shape = np.broadcast_shapes(make.values[a].shape, make.values[b].shape)
    return (make.mask(make.choose(shape, shape[-1:])), a, b), {}


# --- reductions and what else goes along an axis ---


def dims(x: Any, axis: Any) -> tuple[int, ...]:
    """PyTorch's `dim`: it has no None for all axes where there are none."""
    return tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)


def reduced(name: str, theirs: Callable, extremum: bool = False) -> None:
    """A reduction; of numbers among which the largest and the smallest stand alone, if it looks for these."""

    @operation(name, lambda x, axis=None, keepdims=False: theirs(x, dims(x, axis), keepdims) if x.ndim else theirs0(x))
    def draw(make: Builder) -> tuple[tuple, dict]:
        a = make.tensor()
        settings = {"axis": make.axes(make.values[a].ndim)} | ({"keepdims": True} if make.flag() else {})
        X = make.values[a]
        axes = tuple(i % X.ndim for i in dims(X, settings["axis"]))
        if extremum and axes and not apart(X, axes):
            a = make.leaf(X.shape)
        return (a,), settings

    def theirs0(x: Any) -> Any:
        return theirs(x.reshape(1), (0,), False)


reduced("sum", lambda x, dim, keepdim: x.sum(dim, keepdim))
reduced("mean", lambda x, dim, keepdim: x.mean(dim, keepdim))
reduced("max", lambda x, dim, keepdim: x.amax(dim, keepdim), extremum=True)
reduced("min", lambda x, dim, keepdim: x.amin(dim, keepdim), extremum=True)


@operation("var", lambda x, axis, ddof=0: x.reshape(x.shape or (1,)).var(dims(x, axis) or 0, correction=ddof))
def _(make: Builder) -> tuple[tuple, dict]:
    a = make.tensor()
    X = make.values[a]
    axis = make.axes(X.ndim)
    several = math.prod(X.shape[i] for i in dims(X, axis)) > 1
    return (a, axis), {"ddof": 1} if several and make.flag() else {}


@operation("logsumexp", lambda x, axis, keepdims=False: x.logsumexp(dims(x, axis), keepdims))
def _(make: Builder) -> tuple[tuple, dict]:
    a = make.tensor(lambda X: X.ndim > 0, lambda: make.shape(1))
    return (a, make.axes(make.values[a].ndim)), {"keepdims": True} if make.flag() else {}


def along_one_axis(make: Builder) -> tuple[tuple, dict]:
    a = make.tensor(lambda X: X.ndim > 0, lambda: make.shape(1))
    return (a, make.axis(make.values[a].ndim)), {}


operation("softmax", lambda x, axis: x.softmax(axis))(along_one_axis)
operation("log_softmax", lambda x, axis: x.log_softmax(axis))(along_one_axis)


@operation("cumsum", lambda x, axis=None: x.reshape(-1).cumsum(0) if axis is None else x.cumsum(axis))
def _(make: Builder) -> tuple[tuple, dict]:
    return along_one_axis(make) if make.flag() else ((make.tensor(),), {})
