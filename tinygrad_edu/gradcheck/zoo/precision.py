"""Backwards that are nearly right: wrong by so little, or in a place so small, that a tolerance may let them pass."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.case import positive
from tinygrad_edu.gradcheck.zoo.mistake import mistake
from tinygrad_edu.tensor import record


@mistake(
    "log10: a constant of two digits (a factor of 1.001)",
    "The logarithm of 10 is typed as 2.3 in the backward, where the forward has it to all its digits.",
    positive(2, 3),
    right=lambda x: ops.log(x) / float(np.log(10)),
)
def log10_digits(x):
    X = x.data

    def backward(G):
        return (G / (2.3 * X),)

    return record(np.log10(X), (x,), backward)


@mistake(
    "log2: a constant of five digits (a factor of 1 + 1e-5)",
    "The logarithm of 2 is typed as 0.69314 in the backward, from a table. Tolerances of one in a thousand, which "
    "many checks have, are made for float32 and let it pass.",
    positive(2, 3),
    right=lambda x: ops.log(x) / float(np.log(2)),
)
def log2_digits(x):
    X = x.data

    def backward(G):
        return (G / (0.69314 * X),)

    return record(np.log2(X), (x,), backward)


@mistake(
    "sqrt: an epsilon in the backward alone",
    "Against division by zero, 0.001 is added to the root, in the backward and not in the forward. A guard that is "
    "larger than need be changes every gradient.",
    positive(2, 3),
    right=ops.sqrt,
)
def sqrt_epsilon(x):
    Y = np.sqrt(x.data)

    def backward(G):
        return (G / (2 * (Y + 0.001)),)

    return record(Y, (x,), backward)


@mistake(
    "offset_sin: wrong by 1e-4 below a large constant",
    "y = 1e6 + sin x, and the slope is wrong in its fourth digit. The difference quotient of so large a number has "
    "few digits itself: coordinates, dates and prices hide a mistake that the same function without the offset shows.",
    (2, 3),
    right=lambda x: ops.sin(x) + 1e6,
)
def offset_sin_hidden(x):
    X = x.data

    def backward(G):
        return (G * np.cos(X) * 1.0001,)

    return record(1e6 + np.sin(X), (x,), backward)


@mistake(
    "two_scales: 2% wrong in the small one of two results",
    "One result is of size 1e6, the other of 1e-4, as a loss beside a probability. A tolerance that is measured by "
    "the largest number lets the small one be anything.",
    (3,),
    right=lambda x: ops.stack([x * 1e6, ops.sin(x) * 1e-4]),
)
def two_scales_hidden(x):
    X = x.data

    def backward(G):
        return (G[0] * 1e6 + G[1] * 1.02e-4 * np.cos(X),)

    return record(np.stack([1e6 * X, 1e-4 * np.sin(X)]), (x,), backward)


@mistake(
    "tanh: computed in float32 on the way back",
    "The backward works in single precision and converts at the end, so dtype and shape are right and seven digits of "
    "sixteen are. It happens in kernels written for float32, and where a buffer is made without its dtype.",
    (3, 4),
    right=ops.tanh,
)
def tanh_single(x):
    Y = np.tanh(x.data)

    def backward(G):
        y, g = Y.astype(np.float32), G.astype(np.float32)
        return ((g * (1 - y * y)).astype(G.dtype),)

    return record(Y, (x,), backward)


@mistake(
    "square: adds a small number to the gradient",
    "1e-8 is added, so that nothing is ever divided by zero further on. It is too small to see beside a gradient of "
    "1; where the gradient is zero, as behind a mask or for a frozen part, something flows all the same.",
    (3, 4),
    right=lambda x: x * x,
)
def square_offset(x):
    X = x.data

    def backward(G):
        return (2 * X * G + 1e-8,)

    return record(X * X, (x,), backward)


@mistake(
    "square_sum: the last of 40,000 entries gets nothing",
    "A loop over pieces of a large array ends one entry early: range(n - 1), or a remainder that is left out. A check "
    "that looks at a few entries chosen at random hardly ever looks at that one.",
    (200, 200),
    right=lambda x: (x * x).sum(),
)
def square_sum_last(x):
    X = x.data

    def backward(G):
        dX = np.zeros_like(X)
        dX.flat[: X.size - 1] = 2 * G * X.flat[: X.size - 1]
        return (dX,)

    return record((X * X).sum(), (x,), backward)
