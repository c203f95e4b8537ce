"""Wrong backwards of arithmetic: signs, factors, and what happens to G."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.case import positive
from tinygrad_edu.gradcheck.zoo.mistake import mistake
from tinygrad_edu.tensor import record


@mistake(
    "sub: both operands get + G",
    "The backward of the addition, copied, without the minus for the second operand.",
    (2, 3),
    (2, 3),
    right=ops.sub,
)
def sub_plus(a, b):
    def backward(G):
        return G, G

    return record(a.data - b.data, (a, b), backward)


@mistake(
    "sub: operands told apart by identity",
    "Which operand a gradient is for is found by `is`. In x - x both are the first, and the derivative is 2 instead "
    "of 0. It happens in engines that ask an operation for the gradient of one input at a time.",
    (2, 3),
    right=lambda x: x - x,
)
def sub_identity(x):
    first, second = x, x

    def backward(G):
        return tuple(G if operand is first else -G for operand in (first, second))

    return record(first.data - second.data, (first, second), backward)


@mistake(
    "div: the denominator's minus is lost",
    "y = a / b, so dy/db = - a / b^2. The sign is forgotten: the most frequent slip in a formula derived on paper.",
    (2, 3),
    positive(2, 3),
    right=ops.div,
)
def div_sign(a, b):
    A, B = a.data, b.data

    def backward(G):
        return G / B, G * A / B**2

    return record(A / B, (a, b), backward)


@mistake(
    "pow: the exponent gets None",
    "y = a^p depends on p as well, dy/dp = a^p log a. The exponent was a number once; since it may be a tensor, it is "
    "learnt never, without any error: None says that no gradient is wanted.",
    positive(2, 3),
    (2, 3),
    right=ops.pow,
)
def pow_without_exponent(a, p):
    A, P = a.data, p.data

    def backward(G):
        return G * P * A ** (P - 1), None

    return record(A**P, (a, p), backward)


@mistake(
    "pow: the exponent is not lowered",
    "The derivative of x^3 is 3 x^2, and here 3 x^3. At x = 1 the two agree.",
    (2, 3),
    right=lambda x: x**3,
)
def pow_not_lowered(x):
    X = x.data

    def backward(G):
        return (G * 3 * X**3,)

    return record(X**3, (x,), backward)


@mistake(
    "exp: divides by G",
    "The chain rule multiplies by G, the backward divides by it. Whoever checks with G = 1 sees no difference.",
    (2, 3),
    right=ops.exp,
)
def exp_divides(x):
    Y = np.exp(x.data)

    def backward(G):
        return (Y / G,)

    return record(Y, (x,), backward)


@mistake(
    "exp: forgets G",
    "The backward returns the local derivative alone. It is right when the result is the loss itself, whose G is 1, "
    "and that is where such code is tried first.",
    (2, 3),
    right=ops.exp,
)
def exp_alone(x):
    X = x.data

    def backward(G):
        return (np.exp(X),)

    return record(np.exp(X), (x,), backward)


@mistake(
    "cos: the sign of the sine",
    "The derivative of the sine has no minus, that of the cosine has one; here it has none.",
    (2, 3),
    right=ops.cos,
)
def cos_sign(x):
    X = x.data

    def backward(G):
        return (G * np.sin(X),)

    return record(np.cos(X), (x,), backward)


@mistake(
    "where: the branches exchanged",
    "y is a where a > 0.3, else b; the backward gives a the gradient of b's places. With G = 1 the sums are still "
    "plausible, and when both branches come from one tensor, right.",
    (2, 3),
    (2, 3),
    right=lambda a, b: ops.where(a.data > 0.3, a, b),
)
def where_exchanged(a, b):
    chosen = a.data > 0.3

    def backward(G):
        return np.where(chosen, 0, G), np.where(chosen, G, 0)

    return record(np.where(chosen, a.data, b.data), (a, b), backward)


@mistake(
    "maximum: ties are paid twice",
    "Where a = b, a gets G, since a >= b, and b gets G, since b >= a. Together they gain twice what there is to give. "
    "Ties are frequent: zeros after a relu, whole numbers, padding.",
    [1.0, 2.0, 2.0],
    [0.0, 2.0, 3.0],
    right=ops.maximum,
)
def maximum_twice(a, b):
    A, B = a.data, b.data

    def backward(G):
        return G * (A >= B), G * (B >= A)

    return record(np.maximum(A, B), (a, b), backward)


@mistake(
    "minimum: the comparison of the maximum",
    "The function was copied from the maximum, and `>` left as it was in one of the two places.",
    (2, 3),
    (2, 3),
    right=ops.minimum,
)
def minimum_copied(a, b):
    A, B = a.data, b.data

    def backward(G):
        first = A > B
        return G * first, G * ~first

    return record(np.minimum(A, B), (a, b), backward)


@mistake(
    "mul: one gradient for two inputs",
    "The backward returns dL/da and forgets that there is a b. An engine that pairs inputs and gradients with zip() "
    "says nothing, and b is never learnt.",
    (2, 3),
    (2, 3),
    right=ops.mul,
)
def mul_one(a, b):
    A, B = a.data, b.data

    def backward(G):
        return (G * B,)

    return record(A * B, (a, b), backward)


@mistake(
    "mul: clips G to 5",
    "Against exploding gradients, the operation clips what it is given, so that its backward is not linear in G. It "
    "is right as long as no gradient is large; clipping belongs behind the walk, where it is seen.",
    (2, 3),
    (2, 3),
    right=ops.mul,
)
def mul_clips(a, b):
    A, B = a.data, b.data

    def backward(G):
        G = np.clip(G, -5, 5)
        return G * B, G * A

    return record(A * B, (a, b), backward)


@mistake(
    "scales: every step of a loop uses the last number",
    "Three steps multiply by 2, 3 and 5. A closure of Python looks a loop's variable up when it is called, not when "
    "it is made: on the way back, all three multiply by 5.",
    (2, 3),
    right=lambda x: x * 2.0 * 3.0 * 5.0,
)
def scales_late(x):
    for scale in (2.0, 3.0, 5.0):
        x = record(x.data * scale, (x,), lambda G: (G * scale,))  # noqa: B023
    return x
