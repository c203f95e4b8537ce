"""Wrong backwards of normalisation: the mean and the variance depend on the input, too.

With x^ = (x - mean) / s and means over the n numbers that are normalised together, the right gradient is
dL/dx = (g - mean(g) - x^ mean(g x^)) / s, where g = G gamma.
"""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.zoo.mistake import mistake
from tinygrad_edu.tensor import Tensor, record


def standardised(X, axis):
    """x^ and 1 / s."""
    inverse = 1 / np.sqrt(X.var(axis=axis, keepdims=True) + 1e-3)
    return (X - X.mean(axis=axis, keepdims=True)) * inverse, inverse


@mistake(
    "batch_norm: mean and variance taken for constants",
    "The backward is that of y = gamma (x - m) / s with m and s given: G gamma / s. Both move with every x; without "
    "their terms the network can push against what the normalisation takes out again.",
    (4, 3),
    (3,),
    (3,),
    right=ops.batch_norm,
)
def batch_norm_constants(x, gamma, beta):
    X_hat, inverse = standardised(x.data, 0)

    def backward(G):
        return G * gamma.data * inverse, (G * X_hat).sum(axis=0), G.sum(axis=0)

    return record(X_hat * gamma.data + beta.data, (x, gamma, beta), backward)


@mistake(
    "batch_norm: the variance's term is missing",
    "The mean's term is there, that of the variance, x^ mean(g x^), is not: the derivation stopped half way.",
    (4, 3),
    (3,),
    (3,),
    right=ops.batch_norm,
)
def batch_norm_variance(x, gamma, beta):
    X_hat, inverse = standardised(x.data, 0)

    def backward(G):
        g = G * gamma.data
        return (g - g.mean(axis=0)) * inverse, (G * X_hat).sum(axis=0), G.sum(axis=0)

    return record(X_hat * gamma.data + beta.data, (x, gamma, beta), backward)


@mistake(
    "batch_norm: gamma's gradient with x for x^",
    "y = gamma x^ + beta, so gamma's gradient is the sum of G x^; the backward takes the input before it was "
    "normalised. For inputs that are normalised already, the two are nearly the same.",
    (4, 3),
    (3,),
    (3,),
    right=ops.batch_norm,
)
def batch_norm_gamma(x, gamma, beta):
    X = x.data
    X_hat, inverse = standardised(X, 0)

    def backward(G):
        g = G * gamma.data
        dX = (g - g.mean(axis=0) - X_hat * (g * X_hat).mean(axis=0)) * inverse
        return dX, (G * X).sum(axis=0), G.sum(axis=0)

    return record(X_hat * gamma.data + beta.data, (x, gamma, beta), backward)


@mistake(
    "batch_norm: averages over images, not over pixels",
    "For images, a channel's mean is over N H W numbers; the backward divides its sums by N. It was written for rows "
    "of numbers, where N is all there is.",
    (2, 2, 3, 2),
    (2,),
    (2,),
    right=ops.batch_norm,
)
def batch_norm_pixels(x, gamma, beta):
    N, axes = len(x.data), (0, 1, 2)
    X_hat, inverse = standardised(x.data, axes)

    def backward(G):
        g = G * gamma.data
        dX = (g - g.sum(axis=axes) / N - X_hat * (g * X_hat).sum(axis=axes) / N) * inverse
        return dX, (G * X_hat).sum(axis=axes), G.sum(axis=axes)

    return record(X_hat * gamma.data + beta.data, (x, gamma, beta), backward)


@mistake(
    "batch_norm: in use, it goes back as in training",
    "With running statistics, the mean and the variance are constants indeed, and the gradient is G / s. The backward "
    "does not ask in which mode the forward was, and subtracts the means.",
    (4, 3),
    right=lambda x: (x - 0.5) * 2.0,
)
def batch_norm_in_use(x):
    running_mean, running_deviation = 0.5, 0.5
    X_hat = (x.data - running_mean) / running_deviation

    def backward(G):
        return ((G - G.mean(axis=0) - X_hat * (G * X_hat).mean(axis=0)) / running_deviation,)

    return record(X_hat, (x,), backward)


@mistake(
    "layer_norm: the means over the wrong axis",
    "The forward normalises every row, and the backward averages over the rows, as batch normalisation does, from "
    "which it was copied.",
    (3, 4),
    (4,),
    (4,),
    right=ops.layer_norm,
)
def layer_norm_axis(x, gamma, beta):
    X_hat, inverse = standardised(x.data, -1)

    def backward(G):
        g = G * gamma.data
        dX = (g - g.mean(axis=0) - X_hat * (g * X_hat).mean(axis=0)) * inverse
        return dX, (G * X_hat).sum(axis=0), G.sum(axis=0)

    return record(X_hat * gamma.data + beta.data, (x, gamma, beta), backward)


@mistake(
    "layer_norm: gamma's factor comes too late",
    "The backward applies the formula to G and multiplies by gamma at the end. gamma differs from column to column "
    "and belongs inside the means. At the start of training it is 1 everywhere, and all is right.",
    (3, 4),
    (4,),
    (4,),
    right=ops.layer_norm,
)
def layer_norm_gamma_late(x, gamma, beta):
    X_hat, inverse = standardised(x.data, -1)

    def backward(G):
        means = G.mean(axis=-1, keepdims=True) + X_hat * (G * X_hat).mean(axis=-1, keepdims=True)
        return (G - means) * inverse * gamma.data, (G * X_hat).sum(axis=0), G.sum(axis=0)

    return record(X_hat * gamma.data + beta.data, (x, gamma, beta), backward)


@mistake(
    "rms_norm: subtracts a mean that the forward does not",
    "RMS normalisation divides by the root mean square and subtracts nothing. The backward was copied from layer "
    "normalisation, and still takes mean(g) away.",
    (3, 4),
    (4,),
    right=ops.rms_norm,
)
def rms_norm_mean(x, gamma):
    X = x.data
    inverse = 1 / np.sqrt((X * X).mean(axis=-1, keepdims=True) + 1e-6)
    X_hat = X * inverse

    def backward(G):
        g = G * gamma.data
        means = g.mean(axis=-1, keepdims=True) + X_hat * (g * X_hat).mean(axis=-1, keepdims=True)
        return (g - means) * inverse, (G * X_hat).sum(axis=0)

    return record(X_hat * gamma.data, (x, gamma), backward)


@mistake(
    "unit_length: the length taken for a constant",
    "y = x / |x|: a step along x changes nothing, so that part of G must be taken out. Dividing by the length alone "
    "leaves it in. Embeddings that are compared by their angle are made with this operation.",
    (3, 4),
    right=lambda x: x / ops.sqrt((x * x).sum(axis=1, keepdims=True)),
)
def unit_length_constant(x):
    length = np.sqrt((x.data**2).sum(axis=1, keepdims=True))

    def backward(G):
        return (G / length,)

    return record(x.data / length, (x,), backward)


@mistake(
    "standardise: the deviation loses its history",
    "A function of right operations, but the deviation is computed from `.data`, for speed or to print it, and goes "
    "on as a constant. Every step is right, and the whole is not.",
    (4, 3),
    right=lambda x: (x - x.mean(axis=0)) / ops.sqrt(ops.var(x, axis=0)),
)
def standardise_detached(x):
    deviation = Tensor(x.data.std(axis=0))
    return (x - x.mean(axis=0)) / deviation


@mistake(
    "centre: changes its input in place",
    "`X -= X.mean()` saves an array, and overwrites the caller's. Nothing is wrong with the gradient, but whoever "
    "uses x again, as a residual connection does, reads other numbers.",
    (4, 3),
    right=lambda x: x - x.mean(axis=0),
)
def centre_in_place(x):
    X = x.data
    X -= X.mean(axis=0)

    def backward(G):
        return (G - G.mean(axis=0),)

    return record(X.copy(), (x,), backward)
