"""Solution of exercise 8.1."""

import numpy as np

from tinygrad_edu import Tensor

H = 1e-5


def check_values(operation, *inputs):
    """A random G makes one number of the result, L = sum G y, whose slopes are central quotients, entry by entry."""
    leaves = [Tensor(x, requires_grad=True) for x in inputs]
    y = operation(*leaves)
    G = np.asarray(np.random.default_rng(0).normal(size=y.shape))
    y.backward(G)
    for i, (x, leaf) in enumerate(zip(inputs, leaves)):
        slopes = np.zeros_like(x)
        for place in np.ndindex(x.shape):
            values = []
            for h in (H, -H):
                moved = x.copy()
                moved[place] += h
                arrays = [*inputs[:i], moved, *inputs[i + 1 :]]
                values.append((G * operation(*map(Tensor, arrays)).data).sum())
            slopes[place] = (values[0] - values[1]) / (2 * H)
        gradient = np.zeros_like(x) if leaf.grad is None else leaf.grad
        if not np.allclose(gradient, slopes, rtol=1e-6, atol=1e-8):
            return False
    return True
