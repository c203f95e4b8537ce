"""Wrong answers to exercise 2.3, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np

from tinygrad_edu import Tensor


def gradient(operation, x, b, G=None):
    leaf = Tensor(b, requires_grad=True)
    Y = operation(Tensor(x), leaf)
    G = np.random.default_rng(1).normal(size=Y.shape) if G is None else np.full(Y.shape, G)
    Y.backward(G)
    return G, leaf.grad


def slope(operation, x, b, G, nudge):
    return (G * (operation(Tensor(x), Tensor(b + nudge)).data - operation(Tensor(x), Tensor(b - nudge)).data)).sum() / 2


def check_broadcast_1(operation, x, b):
    "1 of 6 wrong operations are caught; this one slips through: add: of the sum over the rows, the first row alone"
    _, found = gradient(operation, x, b)
    return np.isfinite(found).all()


def check_broadcast_2(operation, x, b):
    "4 of 6 wrong operations are caught; this one slips through: add: the sum is taken over the wrong axis"
    G, found = gradient(operation, x, b, 1.0)
    eyes = 1e-5 * np.eye(b.size).reshape(-1, *b.shape)
    slopes = [slope(operation, x, b, G, nudge) / 1e-5 for nudge in eyes]
    return np.allclose(found.ravel(), slopes)


def check_broadcast_3(operation, x, b):
    r"rejects mul\(\) of the package, whose backward is right; inputs \(4, 3\), \(3,\)"
    G, found = gradient(operation, x, b)
    return np.allclose(found, G.sum(axis=tuple(range(G.ndim - 1))) if b.ndim == 1 else G.sum(axis=1, keepdims=True))


def check_broadcast_4(operation, x, b):
    "rejects everything"
    G, found = gradient(operation, x, b)
    eyes = 1e-5 * np.eye(b.size).reshape(-1, *b.shape)
    slopes = [slope(operation, x, b, G, nudge) for nudge in eyes]  # forgets to divide by h
    return np.allclose(found.ravel(), slopes, rtol=1e-5, atol=1e-9)


def check_broadcast_5(operation, x, b):
    "is there a `return`"
    _, found = gradient(operation, x, b)
    assert found.shape == b.shape


def check_broadcast_6(operation, x, b):
    "slips through: add: the sum is taken over the wrong axis"
    G, found = gradient(operation, x, b)
    together = slope(operation, x, b, G, np.full(b.shape, 1e-5)) / 1e-5
    return np.isclose(found.sum(), together)
