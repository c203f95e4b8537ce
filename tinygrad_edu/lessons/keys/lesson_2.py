"""Lesson 2: broadcasting, and the sum that undoes it."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.zoo import convolution, reductions
from tinygrad_edu.lessons.exercise import Coals, Gold, Wrong, case


def axes_that_went(G: np.ndarray, x: np.ndarray) -> tuple[int, ...]:
    return tuple(range(G.ndim - x.ndim))


def stretched(G: np.ndarray, x: np.ndarray) -> tuple[int, ...]:
    return tuple(G.ndim - x.ndim + i for i, n in enumerate(x.shape) if n == 1)


EXERCISES = (
    Gold(
        number="2.1",
        title="the backward of a scale and a bias, Y = X * s + b",
        function="scale_and_bias_backward",
        forward=lambda X, s, b: X * s + b,
        cases=(case((3, 3), (3,), (3,)), case((4, 2), (2,), (2,)), case((1, 3), (3,), (3,)), case((5, 1), (1,), (1,))),
        wrong=(
            Wrong(
                "this is right but for the sum over the rows: s and b are used in each of them, and each sends "
                "something back",
                lambda G, X, s, b: (G * s, G * X, G),
            ),
            Wrong(
                "s and b get the mean of what the rows send back, they should get the sum: whether to divide by the "
                "batch is the loss's decision",
                lambda G, X, s, b: (G * s, (G * X).mean(axis=0), G.mean(axis=0)),
            ),
            Wrong(
                "s and b get what the first row sends back; all rows do",
                lambda G, X, s, b: (G * s, G[0] * X[0], G[0].copy()),
            ),
            Wrong(
                "for s, you add first and multiply then; it is the sum of the products G * X",
                lambda G, X, s, b: (G * s, G.sum(axis=0) * X.sum(axis=0), G.sum(axis=0)),
            ),
            Wrong(
                "for s, you add G first and multiply by the mean of X then; it is the sum of the products G * X",
                lambda G, X, s, b: (G * s, G.sum(axis=0) * X.mean(axis=0), G.sum(axis=0)),
            ),
            Wrong(
                "dL/ds lacks its factor: dY/ds = X, so it is the sum of G * X",
                lambda G, X, s, b: (G * s, G.sum(axis=0), G.sum(axis=0)),
            ),
            Wrong(
                "dL/dX lacks its factor: dY/dX = s",
                lambda G, X, s, b: (G, (G * X).sum(axis=0), G.sum(axis=0)),
            ),
            Wrong(
                "the sums keep the axis that was summed: s and b are (D,), not (1, D)",
                lambda G, X, s, b: (G * s, (G * X).sum(axis=0, keepdims=True), G.sum(axis=0, keepdims=True)),
            ),
        ),
        hints=(
            "Write Y[n, d] = X[n, d] * s[d] + b[d]. In which entries of Y does s[1] occur?",
            "In all of column 1. Each of them sends G[n, 1] * X[n, 1] back, and they are added over n.",
            "dL/ds = (G * X).sum(axis=0); for b the same without X, and dL/dX needs no sum.",
        ),
    ),
    Gold(
        number="2.2",
        title="the sum that undoes broadcasting, for any shape",
        function="unbroadcast",
        forward=lambda x, to: x * np.ones(to),
        adapt=lambda answer: lambda G, x, to: answer(G, x),
        cases=(
            case((3,), to=(4, 3)),
            case((4, 1), to=(4, 3)),
            case((2, 4, 3), to=(2, 4, 3)),
            case((1, 1), to=(5, 1, 3)),
            case((3, 3), to=(3, 3, 3)),
            case((), to=(2, 2)),
        ),
        wrong=(
            Wrong(
                "you sum over the axes that x does not have; those where it has length 1 are missing",
                lambda G, x: G.sum(axis=axes_that_went(G, x)),
            ),
            Wrong(
                "you sum over the axes where x has length 1; those in front that it does not have are missing",
                lambda G, x: G.sum(axis=stretched(G, x), keepdims=True),
            ),
            Wrong(
                "the numbers are right, but axes of length 1 are gone that x has: keepdims=True, or reshape at the end",
                lambda G, x: G.sum(axis=axes_that_went(G, x) + stretched(G, x)),
            ),
            Wrong(
                "you take the mean over the copies; what comes back from them is added",
                lambda G, x: G.mean(axis=axes_that_went(G, x) + stretched(G, x)).reshape(x.shape),
            ),
            Wrong(
                "you take what comes back from one of the copies; what comes back from all of them is added",
                lambda G, x: G[(0,) * (G.ndim - x.ndim)][tuple(slice(0, n) for n in x.shape)].copy(),
            ),
        ),
        hints=(
            "Compare the shapes from the last axis backwards. Which axes of G does x not have? They are in front.",
            "Sum over axis 0 as long as G has more axes than x. After that, both have equally many.",
            "Then, for each axis where x.shape has a 1: G = G.sum(axis=axis, keepdims=True).",
        ),
    ),
    Coals(
        number="2.3",
        title="a check for operations that broadcast",
        function="check_broadcast",
        right=(
            (ops.add, case((4, 3), (3,)).inputs),
            (ops.mul, case((4, 3), (3,)).inputs),
            (ops.add, case((3, 3), (3, 1)).inputs),
            (ops.mul, case((2, 3, 2), (3, 1)).inputs),
        ),
        wrong=(
            reductions.add_first_row,
            reductions.add_mean,
            reductions.add_wrong_axis,
            reductions.add_keepdims,
            reductions.mul_sum_first,
            convolution.image_bias_mean,
        ),
        hints=(
            "Begin with G: with ones, some wrong sums look right. Take np.random.default_rng(0).normal(size=...).",
            "Make b a leaf, Tensor(b, requires_grad=True), and compare leaf.grad with slopes, entry by entry: for "
            "each place, one array `nudge` that is h = 1e-5 there and 0 elsewhere.",
            "larger = np.sum(G * operation(Tensor(x), Tensor(b + nudge)).data), smaller in the same way; "
            "np.isclose(leaf.grad[place], (larger - smaller) / (2 * h), rtol=1e-5, atol=1e-7) must hold for all.",
        ),
    ),
)
