"""Solution of exercise 4.1."""

import numpy as np


def im2col(X, size, stride):
    """The formula, as it stands, for each window."""
    OH, OW = ((n - size) // stride + 1 for n in X.shape)
    P = np.zeros((OH * OW, size * size))
    for oh in range(OH):
        for ow in range(OW):
            h, w = oh * stride, ow * stride
            P[oh * OW + ow] = X[h : h + size, w : w + size].reshape(-1)
    return P
