"""Activation functions, and softmax with its logarithm. Throughout, G = dL/dY."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_edu import checks
from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.error_function import erf_of
from tinygrad_edu.ops.support import Operand, as_tensor, floating
from tinygrad_edu.runtime.parallel import in_pieces
from tinygrad_edu.tensor import Tensor, record, will_record


def tanh(a: Operand) -> Tensor:
    """Y = tanh A.   dY/dA = 1 - tanh^2 A = 1 - Y^2,   so   dL/dA = G * (1 - Y^2)."""
    a = floating("tanh", a)
    Y = array_module(a.data).tanh(a.data)

    def backward(G):
        return (G * (1 - Y * Y),)

    return record(Y, (a,), backward)


def sigmoid(a: Operand) -> Tensor:
    """Y = 1 / (1 + e^-A).   dY/dA = e^-A / (1 + e^-A)^2 = Y (1 - Y),   so   dL/dA = G * Y * (1 - Y)."""
    a = floating("sigmoid", a)
    Y = sigmoid_of(a.data)

    def backward(G):
        return (G * Y * (1 - Y),)

    return record(Y, (a,), backward)


def sigmoid_of(A: Array) -> Array:
    """The sigmoid of an array, without a tape; accurate to the last digits for any A.

    With E = e^-|A|, which cannot overflow, it is 1 / (1 + E) for A >= 0 and e^A / (e^A + 1) = E / (1 + E) below.
    """
    xp = array_module(A)
    E = xp.exp(-xp.abs(A))
    return xp.maximum(E, A >= 0) / (1 + E)  # E <= 1, so the maximum with True is 1, and with False it is E


def relu(a: Operand) -> Tensor:
    """Y = max(A, 0).   dY/dA = 1 where A > 0, else 0 (at the kink A = 0, too);   dL/dA = G * (A > 0)."""
    a = as_tensor("relu", a)
    A = a.data

    def backward(G):
        return (G * (A > 0),)  # a product with the mask: many times faster than where()

    return record(array_module(A).maximum(A, 0), (a,), backward)


def leaky_relu(a: Operand, slope: float = 0.01) -> Tensor:
    """Y = A where A > 0, else slope * A.   dL/dA = G where A > 0, else slope * G (Maas, Hannun and Ng 2013)."""
    a, slope = floating("leaky_relu", a), checks.number("leaky_relu", "slope", slope)
    A = a.data
    S = slope + (1 - slope) * (A > 0).astype(A.dtype)  # the slope at every element: 1 or `slope`

    def backward(G):
        return (G * S,)

    return record(A * S, (a,), backward)


def elu(a: Operand, alpha: float = 1.0) -> Tensor:
    """Y = A where A > 0, else alpha (e^A - 1): bends towards -alpha (Clevert, Unterthiner and Hochreiter 2016).

    dY/dA = 1 where A > 0, else alpha e^A = Y + alpha. For alpha = 1 the two slopes meet at A = 0.
    """
    a, alpha = floating("elu", a), checks.number("elu", "alpha", alpha)
    A, xp = a.data, array_module(a.data)
    positive = A > 0
    below = alpha * xp.expm1(xp.minimum(A, 0))  # e^A - 1, exact for small A; 0 where A > 0

    def backward(G):
        return (G * (positive + ~positive * (below + alpha)),)

    return record(xp.maximum(A, 0) + below, (a,), backward)


def softplus(a: Operand) -> Tensor:
    """Y = ln(1 + e^A), a smooth max(A, 0).   dY/dA = e^A / (1 + e^A) = sigmoid(A),   so   dL/dA = G * sigmoid(A).

    Computed as max(A, 0) + ln(1 + e^-|A|), in which nothing overflows.
    """
    a = floating("softplus", a)
    A, xp = a.data, array_module(a.data)

    def backward(G):
        return (G * sigmoid_of(A),)

    return record(xp.maximum(A, 0) + xp.log1p(xp.exp(-xp.abs(A))), (a,), backward)


def silu(a: Operand) -> Tensor:
    """Y = A S with S = sigmoid(A), also called swish (Elfwing, Uchibe and Doya 2018).

    By the product rule, dY/dA = S + A S (1 - S).
    """
    a = floating("silu", a)
    A = a.data
    S = sigmoid_of(A)

    def backward(G):
        return (G * (S + A * S * (1 - S)),)

    return record(A * S, (a,), backward)


def gelu(a: Operand, approximate: str = "none") -> Tensor:
    """The Gaussian error linear unit (Hendrycks and Gimpel 2016): A times the share of a normal distribution below A.

    With Phi(a) = (1 + erf(a / sqrt 2)) / 2, whose derivative is the normal density phi(a) = e^(-a^2/2) / sqrt(2 pi):

    Y = A Phi(A),   dY/dA = Phi(A) + A phi(A).

    approximate="tanh" is the paper's stand-in for erf, at most 5e-4 away; GPT-2 was trained with it:

    Y = A/2 (1 + T)   with   T = tanh(u),   u = k (A + c A^3),   k = sqrt(2 / pi),   c = 0.044715.
    By the product rule and dT/du = 1 - T^2:
    dY/dA = (1 + T)/2 + A/2 (1 - T^2) k (1 + 3 c A^2).

    The 30 steps to Y and dY/dA are taken for a piece of A after the other, in place, and stay in the processor's cache.
    """
    a = floating("gelu", a)
    if checks.choice("gelu", "approximate", approximate, ("none", "tanh")) == "tanh":
        return _gelu_by_tanh(a)
    A, xp = a.data.reshape(-1), array_module(a.data)
    Y = xp.empty_like(A)
    D = xp.empty_like(A) if will_record(a) else None  # dY/dA

    def compute(piece: slice) -> None:
        x = A[piece]
        Phi = erf_of(x * math.sqrt(0.5))
        Phi *= 0.5
        Phi += 0.5
        xp.multiply(x, Phi, out=Y[piece])
        if D is not None:
            d = xp.multiply(x, x, out=D[piece])
            d *= -0.5
            xp.exp(d, out=d)
            d *= x
            d *= 1 / math.sqrt(2 * math.pi)  # x phi(x)
            d += Phi

    in_pieces(compute, len(A), A)
    Y, D = Y.reshape(a.shape), None if D is None else D.reshape(a.shape)

    def backward(G):
        return (G * D,)

    return record(Y, (a,), backward)


def _gelu_by_tanh(a: Tensor) -> Tensor:
    A = a.data
    k, c = math.sqrt(2 / math.pi), 0.044715
    T = array_module(A).tanh(k * (A + c * A * A * A))

    def backward(G):
        return (G * (0.5 * (1 + T) + 0.5 * A * (1 - T * T) * (k * (1 + 3 * c * A * A))),)

    backward.__qualname__ = "gelu"
    return record(0.5 * A * (1 + T), (a,), backward)


def softmax(a: Operand, axis: int | tuple[int, ...] = -1) -> Tensor:
    """Y_i = e^(A_i) / sum_j e^(A_j) along one axis: positive numbers that sum to 1.

    dY_i/dA_j = Y_i (delta_ij - Y_j)   so   dL/dA_j = sum_i G_i Y_i (delta_ij - Y_j) = Y_j (G_j - sum_i G_i Y_i).
    The largest A_i is subtracted first, which changes nothing in the quotient and keeps e^A from overflowing.
    """
    a = floating("softmax", a)
    A = a.data
    axis = _check_not_empty("softmax", A, axis)
    E = array_module(A).exp(A - A.max(axis=axis, keepdims=True))
    Y = E / E.sum(axis=axis, keepdims=True)

    def backward(G):
        return (Y * (G - (G * Y).sum(axis=axis, keepdims=True)),)

    return record(Y, (a,), backward)


def log_softmax(a: Operand, axis: int | tuple[int, ...] = -1) -> Tensor:
    """Y = ln softmax(A) = A - logsumexp(A), without the detour over numbers that round to 0.

    dY_i/dA_j = delta_ij - softmax(A)_j   so   dL/dA_j = G_j - softmax(A)_j sum_i G_i.
    """
    a = floating("log_softmax", a)
    A = a.data
    axis = _check_not_empty("log_softmax", A, axis)
    xp = array_module(A)
    shifted = A - A.max(axis=axis, keepdims=True)
    Y = shifted - xp.log(xp.exp(shifted).sum(axis=axis, keepdims=True))

    def backward(G):
        return (G - xp.exp(Y) * G.sum(axis=axis, keepdims=True),)

    return record(Y, (a,), backward)


def logsumexp(a: Operand, axis: int = -1, keepdims: bool = False) -> Tensor:
    """Y = ln sum_j e^(A_j) along one axis: a smooth maximum.   dY/dA_j = softmax(A)_j, so dL/dA_j = G softmax(A)_j.

    The largest A_j is subtracted first, as in `softmax`, and the derivative is made of the same exponentials, so that
    it sums to G however large A is. Infinities are allowed: of minus infinities alone Y is minus infinity, beside plus
    infinity it is plus infinity; dY/dA is 1 at an infinite maximum and 0 elsewhere, shared where there are several.
    """
    a = floating("logsumexp", a)
    A = a.data
    axes, keepdims = _check_not_empty("logsumexp", A, axis), checks.flag("logsumexp", "keepdims", keepdims)
    xp = array_module(A)
    largest = A.max(axis=axes, keepdims=True)
    with np.errstate(invalid="ignore"):  # infinity minus infinity
        E = xp.exp(xp.where(largest == A, 0, A - largest))
    S = E.sum(axis=axes, keepdims=True)
    Y = largest + xp.log(S)

    def backward(G):
        G = G if keepdims else xp.expand_dims(G, axes)
        return (E * (G / S),)

    return record(Y if keepdims else Y.squeeze(axes), (a,), backward)


def _check_not_empty(op: str, A: Array, axis: int | tuple[int, ...]) -> tuple[int, ...]:
    axes = checks.axes(op, axis, A.ndim)
    if any(A.shape[i] == 0 for i in axes):
        raise ValueError(f"{op}: nothing to sum over, shape {A.shape} along axis {axis}")
    return axes
