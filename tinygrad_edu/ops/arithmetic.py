"""Arithmetic on single elements, with NumPy's broadcasting.

For y = f(a, b), applied element by element, the chain rule reads dL/da = dL/dy * df/da: one product per element. An
operand that was broadcast was used several times, so its gradients are summed (`unbroadcast`). Throughout,
G = dL/dY.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, array_module, device_of
from tinygrad_edu.ops.support import (
    Operand,
    array_of,
    as_tensor,
    check_broadcast,
    constant,
    floating,
    operands,
    unbroadcast,
)
from tinygrad_edu.tensor import Tensor, record

# --- two operands --------------------------------------------------------------------------------------------------


def add(a: Operand, b: Operand) -> Tensor:
    """Y = A + B.   dY/dA = dY/dB = 1,   so   dL/dA = G,   dL/dB = G."""
    a, b = operands("add", a, b)

    def backward(G):
        return (
            unbroadcast(G, a.data.shape) if a.requires_grad else None,
            unbroadcast(G, b.data.shape) if b.requires_grad else None,
        )

    return record(a.data + b.data, (a, b), backward)


def sub(a: Operand, b: Operand) -> Tensor:
    """Y = A - B.   dY/dA = 1, dY/dB = -1,   so   dL/dA = G,   dL/dB = -G."""
    a, b = operands("sub", a, b)

    def backward(G):
        return (
            unbroadcast(G, a.data.shape) if a.requires_grad else None,
            -unbroadcast(G, b.data.shape) if b.requires_grad else None,
        )

    return record(a.data - b.data, (a, b), backward)


def mul(a: Operand, b: Operand) -> Tensor:
    """Y = A * B, element by element.   dY/dA = B, dY/dB = A,   so   dL/dA = G * B,   dL/dB = G * A."""
    a, b = operands("mul", a, b)
    A, B = a.data, b.data

    def backward(G):
        return (
            unbroadcast(G * B, A.shape) if a.requires_grad else None,
            unbroadcast(G * A, B.shape) if b.requires_grad else None,
        )

    return record(A * B, (a, b), backward)


def div(a: Operand, b: Operand) -> Tensor:
    """Y = A / B.   dY/dA = 1 / B, dY/dB = -A / B^2 = -Y / B,   so   dL/dA = G / B,   dL/dB = -(G / B) * Y.

    Two whole numbers give a float64, as in NumPy; for pixels in float32 say `x / 255.0`.
    """
    a, b = operands("div", a, b)
    A, B = a.data, b.data
    Y = A / B

    def backward(G):
        G_over_B = G / B
        return (
            unbroadcast(G_over_B, A.shape) if a.requires_grad else None,
            unbroadcast(-G_over_B * Y, B.shape) if b.requires_grad else None,
        )

    return record(Y, (a, b), backward)


def pow(a: Operand, b: Operand) -> Tensor:
    """Y = A^B; B is a number or a tensor.

    dY/dA = B A^(B-1)          so   dL/dA = G * B * A^(B-1)
    dY/dB = A^B ln A           so   dL/dB = G * Y * ln A

    The derivative by B exists for A > 0. At A = 0 its limit from there is used, 0 for B > 0 and minus infinity for
    B < 0; for B = 0, where it would be minus infinity, too, 0 is chosen. For A < 0 it is NaN. Whole numbers have no
    negative powers among them: a ValueError.
    """
    if isinstance(a, Tensor) and isinstance(b, int | float) and (a.dtype.kind == "f" or isinstance(b, int)):
        return _power(a, b)  # a plain number: NumPy knows x**2 and x**0.5 as special
    a, b = operands("pow", a, b)
    A, B = a.data, b.data
    xp = array_module(A)
    _check_whole_power(A, B)
    Y = A**B

    def backward(G):
        exponent = xp.where(B == 0, 1, B)  # keeps 0 * 0^-1 from becoming NaN: the derivative of A^0 is 0 everywhere
        dA = unbroadcast(G * B * A ** (exponent - 1), A.shape) if a.requires_grad else None
        if not b.requires_grad:
            return dA, None
        log_A = xp.log(xp.where(A == 0, 1, A)) - ((A == 0) & (B < 0))  # at A = 0: 0, or -1 where Y is infinite
        return dA, unbroadcast(G * Y * log_A, B.shape)

    return record(Y, (a, b), backward)


def _power(a: Tensor, p: float) -> Tensor:
    """A^p for a plain number p. The derivative of A^0 is 0, where 0 * A^-1 would be NaN at A = 0."""
    A = a.data
    if A.dtype.kind == "f":
        try:
            p = float(p)
        except OverflowError:  # 10**400
            raise OverflowError(f"pow: the exponent {checks.shown(p)} is too large for {A.dtype}") from None
    else:
        _check_whole_power(A, np.asarray(p))

    def backward(G):
        return (G * (p * A ** (p - 1)) if p != 0 else G * 0,)

    backward.__qualname__ = "pow"
    return record(A**p, (a,), backward)


def _check_whole_power(A: Array, B: Array) -> None:
    if A.dtype.kind in "iub" and B.dtype.kind == "i" and (B < 0).any():
        raise ValueError(f"pow: {A.dtype} to a negative power is not whole; convert it first: x.astype('float32')")


def maximum(a: Operand, b: Operand) -> Tensor:
    """Y = the larger of A and B, element by element; the gradient goes to the operand that was taken.

    dL/dA = G where A >= B, else 0;   dL/dB = G where A < B, else 0.
    Of two equal operands the first takes the whole gradient, so that dL/dA + dL/dB = G: maximum(x, x) has slope 1.
    """
    a, b = operands("maximum", a, b)
    return _choose(a, b, array_module(a.data).maximum, a.data >= b.data, "maximum")


def minimum(a: Operand, b: Operand) -> Tensor:
    """Y = the smaller of A and B, element by element; of two equal operands the first takes the whole gradient.

    dL/dA = G where A <= B, else 0;   dL/dB = G where A > B, else 0.
    """
    a, b = operands("minimum", a, b)
    return _choose(a, b, array_module(a.data).minimum, a.data <= b.data, "minimum")


def where(condition: Tensor | Array, a: Operand, b: Operand) -> Tensor:
    """Y = A where the condition holds, else B.   dL/dA = G where it holds, dL/dB = G where it does not.

    `condition` is an array or tensor of booleans (`x > 0`), broadcast with A and B. It has no gradient: nothing changes
    when a boolean wiggles. What was not taken gets the gradient 0, and further back 0 times infinity is NaN:
    instead of `where(x > 0, log(x), 0)` write `where(x > 0, log(where(x > 0, x, 1)), 0)`.
    """
    a, b = operands("where", a, b)
    C = array_of("where", condition).copy()  # who changes the mask between forward and backward changes no gradient
    xp = array_module(a.data)
    if C.dtype.kind != "b":
        raise TypeError(f"where: the condition must be an array of booleans, such as x > 0; got {condition!r:.80}")
    if not C.shape == a.data.shape == b.data.shape:
        check_broadcast("where", C.shape, a.data.shape)
        check_broadcast("where", C.shape, b.data.shape)
    if device_of(C) != a.device:
        raise TypeError(f"where: the condition is on {device_of(C)!r}, the operands on {a.device!r}; move one of them")
    return _choose(a, b, lambda A, B: xp.where(C, A, B), C, "where")


def _choose(a: Tensor, b: Tensor, function: Any, took_a: Array, name: str) -> Tensor:
    """An operation that returns one of its two operands at each place: A where `took_a` holds, else B."""
    A, B = a.data, b.data

    def backward(G):
        return (  # the product with the mask is many times faster than where() or an assignment through the mask
            unbroadcast(G * took_a, A.shape) if a.requires_grad else None,
            unbroadcast(G * ~took_a, B.shape) if b.requires_grad else None,
        )

    backward.__qualname__ = name
    return record(function(A, B), (a, b), backward)


# --- one operand ---------------------------------------------------------------------------------------------------


def neg(a: Operand) -> Tensor:
    """Y = -A.   dL/dA = -G."""
    a = as_tensor("neg", a)

    def backward(G):
        return (-G,)

    if a.data.dtype.kind == "b":
        raise TypeError("neg: booleans have no negative; convert them first: x.astype('float32')")
    return record(-a.data, (a,), backward)


def exp(a: Operand) -> Tensor:
    """Y = e^A.   dY/dA = e^A = Y,   so   dL/dA = G * Y."""
    a = floating("exp", a)
    Y = array_module(a.data).exp(a.data)

    def backward(G):
        return (G * Y,)

    return record(Y, (a,), backward)


def log(a: Operand) -> Tensor:
    """Y = ln A, the natural logarithm.   dY/dA = 1 / A,   so   dL/dA = G / A."""
    a = floating("log", a)
    A = a.data

    def backward(G):
        return (G / A,)

    return record(array_module(A).log(A), (a,), backward)


def sqrt(a: Operand) -> Tensor:
    """Y = A^(1/2).   dY/dA = 1 / (2 A^(1/2)) = 1 / (2 Y),   so   dL/dA = G / (2 Y); infinite at A = 0.

    Infinity times relu's mask of 0 is NaN, so sqrt(relu(x)) has the gradient NaN at x <= 0. (A framework that chooses
    where we multiply has 0 there; in NumPy a choice takes twelve times as long.) Write sqrt(relu(x) + 1e-12).
    """
    a = floating("sqrt", a)
    Y = array_module(a.data).sqrt(a.data)

    def backward(G):
        return (G / (2 * Y),)

    return record(Y, (a,), backward)


def log1p(a: Operand) -> Tensor:
    """Y = ln(1 + A), exact for small A, where 1 + A would lose A's digits.   dL/dA = G / (1 + A)."""
    a = floating("log1p", a)
    A = a.data

    def backward(G):
        return (G / (1 + A),)

    return record(array_module(A).log1p(A), (a,), backward)


def sin(a: Operand) -> Tensor:
    """Y = sin A, A in radians.   dL/dA = G * cos A."""
    a = floating("sin", a)
    A, xp = a.data, array_module(a.data)

    def backward(G):
        return (G * xp.cos(A),)

    return record(xp.sin(A), (a,), backward)


def cos(a: Operand) -> Tensor:
    """Y = cos A, A in radians.   dL/dA = -G * sin A."""
    a = floating("cos", a)
    A, xp = a.data, array_module(a.data)

    def backward(G):
        return (-G * xp.sin(A),)

    return record(xp.cos(A), (a,), backward)


def abs(a: Operand) -> Tensor:
    """Y = |A|.   dY/dA = sign(A),   so   dL/dA = G * sign(A); at the kink A = 0 the subgradient 0 is used."""
    a = as_tensor("abs", a)
    A = a.data
    xp = array_module(A)

    def backward(G):
        return (G * xp.sign(A),)

    return record(xp.abs(A), (a,), backward)


def clip(a: Operand, low: float | Array | None, high: float | Array | None) -> Tensor:
    """Y = A limited to low <= Y <= high; None for no limit on that side. The limits are constants.

    dL/dA = G where low <= A <= high, else 0: outside, Y no longer moves with A. On a limit the gradient passes.
    """
    a = as_tensor("clip", a)
    A = a.data
    xp = array_module(A)
    inside = xp.ones(A.shape, dtype=bool)
    Y = A
    low, high = (array_of("clip", limit) if isinstance(limit, Tensor) else limit for limit in (low, high))
    if low is not None:
        L = constant("clip", low, a).data
        check_broadcast("clip", A.shape, L.shape)
        Y, inside = xp.maximum(Y, L), inside & (A >= L)
    if high is not None:
        H = constant("clip", high, a).data
        check_broadcast("clip", Y.shape, H.shape)
        Y, inside = xp.minimum(Y, H), inside & (A <= H)

    def backward(G):
        return (unbroadcast(G * inside, A.shape),)

    return record(Y, (a,), backward)
