"""How far rounding may move the numbers of a program: a bound from a running error analysis, by experiment.

**The model.** In a step, every number is made of at most c rounded operations, where c is 16 plus the number of
elements that the step takes and makes: a sum, forward or backward, has at most as many terms, and 16 covers the few
functions (exp, tanh, a division) on the way, which libraries compute to a few units. What such a step computes is
exactly right for inputs that are each changed relatively by c u at most, plus an error of c u in the result (u = 2^-53
in float64, 2^-24 in float32: half the distance from 1 to the next number); see Higham 2002, "Accuracy and Stability of
Numerical Algorithms", sections 1.5 and 3.1. The result's error is relative to |y| + 1, not to |y|, since the numbers of
size 1 inside of formulas such as 1 / (1 + e^-a) are rounded as well. The same holds for the backward, whose inputs are
the arriving gradients G: what it returns, g, has an error relative to |g| + max |G|, since 1 - y^2 is made of numbers
of size 1. In float32, leaves are rounded once.

**The bound.** Number the m places where an input, a result or a gradient enters or leaves a step. If the number in
place i is changed by d_i c_i u, with |d_i| <= 1, a number z of the program changes by

    |sum_i d_i c_i u a_i|  <=  u sum_i c_i |a_i|  <=  u sqrt(m) S   with   S^2 = sum_i (c_i a_i)^2

to first order in u, where a_i is dz/d(place i) times the size that the change is relative to. (The second step is
Cauchy's and Schwarz's inequality.) No a_i is known, but S can be measured: draw the d_i from the normal distribution of
variance 1 instead, and the change of z is normal with the standard deviation u S. So the program is run again in
float64 with the changes d_i c_i e in all places, where e = 2^-40 lies far above the u of float64 and far below 1. In
K = 8 runs, the sum of (change of z)^2 / (e S)^2 has the chi-squared distribution of K degrees of freedom, and that is
below 0.025 with a probability of (0.025/2)^4 / 4! = 1e-9. But for such a chance

    |error of z|  <=  u sqrt(m) sqrt(sum over the runs of (change of z)^2 / 0.025) / e.

For z the largest of its tensor is taken. Two computations of the same number differ by at most the sum of both errors.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from programs.building import found_in
from programs.program import Program, compute, loss_of, results_of
from tinygrad_edu import Tensor
from tinygrad_edu.tensor import record

CHANGE = 2.0**-40
EXPERIMENTS = 8
LEAST_SUM_OF_SQUARES = 0.025


@dataclass(frozen=True)
class Outcome:
    """All tensors of a program, and the loss's gradients with respect to them: zeros where there are none."""

    values: list[np.ndarray]
    gradients: list[np.ndarray]


@dataclass(frozen=True)
class Bounds:
    """For every tensor of a program, in units of u, how large an error its values and its gradient may have."""

    values: list[float]
    gradients: list[float]


def outcome(program: Program, tensors: list[Tensor]) -> Outcome:
    """The values and, after walking back from the loss, the gradients, as NumPy arrays."""
    for x in tensors:
        if x.requires_grad:
            x.retain_grad()
    loss = loss_of(program, tensors)
    if loss.requires_grad:
        loss.backward()
    gradients = [x.grad if x.requires_grad else None for x in tensors]
    return Outcome(
        [x.numpy() for x in tensors],
        [np.zeros(x.shape, x.dtype) if g is None else Tensor(g).numpy() for g, x in zip(gradients, tensors)],
    )


def bounds(program: Program, exact: Outcome) -> Bounds:
    """The bounds of the docstring above, around the program's outcome in float64."""
    rng = np.random.default_rng(0)
    changed, places = [], 0
    for _ in range(EXPERIMENTS):
        shaker = Shaker(rng)
        changed.append(outcome(program, shaker.run(program, [x.size for x in exact.values])))
        places = shaker.places
    unit = math.sqrt(places) / CHANGE

    def bound(xs: list[np.ndarray], x: np.ndarray) -> float:
        squares = np.sum([(y - x) ** 2 for y in xs], axis=0)
        return unit * math.sqrt(squares.max(initial=0.0) / LEAST_SUM_OF_SQUARES)

    several = [outcome.values for outcome in changed], [outcome.gradients for outcome in changed]
    return Bounds(
        [bound(list(xs), x) for *xs, x in zip(*several[0], exact.values)],
        [bound(list(xs), x) for *xs, x in zip(*several[1], exact.gradients)],
    )


class Shaker:
    """Runs a program with small random changes wherever numbers enter or leave a step, on the way back as well."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.places = 0

    def run(self, program: Program, sizes: list[int]) -> list[Tensor]:
        tensors: list[Tensor] = []
        for step in program.steps:
            if step.name == "leaf":  # rounded once, where it is not what it was written as
                tensors += [self.entering(x, 1, [0.0]) for x in compute(step, tensors)]
                continue
            used = set(found_in((step.arguments, step.settings)))
            made = range(len(tensors), len(tensors) + results_of(step))
            c = 16 + sum(sizes[i] for i in [*used, *made])
            arrived = [0.0]  # the largest gradient that arrived at the step's results
            shaken = [self.entering(x, c, arrived) if i in used else x for i, x in enumerate(tensors)]
            tensors += [self.leaving(y, c, arrived) for y in compute(step, shaken)]
        return tensors

    def entering(self, x: Tensor, c: float, arrived: list[float]) -> Tensor:
        """x as the input of a step: shaken, and so is the gradient that the step returns for it."""

        def backward(G):
            return (G + self.change(G.shape, c) * (np.abs(G) + arrived[0]),)

        return record(x.data + self.change(x.shape, c) * np.abs(x.data), (x,), backward)

    def leaving(self, y: Tensor, c: float, arrived: list[float]) -> Tensor:
        """y as the result of a step: shaken, and so is the gradient that arrives."""

        def backward(G):
            arrived[0] = max(arrived[0], float(np.abs(G).max(initial=0.0)))
            return (G + self.change(G.shape, c) * np.abs(G),)

        return record(y.data + self.change(y.shape, c) * (np.abs(y.data) + 1), (y,), backward)

    def change(self, shape: tuple[int, ...], c: float) -> Any:
        self.places += math.prod(shape)
        return self.rng.normal(0.0, c * CHANGE, shape)
