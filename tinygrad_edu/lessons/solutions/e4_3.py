"""Solution of exercise 4.3."""

import numpy as np


def conv_backward(G, X, K, stride):
    """Y[oh, ow] = sum(window * K): G[oh, ow] times the window goes to K, and G[oh, ow] times K to the window."""
    dX, dK, size = np.zeros(X.shape), np.zeros(K.shape), len(K)
    for (oh, ow), g in np.ndenumerate(G):
        h, w = oh * stride, ow * stride
        dK += g * X[h : h + size, w : w + size]
        dX[h : h + size, w : w + size] += g * K
    return dX, dK
