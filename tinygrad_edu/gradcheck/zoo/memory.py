"""Wrong backwards that have the right formula: they write where they must not, share memory, or read it as it lies."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.zoo.mistake import mistake
from tinygrad_edu.tensor import record


@mistake(
    "relu: writes into the gradient it is given",
    "Setting entries of G to zero saves an array. The same G may be on its way to another input: in relu(x) + x, "
    "whose two terms have one G, the second loses what the first was not given.",
    (3, 4),
    right=ops.relu,
)
def relu_in_place(x):
    X = x.data

    def backward(G):
        G[X <= 0] = 0
        return (G,)

    return record(np.maximum(X, 0), (x,), backward)


@mistake(
    "exp: multiplies its own result in place",
    "The derivative is the result, so the backward multiplies it by G where it lies. Whoever holds the result sees it "
    "change, and a second walk starts from the changed one.",
    (3, 4),
    right=ops.exp,
)
def exp_in_place(x):
    Y = np.exp(x.data)

    def backward(G):
        np.multiply(Y, G, out=Y)
        return (Y.copy(),)

    return record(Y, (x,), backward)


@mistake(
    "add: one new array for both inputs",
    "Both get the same numbers, so one array serves two. When an engine adds into the one, the other changes as well.",
    (3, 4),
    (3, 4),
    right=ops.add,
)
def add_alias(a, b):
    def backward(G):
        D = G.copy()
        return D, D

    return record(a.data + b.data, (a, b), backward)


@mistake(
    "weighted_sum: hands out its own weights",
    "y = sum w x: where x asks, the answer for G = 1 is w itself, and no multiplication is needed. x.grad is then the "
    "weights' own memory, and clipping the gradient changes the weights.",
    (3,),
    (3,),
    right=lambda x, w: (x * w).sum(),
)
def weighted_sum_alias(x, w):
    X, W = x.data, w.data

    def backward(G):
        return W if G == 1 else G * W, G * X

    return record((X * W).sum(), (x, w), backward)


@mistake(
    "scale: returns float32 for float64",
    "The factor is stored in float32 and the product converted to it. An engine that adds gradients of both kinds "
    "rounds in silence.",
    (3, 4),
    right=lambda x: x * 3.0,
)
def scale_single(x):
    def backward(G):
        return ((3 * G).astype(np.float32),)

    return record(3 * x.data, (x,), backward)


@mistake(
    "cube: reads its input in the order of memory",
    "A kernel runs through both arrays as they lie. For arrays in C order, which all are that were just made, that is "
    "the right order; a transposed input lies otherwise.",
    (3, 4),
    right=lambda x: x**3,
)
def cube_input_order(x):
    X = x.data

    def backward(G):
        return ((3 * X.ravel("K") ** 2 * G.ravel()).reshape(X.shape),)

    return record(X**3, (x,), backward)


@mistake(
    "cube: reads G in the order of memory",
    "A kernel runs through G as it lies in memory. Which order that is was decided by the operation behind this one: "
    "a transposition hands over another than a sum.",
    (3, 4),
    right=lambda x: x**3,
)
def cube_gradient_order(x):
    X = x.data

    def backward(G):
        return ((3 * X.ravel() ** 2 * G.ravel("K")).reshape(X.shape),)

    return record(X**3, (x,), backward)
