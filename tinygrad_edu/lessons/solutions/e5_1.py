"""Solution of exercise 5.1."""

import numpy as np


def max_pool_backward(G, X, size, stride):
    """Each window hands its whole gradient to its winner, and a winner of several windows adds up what it gets."""
    dX = np.zeros_like(X)
    for t, g in enumerate(G):
        start = t * stride
        dX[start + X[start : start + size].argmax()] += g  # argmax gives the first of equal ones, from the start on
    return dX
