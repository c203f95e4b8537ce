"""One step of a graph by itself, computed again: its derivatives by differences, beside those that its backward gave.

For L' = sum(G * f(x)), with the G that the walk brought, dL'/dx is what the step sends back to x. So a few entries of x
are moved by +h and by -h, in float64, and f computed again:

    (L'(x + h) - L'(x - h)) / 2h.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinygrad_edu.backend import Array, array_module, is_array, to_numpy
from tinygrad_edu.inspection.watch import Call
from tinygrad_edu.tensor import Tensor, no_grad

H = 1e-5  # for entries around 1: the error of the formula, h^2 f'''/6, and that of rounding, 1e-16 f/h, are both small
SCALES = (1.0, 1e-3, 0.0)  # h = H max(scale, |x|), the next where the sides differ: log(x) bends a lot around x = 1e-4


@dataclass(frozen=True)
class Measured:
    """The derivative by one entry of a step's input, twice.

    Attributes
    ----------
    index : tuple of int
    analytic : float
        What the step's backward returned.
    left, right : float
        (L'(x) - L'(x - h)) / h and (L'(x + h) - L'(x)) / h.
    """

    index: tuple[int, ...]
    analytic: float
    left: float
    right: float

    @property
    def difference(self) -> float:
        """The mean of both sides."""
        return (self.left + self.right) / 2

    @property
    def is_kink(self) -> bool:
        """Whether the two sides differ, so that there is no derivative: relu at 0, two equal entries in max."""
        return not self.bend <= 1e-3 * max(abs(self.right), abs(self.left)) + 1e-9

    @property
    def bend(self) -> float:
        """How far the two sides are apart; NaN where one of them is."""
        return abs(self.right - self.left)

    @property
    def error(self) -> float:
        """How far the two are apart, as a part of the larger."""
        larger = max(abs(self.analytic), abs(self.difference))
        return abs(self.analytic - self.difference) / larger if larger else 0.0


def measure(
    call: Call | None,
    inputs: Sequence[Tensor],
    outputs: Sequence[Array],
    G: Sequence[Array | None],
    gradients: Sequence[Array | None],
    picked: Sequence[Sequence[tuple[int, ...]]],
    count: int,
) -> tuple[dict[int, list[Measured]], str]:
    """For each input with a gradient, `count` of the picked entries: the first, and others at random.

    Parameters
    ----------
    call : the operation with its arguments.
    inputs, gradients : what it was computed from, and what its backward returned for them.
    picked : for each input, entries to choose from.
    outputs, G : its results, and dL/d(result) of each; None where the loss does not depend on one.

    Returns
    -------
    By the position of the input; and, where nothing could be measured, why.
    """
    if call is None:
        return {}, "its function, which its module must know, was not seen; the loss must be computed by a function"
    function, arguments, named = call
    moved: list[tuple[Tensor, Any]] = []  # every tensor among the arguments, and the array that stands in for it
    again = _in_float64((arguments, named), moved)
    wanted = [None if g is None else array_module(g).asarray(g, np.float64) for g in G]

    def results() -> list[Array]:
        positional, by_name = copy.deepcopy(again, {id(x): x for x in _arrays_and_tensors(again)})
        with no_grad(), np.errstate(all="ignore"):  # a step may lead out of where f is defined: log(1e-6 - h)
            # Copies: reshape gives a view of its input, which would move along with it.
            return [to_numpy(x.data).copy() for x in _tensors_in(function(*positional, **by_name))]

    try:
        base = results()
    except Exception as error:  # whatever it is: the function was not meant to be called so
        return {}, f"it could not be computed again, in float64: {error}"
    chosen = _matching(base, outputs)
    if chosen is None:
        return {}, "computed again it gives other values: it draws random numbers, or its inputs were written into"

    def change(X: Array, index: tuple[int, ...], by: float) -> float:
        """L'(x + by) - L'(x)."""
        middle = float(X[index])
        X[index] = middle + by
        try:
            now = results()
        finally:
            X[index] = middle
        with np.errstate(all="ignore"):
            changes = ((now[i] - base[i], W) for i, W in zip(chosen, wanted) if W is not None)
            return sum(float((difference * to_numpy(W)).sum()) for difference, W in changes)

    # How far L' may be off: a small entry beside a large one in a sum moves nothing.
    with np.errstate(all="ignore"):
        largest = [np.abs(base[i] * to_numpy(W)).max(initial=0) for i, W in zip(chosen, wanted) if W is not None]
    rounding = np.finfo(float).eps * max((float(size) for size in largest if np.isfinite(size)), default=0.0)
    measured: dict[int, list[Measured]] = {}
    for position, (x, g) in enumerate(zip(inputs, gradients)):
        earlier = sum(other is x for other in inputs[:position])
        places = [array for tensor, array in moved if tensor is x]
        if g is None or not x.requires_grad or len(places) <= earlier:
            continue
        X = places[earlier]
        measured[position] = []
        strongest = float(np.abs(to_numpy(g)).max(initial=0))
        for index in _some(picked[position], count):
            best = None
            for h in dict.fromkeys(H * max(scale, abs(float(X[index]))) for scale in SCALES):
                if h == 0:
                    continue
                try:
                    left, right = change(X, index, -h) / -h, change(X, index, h) / h
                except Exception:  # whatever it is: the function refuses what lies there
                    continue
                if not np.isfinite(left + right):
                    continue
                if rounding > 1e-3 * h * max(strongest, abs(left), abs(right)) > 0:
                    continue
                found = Measured(index, float(to_numpy(g)[index]), left, right)
                best = found if best is None or found.bend < best.bend or not np.isfinite(best.bend) else best
                if not best.is_kink:
                    break
            if best is not None:
                measured[position].append(best)
    if any(measured.values()):
        return measured, ""
    hidden = "its inputs are not among the operation's arguments"
    return measured, "no difference there is a number and larger than its rounding" if measured else hidden


def _in_float64(value: Any, moved: list[tuple[Tensor, Any]]) -> Any:
    """Arguments with floating numbers in double precision, each tensor with an array of its own, noted in `moved`."""
    if isinstance(value, Tensor):
        if value.data.dtype.kind != "f":
            return value
        array = array_module(value.data).array(value.data, np.float64)
        moved.append((value, array))
        return Tensor(array)
    if isinstance(value, tuple | list) and type(value) in (tuple, list):
        return type(value)(_in_float64(part, moved) for part in value)
    if isinstance(value, dict):
        return {key: _in_float64(part, moved) for key, part in value.items()}
    if is_array(value) and value.dtype.kind == "f":
        return array_module(value).asarray(value, np.float64)
    if isinstance(value, type | np.dtype) and np.dtype(value).kind == "f":
        return np.float64
    return value


def _arrays_and_tensors(value: Any) -> list[Any]:
    """What is handed over as it is: all but generators of random numbers, which a call moves on."""
    if isinstance(value, tuple | list):
        return [found for part in value for found in _arrays_and_tensors(part)]
    if isinstance(value, dict):
        return [found for part in value.values() for found in _arrays_and_tensors(part)]
    return [] if isinstance(value, np.random.Generator) else [value]


def _tensors_in(result: Any) -> list[Tensor]:
    if isinstance(result, tuple | list):
        return [tensor for part in result for tensor in _tensors_in(part)]
    return [result] if isinstance(result, Tensor) else []


def _matching(results: list[Array], outputs: Sequence[Array]) -> list[int] | None:
    """For each recorded output, which result it is; None where one is nowhere among them."""
    found = []
    for output in map(to_numpy, outputs):
        # As near as the output's own precision lets sums be: three digits of float32's seven.
        scale = 1e-3 * float(np.abs(output).max(initial=0)) if np.isfinite(output).all() else 0.0
        same = (
            i
            for i, Y in enumerate(results)
            if i not in found and Y.shape == output.shape and np.allclose(Y, output, 1e-3, scale, equal_nan=True)
        )
        place = next(same, None)
        if place is None:
            return None
        found.append(place)
    return found


def _some(entries: Sequence[tuple[int, ...]], count: int) -> list[tuple[int, ...]]:
    """The first, and others at random, the same at every call."""
    others = np.random.default_rng(0).permutation(len(entries))
    return [entries[i] for i in list(dict.fromkeys([0, *map(int, others)]))[:count]] if entries else []
