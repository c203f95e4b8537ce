"""How a program is drawn: step by step, with the values of all earlier tensors in sight.

Since the values are known, what would spoil a comparison is not drawn, and nothing has to be thrown away afterwards: a
logarithm gets a tensor of positive numbers or a new leaf, relu one that has no number near its kink, and a result with
large numbers is scaled down by the next step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from hypothesis import strategies as st

from programs.program import Program, Step, T, compute
from tinygrad_edu import Tensor

LARGEST = 8.0  # numbers beyond are scaled down by a step of their own
MARGIN = 2e-3  # how far numbers stay away from a kink, and a maximum from the second
SIZE = 150  # elements of a tensor that goes into another operation

Need = Callable[[np.ndarray], bool]


def anything(_: np.ndarray) -> bool:
    return True


class Refused(Exception):
    """An operation raised an error; the program ends with that step, and comes to the same error when it is run."""


class Builder:
    """A program that grows: `draw` is Hypothesis'."""

    def __init__(self, draw: Callable) -> None:
        self.draw = draw
        self.steps: list[Step] = []
        self.values: list[np.ndarray] = []
        self.used: set[int] = set()

    # --- choices ---

    def choose(self, *options: Any) -> Any:
        """One of the options; the first is the simplest."""
        return self.draw(st.sampled_from(options))

    def whole(self, low: int, high: int) -> int:
        return self.draw(st.integers(low, high))

    def flag(self) -> bool:
        return self.draw(st.booleans())

    def shape(self, fewest: int = 0, most: int = 3, longest: int = 4) -> tuple[int, ...]:
        return tuple(self.whole(1, longest) for _ in range(self.whole(fewest, most)))

    def axes(self, ndim: int) -> int | tuple[int, ...] | None:
        """Every form that the argument `axis` of a reduction may have."""
        form = self.choose("all", "one", "several") if ndim else "all"
        if form == "all":
            return None
        if form == "one":
            return self.axis(ndim)
        chosen = self.draw(st.sets(st.integers(0, ndim - 1), min_size=1))
        return tuple(i - ndim if self.flag() else i for i in sorted(chosen))

    def axis(self, ndim: int) -> int:
        return self.whole(-ndim, ndim - 1)

    def beside(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """A shape that broadcasts with the given one."""
        kept = tuple(n if n == 1 or not self.flag() else 1 for n in shape[self.whole(0, len(shape)) :])
        return kept if len(kept) != len(shape) or len(shape) > 2 or not self.flag() else (2, *kept)

    # --- numbers ---

    def numbers(self, shape: tuple[int, ...], low: float = -2.0, high: float = 2.0) -> np.ndarray:
        """Numbers that are spread evenly and shaken a little, so that no two are close and none is close to 0.

        The n places are the middles of n equal parts; each number is moved away from its place by 0.1 to 0.3 parts. So
        two numbers are 0.4 parts apart, and with low = -high also 0.1 parts from 0, which is a middle for odd n.
        """
        n = int(np.prod(shape))
        rng = np.random.default_rng(self.whole(0, 9999))
        moved = rng.choice([-1, 1], n) * rng.uniform(0.1, 0.3, n)
        numbers = low + (high - low) / n * (np.arange(n) + 0.5 + moved)
        return rng.permutation(numbers).round(4).reshape(shape)

    def mask(self, shape: tuple[int, ...]) -> np.ndarray:
        rng = np.random.default_rng(self.whole(0, 9999))
        return np.asarray(rng.random(shape) > 0.4)

    def integers(self, shape: tuple[int, ...], low: int, high: int) -> np.ndarray:
        """Whole numbers low <= n < high."""
        return np.asarray(np.random.default_rng(self.whole(0, 9999)).integers(low, high, shape))

    # --- tensors ---

    def leaf(self, shape: tuple[int, ...], low: float = -2.0, high: float = 2.0) -> T:
        constant = self.whole(0, 7) == 7
        return self.add("leaf", self.numbers(shape, low, high), not constant)

    def tensor(
        self,
        need: Need = anything,
        shape: tuple[int, ...] | Callable[[], tuple[int, ...]] | None = None,
        low: float = -2.0,
        high: float = 2.0,
    ) -> T:
        """An earlier tensor that meets the need, or a new leaf of that shape between low and high."""
        moderate = [i for i, X in enumerate(self.values) if 0 < X.size <= SIZE and np.abs(X).max() <= LARGEST]
        fitting = [i for i in moderate if need(self.values[i])]
        number = self.whole(0, len(fitting))
        if number:
            return T(fitting[-number])
        return self.leaf(self.shape() if shape is None else shape() if callable(shape) else shape, low, high)

    def like(self, shape: tuple[int, ...], low: float = -2.0, high: float = 2.0) -> T:
        """A tensor of exactly this shape."""
        return self.tensor(lambda X: X.shape == shape, shape, low, high)

    def partner(self, a: T, low: float = -2.0, high: float = 2.0, need: Need = anything) -> T:
        """A tensor that broadcasts with `a`."""
        shape = self.values[a].shape
        return self.tensor(lambda X: broadcasts(shape, X.shape) and need(X), lambda: self.beside(shape), low, high)

    def away_from(self, kink: float, a: T) -> T:
        """`a`, or where it has numbers close to the kink, `a` plus a constant that moves all of them away from it."""
        X = self.values[a] - kink
        if np.abs(X).min() > MARGIN:
            return a
        return self.add("sub", a, gap(X))

    # --- steps ---

    def add(self, name: str, *arguments: Any, **settings: Any) -> T:
        """Append a step and compute it; returns the number of its first result."""
        first = T(len(self.values))
        self.steps.append(Step(name, arguments, settings))
        self.used.update(found_in(arguments), found_in(settings))
        try:
            self.values += [y.data for y in compute(self.steps[-1], [Tensor(X) for X in self.values])]
        except Exception as error:
            raise Refused from error
        for i in range(first, len(self.values)):
            largest = np.abs(self.values[i]).max(initial=0.0)
            if largest > LARGEST:
                self.add("mul", T(i), 2.0 ** -math.ceil(math.log2(largest)))
        return first

    def program(self) -> Program:
        """The program so far; what no step used goes into the loss, but for a few."""
        if not self.values:
            return Program(self.steps, [])
        last = T(len(self.values) - 1)
        ends = [T(i) for i in range(len(self.values)) if i not in self.used] or [last]
        kept = [i for i in ends[:-1] if self.whole(0, 5) < 5]
        return Program(self.steps, [*kept, ends[-1]])


def found_in(x: Any) -> list[T]:
    """The numbers of the tensors among arguments."""
    if isinstance(x, dict):
        x = tuple(x.values())
    return [t for part in x for t in found_in(part)] if isinstance(x, tuple | list) else [x] if type(x) is T else []


def broadcasts(a: tuple[int, ...], b: tuple[int, ...]) -> bool:
    """Whether two shapes fit each other, and what they make together is not too large."""
    try:
        return np.prod(np.broadcast_shapes(a, b)) <= SIZE
    except ValueError:
        return False


def gap(X: np.ndarray) -> float:
    """The middle of the widest gap between numbers, or what lies beyond them all if they leave no gap."""
    ordered = np.unique(X)
    widths = np.diff(ordered)
    if not len(widths) or widths.max() < 4 * MARGIN:
        return float(np.ceil(ordered[-1] + 1))
    i = widths.argmax()
    return round(float(ordered[i] + widths[i] / 2), 3)


def apart(X: np.ndarray, axes: tuple[int, ...]) -> bool:
    """Whether in every group along these axes the largest number, and the smallest, stand alone."""
    rows = np.moveaxis(X, axes, range(len(axes))).reshape(int(np.prod([X.shape[i] for i in axes])), -1)
    rows = np.sort(rows, axis=0)
    return len(rows) < 2 or bool(min((rows[-1] - rows[-2]).min(), (rows[1] - rows[0]).min()) > MARGIN)
