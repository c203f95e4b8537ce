"""Wrong backwards of activations: functions of one number, for which dL/dx = G f'(x)."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.zoo.mistake import mistake
from tinygrad_edu.tensor import record


@mistake(
    "relu: slope 7 at 0",
    "The slope is filled in where x > 0 and where x < 0; at exactly 0 stands what was in memory before, here a 7. It "
    "happens where an array is made empty and filled case by case.",
    [[0.0, 1.0, -1.0]],
    right=ops.relu,
)
def relu_seven(x):
    X = x.data

    def backward(G):
        slope = np.full(X.shape, 7.0)
        slope[X > 0] = 1.0
        slope[X < 0] = 0.0
        return (G * slope,)

    return record(np.maximum(X, 0), (x,), backward)


@mistake(
    "relu: lets positive gradients through alone",
    "The backward applies relu to the gradient as well. So do methods that draw what a network looks at (guided "
    "backpropagation); left in by accident, they turn the training's gradient wrong. A gradient of ones is positive.",
    (3, 4),
    right=ops.relu,
)
def relu_guided(x):
    X = x.data

    def backward(G):
        return (np.maximum(G, 0) * (X > 0),)

    return record(np.maximum(X, 0), (x,), backward)


@mistake(
    "leaky_relu: the two slopes exchanged",
    "The small slope is given to the positive side. It happens when a condition is turned round in one of two places.",
    (3, 4),
    right=ops.leaky_relu,
)
def leaky_relu_exchanged(x):
    X = x.data

    def backward(G):
        return (G * np.where(X > 0, 0.01, 1.0),)

    return record(np.where(X > 0, X, 0.01 * X), (x,), backward)


@mistake(
    "sigmoid: x (1 - x) for y (1 - y)",
    "The derivative is y (1 - y) with the result y, and is given the input x. It happens where forward and backward "
    "are separate functions, and the caller has to know which of the two values the derivative expects.",
    (3, 4),
    right=ops.sigmoid,
)
def sigmoid_of_input(x):
    X = x.data

    def backward(G):
        return (G * X * (1 - X),)

    return record(1 / (1 + np.exp(-X)), (x,), backward)


@mistake(
    "tanh: the derivative is taken at the result",
    "1 - tanh(y)^2 where y is tanh(x) already: tanh is applied twice. It happens where forward and backward are "
    "separate functions: this derivative expects the input, and is given the result.",
    (3, 4),
    right=ops.tanh,
)
def tanh_twice(x):
    Y = np.tanh(x.data)

    def backward(G):
        return (G * (1 - np.tanh(Y) ** 2),)

    return record(Y, (x,), backward)


@mistake(
    "gelu: half of the product rule",
    "y = x P(x), with P the normal distribution's function, so y' = P(x) + x P'(x). The second term is forgotten; it "
    "is zero at 0 and small far out, so that a picture of the slope looks right.",
    (3, 4),
    right=lambda x: ops.gelu(x, approximate="tanh"),
)
def gelu_half(x):
    X = x.data
    P = (1 + np.tanh(np.sqrt(2 / np.pi) * (X + 0.044715 * X**3))) / 2

    def backward(G):
        return (G * P,)

    return record(X * P, (x,), backward)


@mistake(
    "gelu: the 3 of the cube is lost",
    "The tanh form has x + 0.044715 x^3 inside, whose derivative is 1 + 3 * 0.044715 x^2. The 3 is missing: a mistake "
    "of a few per cent, in a formula that was differentiated by hand.",
    (3, 4),
    right=lambda x: ops.gelu(x, approximate="tanh"),
)
def gelu_cube(x):
    X, a = x.data, np.sqrt(2 / np.pi)
    T = np.tanh(a * (X + 0.044715 * X**3))

    def backward(G):
        inner = a * (1 + 0.044715 * X**2)
        return (G * ((1 + T) / 2 + X / 2 * (1 - T**2) * inner),)

    return record(X * (1 + T) / 2, (x,), backward)


@mistake(
    "softplus: the slope overflows",
    "The slope is the sigmoid, written as exp(x) / (1 + exp(x)): infinity over infinity, not a number, for x beyond "
    "709. The forward was made safe for large inputs and the backward was not.",
    [[-800.0, 0.5, 800.0]],
    right=ops.softplus,
)
def softplus_overflow(x):
    X = x.data

    def backward(G):
        E = np.exp(X)
        return (G * E / (1 + E),)

    return record(np.logaddexp(X, 0), (x,), backward)


@mistake(
    "silu: a factor x is lost in the product rule",
    "y = x s, with s the sigmoid, so y' = s + x s (1 - s). The x of the second term is missing: the two terms were "
    "written from memory, each right in another formula.",
    (3, 4),
    right=ops.silu,
)
def silu_without_x(x):
    X = x.data
    S = 1 / (1 + np.exp(-X))

    def backward(G):
        return (G * (S + S * (1 - S)),)

    return record(X * S, (x,), backward)


@mistake(
    "elu: the slope is the result, without its + 1",
    "Where x < 0, y = exp(x) - 1, and the slope exp(x) is y + 1. The backward, which saves the result to save an "
    "exponential, forgets the 1.",
    (3, 4),
    right=ops.elu,
)
def elu_without_one(x):
    X = x.data
    Y = np.where(X > 0, X, np.expm1(np.minimum(X, 0)))

    def backward(G):
        return (G * np.where(X > 0, 1, Y),)

    return record(Y, (x,), backward)


@mistake(
    "clip: below the lower bound the gradient goes on",
    "y = clip(x, -0.5, 0.5) is constant on both sides; the backward looks at the upper bound alone. It happens when "
    "an operation with one bound gets a second one later.",
    (3, 4),
    right=lambda x: ops.clip(x, -0.5, 0.5),
)
def clip_one_side(x):
    X = x.data

    def backward(G):
        return (G * (X < 0.5),)

    return record(np.clip(X, -0.5, 0.5), (x,), backward)


@mistake(
    "abs: not a number at 0",
    "The sign of x is written as x / |x|, which is 0 / 0 at 0. One zero among the inputs, such as an empty pixel or a "
    "padded token, and all the weights are lost after one step.",
    [[0.0, 1.0, -2.0]],
    right=ops.abs,
)
def abs_quotient(x):
    X = x.data

    def backward(G):
        with np.errstate(invalid="ignore"):
            return (G * X / np.abs(X),)

    return record(np.abs(X), (x,), backward)
