"""Solution of exercise 2.3."""

import numpy as np

from tinygrad_edu import Tensor


def check_broadcast(operation, x, b):
    """Every entry of b's gradient against a slope, for a random G."""
    leaf = Tensor(b, requires_grad=True)
    Y = operation(Tensor(x), leaf)
    G = np.random.default_rng(0).normal(size=Y.shape)
    Y.backward(G)
    if leaf.grad.shape != b.shape:
        return False
    h = 1e-5
    for place in np.ndindex(b.shape):
        nudge = np.zeros(b.shape)
        nudge[place] = h
        larger = np.sum(G * operation(Tensor(x), Tensor(b + nudge)).data)
        smaller = np.sum(G * operation(Tensor(x), Tensor(b - nudge)).data)
        if not np.isclose(leaf.grad[place], (larger - smaller) / (2 * h), rtol=1e-5, atol=1e-7):
            return False
    return True
