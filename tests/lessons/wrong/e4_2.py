"""Wrong answers to exercise 4.2, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np


def windows(X, size, stride):
    OH, OW = ((n - size) // stride + 1 for n in X.shape)
    for k in range(OH * OW):
        h, w = k // OW * stride, k % OW * stride
        yield k, (slice(h, h + size), slice(w, w + size))


def col2im_1(dP, X, size, stride):
    "= for \\+="
    dX = np.zeros_like(X)
    for k, window in windows(X, size, stride):
        dX[window] = dP[k].reshape(size, size)
    return dX


def col2im_2(dP, X, size, stride):
    "the average over the windows"
    dX, seen = np.zeros_like(X), np.zeros_like(X)
    for k, window in windows(X, size, stride):
        dX[window] += dP[k].reshape(size, size)
        seen[window] += 1
    return np.divide(dX, seen, out=np.zeros_like(X), where=seen > 0)


def col2im_3(dP, X, size, stride):
    "the stride is forgotten"
    OW = (X.shape[1] - size) // stride + 1
    dX = np.zeros_like(X)
    for k, row in enumerate(dP):
        h, w = divmod(k, OW)
        dX[h : h + size, w : w + size] += row.reshape(size, size)
    return dX


def col2im_4(dP, X, size, stride):
    "you read them by columns"
    dX = np.zeros_like(X)
    for k, window in windows(X, size, stride):
        dX[window] += dP[k].reshape(size, size, order="F")
    return dX


def col2im_5(dP, X, size, stride):
    "in the order of im2col"
    OH, OW = ((n - size) // stride + 1 for n in X.shape)
    dX = np.zeros_like(X)
    for ow in range(OW):
        for oh in range(OH):
            h, w = oh * stride, ow * stride
            dX[h : h + size, w : w + size] += dP[ow * OH + oh].reshape(size, size)
    return dX


def col2im_6(dP, X, size, stride):
    "begins with zeros"
    dX = np.array(X)
    for k, window in windows(X, size, stride):
        dX[window] += dP[k].reshape(size, size)
    return dX
