"""Solution of exercise 4.2."""

import numpy as np


def col2im(dP, X, size, stride):
    """The loops of im2col; each row is added where its window was read."""
    OH, OW = ((n - size) // stride + 1 for n in X.shape)
    dX = np.zeros(X.shape)
    for oh in range(OH):
        for ow in range(OW):
            h, w = oh * stride, ow * stride
            dX[h : h + size, w : w + size] += dP[oh * OW + ow].reshape(size, size)
    return dX
