"""The checks that people write when they need one, for comparison: each plain, and each with something it cannot see.

All hold a backward, v J for some gradient v = dL/d(outputs), against the Jacobian J by central differences, and differ
in which v they take, and in whether they look at every entry of v J or at v J u in some direction u. `J` has one matrix
for each input, (entries of all outputs, entries of the input); `central_differences` makes it. (Whoever needs J u alone
calls f twice, at x + h u and x - h u. It is the same number.) Step and tolerances are those of PyTorch's `gradcheck`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tinygrad_edu.tensor import Tensor, no_grad

H, RTOL, ATOL = 1e-6, 1e-3, 1e-5
Arrays = Sequence[np.ndarray]


def sum_of_outputs(f: Callable[..., Any], inputs: Arrays, J: Arrays) -> bool:
    """loss = f(x).sum() and loss.backward(): every entry of x.grad against the slope of the loss.

    v is all ones. What cancels in the sum of the outputs, or needs another G than 1 to show, passes.
    """
    leaves = _leaves(inputs)
    _total(y.sum() for y in _outputs(f, leaves)).backward()
    return all(_close(_gradient(leaf).reshape(-1), slopes.sum(axis=0)) for leaf, slopes in zip(leaves, J))


def one_number(f: Callable[..., Any], inputs: Arrays, J: Arrays) -> bool:
    """The backward is given ones, and all entries of an input are moved together: one number for each input.

    v and u are all ones. The cheapest of all: what cancels over the input's entries passes as well.
    """
    gradients = _vjp(f, inputs, [np.ones(shape) for shape in _shapes(f, inputs)])
    return all(_close(gradient.sum(), slopes.sum()) for gradient, slopes in zip(gradients, J))


def random_rows(f: Callable[..., Any], inputs: Arrays, J: Arrays) -> bool:
    """Every entry of v J for one random v."""
    V = _random(_shapes(f, inputs), np.random.default_rng(0))
    return all(_close(gradient.reshape(-1), _flat(V) @ slopes) for gradient, slopes in zip(_vjp(f, inputs, V), J))


def every_entry(f: Callable[..., Any], inputs: Arrays, J: Arrays) -> bool:
    """The whole of J: a backward for each row, with v = (0 .. 1 .. 0)."""
    shapes = _shapes(f, inputs)
    ends = np.cumsum([np.prod(shape, dtype=int) for shape in shapes])
    for row, unit in enumerate(np.eye(ends[-1])):
        V = [part.reshape(shape) for part, shape in zip(np.split(unit, ends[:-1]), shapes)]
        if not all(_close(gradient.reshape(-1), slopes[row]) for gradient, slopes in zip(_vjp(f, inputs, V), J)):
            return False
    return True


def random_directions(f: Callable[..., Any], inputs: Arrays, J: Arrays) -> bool:
    """Three times a random v and, for each input, a random u: the number v J u."""
    rng = np.random.default_rng(0)
    for _ in range(3):
        V = _random(_shapes(f, inputs), rng)
        for gradient, slopes in zip(_vjp(f, inputs, V), J):
            u = rng.normal(size=gradient.size)
            if not _close(gradient.reshape(-1) @ u, _flat(V) @ slopes @ u):
                return False
    return True


OTHER_CHECKS = {
    "sum": sum_of_outputs,
    "1 J 1": one_number,
    "v J": random_rows,
    "all of J": every_entry,
    "v J u": random_directions,
}


def central_differences(f: Callable[..., Any], inputs: Arrays) -> list[np.ndarray]:
    """J for each input: (f(x + h u) - f(x - h u)) / 2h, with u = (0 .. 1 .. 0), is its column."""

    def values(i: int, move: np.ndarray) -> np.ndarray:
        with no_grad():
            moved = [Tensor(x + move if k == i else x.copy()) for k, x in enumerate(inputs)]
            return _flat([y.data for y in _outputs(f, moved)])

    J = []
    for i, x in enumerate(inputs):
        steps = (H * unit.reshape(x.shape) for unit in _units(x.size))
        J.append(np.array([(values(i, step) - values(i, -step)) / (2 * H) for step in steps]).T)
    return J


def _units(size: int) -> Iterable[np.ndarray]:
    for k in range(size):
        unit = np.zeros(size)
        unit[k] = 1.0
        yield unit


def _vjp(f: Callable[..., Any], inputs: Arrays, V: Arrays) -> list[np.ndarray]:
    """v J, for each input: the gradient of the loss (v * outputs).sum()."""
    leaves = _leaves(inputs)
    _total((y * v).sum() for y, v in zip(_outputs(f, leaves), V)).backward()
    return [_gradient(leaf) for leaf in leaves]


def _leaves(inputs: Arrays) -> list[Tensor]:
    return [Tensor(x.copy(), requires_grad=True) for x in inputs]


def _outputs(f: Callable[..., Any], leaves: list[Tensor]) -> tuple[Tensor, ...]:
    outputs = f(*leaves)
    return outputs if isinstance(outputs, tuple) else (outputs,)


def _shapes(f: Callable[..., Any], inputs: Arrays) -> list[tuple[int, ...]]:
    return [y.shape for y in _outputs(f, _leaves(inputs))]


def _gradient(leaf: Tensor) -> np.ndarray:
    return np.zeros(leaf.shape) if leaf.grad is None else leaf.grad


def _total(terms: Iterable[Tensor]) -> Tensor:
    return sum(terms, start=Tensor(np.zeros(())))


def _random(shapes: list[tuple[int, ...]], rng: np.random.Generator) -> list[np.ndarray]:
    return [rng.normal(size=shape) for shape in shapes]


def _flat(arrays: Arrays) -> np.ndarray:
    return np.concatenate([a.reshape(-1) for a in arrays])


def _close(a: Any, b: Any) -> bool:
    return bool(np.allclose(a, b, rtol=RTOL, atol=ATOL))
