"""Activation functions, and softmax with its logarithm. Throughout, G = dL/dY."""

from __future__ import annotations

import math

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.support import normalize_axes
from tinygrad_edu.tensor import Tensor, record


def tanh(a: Tensor) -> Tensor:
    """Y = tanh A.   dY/dA = 1 - tanh^2 A = 1 - Y^2,   so   dL/dA = G * (1 - Y^2)."""
    Y = array_module(a.data).tanh(a.data)

    def backward(G):
        return (G * (1 - Y * Y),)

    return record(Y, (a,), backward)


def sigmoid(a: Tensor) -> Tensor:
    """Y = 1 / (1 + e^-A).   dY/dA = e^-A / (1 + e^-A)^2 = Y (1 - Y),   so   dL/dA = G * Y * (1 - Y)."""
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


def relu(a: Tensor) -> Tensor:
    """Y = max(A, 0).   dY/dA = 1 where A > 0, else 0 (at the kink A = 0, too);   dL/dA = G * (A > 0)."""
    A = a.data

    def backward(G):
        return (G * (A > 0),)  # a product with the mask: many times faster than where()

    return record(array_module(A).maximum(A, 0), (a,), backward)


def leaky_relu(a: Tensor, slope: float = 0.01) -> Tensor:
    """Y = A where A > 0, else slope * A.   dL/dA = G where A > 0, else slope * G (Maas, Hannun and Ng 2013)."""
    A = a.data
    S = slope + (1 - slope) * (A > 0).astype(A.dtype)  # the slope at every element: 1 or `slope`

    def backward(G):
        return (G * S,)

    return record(A * S, (a,), backward)


def gelu(a: Tensor) -> Tensor:
    """The Gaussian error linear unit in its tanh form (Hendrycks and Gimpel 2016).

    Y = A/2 (1 + T)   with   T = tanh(u),   u = k (A + c A^3),   k = sqrt(2 / pi),   c = 0.044715.
    By the product rule and dT/du = 1 - T^2:
    dY/dA = (1 + T)/2 + A/2 (1 - T^2) k (1 + 3 c A^2).
    """
    A = a.data
    k, c = math.sqrt(2 / math.pi), 0.044715
    T = array_module(A).tanh(k * (A + c * A * A * A))

    def backward(G):
        return (G * (0.5 * (1 + T) + 0.5 * A * (1 - T * T) * (k * (1 + 3 * c * A * A))),)

    return record(0.5 * A * (1 + T), (a,), backward)


def softmax(a: Tensor, axis: int = -1) -> Tensor:
    """Y_i = e^(A_i) / sum_j e^(A_j) along one axis: positive numbers that sum to 1.

    dY_i/dA_j = Y_i (delta_ij - Y_j)   so   dL/dA_j = sum_i G_i Y_i (delta_ij - Y_j) = Y_j (G_j - sum_i G_i Y_i).
    The largest A_i is subtracted first, which changes nothing in the quotient and keeps e^A from overflowing.
    """
    A = a.data
    normalize_axes("softmax", axis, A.ndim)
    E = array_module(A).exp(A - A.max(axis=axis, keepdims=True))
    Y = E / E.sum(axis=axis, keepdims=True)

    def backward(G):
        return (Y * (G - (G * Y).sum(axis=axis, keepdims=True)),)

    return record(Y, (a,), backward)


def log_softmax(a: Tensor, axis: int = -1) -> Tensor:
    """Y = ln softmax(A) = A - logsumexp(A), without the detour over numbers that round to 0.

    dY_i/dA_j = delta_ij - softmax(A)_j   so   dL/dA_j = G_j - softmax(A)_j sum_i G_i.
    """
    A = a.data
    normalize_axes("log_softmax", axis, A.ndim)
    xp = array_module(A)
    shifted = A - A.max(axis=axis, keepdims=True)
    Y = shifted - xp.log(xp.exp(shifted).sum(axis=axis, keepdims=True))

    def backward(G):
        return (G - xp.exp(Y) * G.sum(axis=axis, keepdims=True),)

    return record(Y, (a,), backward)


def logsumexp(a: Tensor, axis: int = -1, keepdims: bool = False) -> Tensor:
    """Y = ln sum_j e^(A_j) along one axis: a smooth maximum.   dY/dA_j = softmax(A)_j, so dL/dA_j = G softmax(A)_j."""
    A = a.data
    axes = normalize_axes("logsumexp", axis, A.ndim)
    xp = array_module(A)
    largest = A.max(axis=axes, keepdims=True)
    Y = largest + xp.log(xp.exp(A - largest).sum(axis=axes, keepdims=True))

    def backward(G):
        G = G if keepdims else xp.expand_dims(G, axes)
        return (G * xp.exp(A - Y),)

    return record(Y if keepdims else Y.squeeze(axes), (a,), backward)
