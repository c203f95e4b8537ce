"""Solution of exercise 7.1."""

import numpy as np


def power_backward(G, x, W, steps):
    """Back through one product after the other; W's gradient has a term for each."""
    h = [x]
    for _ in range(steps):
        h.append(h[-1] @ W)
    dW = np.zeros_like(W)
    dh = G
    for t in range(steps, 0, -1):
        dW += h[t - 1].T @ dh
        dh = dh @ W.T
    return dh, dW
