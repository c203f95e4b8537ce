"""Wrong answers to exercise 4.1, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np


def places(X, size, stride):
    return [(n - size) // stride + 1 for n in X.shape]


def im2col_1(X, size, stride):
    "the windows are in the wrong order"
    OH, OW = places(X, size, stride)
    P = []
    for w in range(0, OW * stride, stride):
        for h in range(0, OH * stride, stride):
            P.append(X[h : h + size, w : w + size].ravel())
    return np.array(P)


def im2col_2(X, size, stride):
    "you read it by columns"
    OH, OW = places(X, size, stride)
    P = np.zeros((OH * OW, size * size))
    for oh in range(OH):
        for ow in range(OW):
            for kh in range(size):
                for kw in range(size):
                    P[oh * OW + ow, kw * size + kh] = X[oh * stride + kh, ow * stride + kw]
    return P


def im2col_3(X, size, stride):
    "and their places do not"
    OH, OW = places(X, size, stride)
    return np.array([X[h : h + size, w : w + size].ravel() for h in range(OH) for w in range(OW)])


def im2col_4(X, size, stride):
    "you have a window in each column"
    OH, OW = places(X, size, stride)
    P = np.zeros((size * size, OH * OW))
    for k in range(OH * OW):
        h, w = divmod(k, OW)
        P[:, k] = X[h * stride : h * stride + size, w * stride : w * stride + size].ravel()
    return P


def im2col_5(X, size, stride):
    "a window too few"
    OH, OW = ((n - size) // stride for n in X.shape)
    P = [
        X[h * stride : h * stride + size, w * stride : w * stride + size].ravel() for h in range(OH) for w in range(OW)
    ]
    return np.array(P)
