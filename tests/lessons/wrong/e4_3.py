"""Wrong answers to exercise 4.3, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np


def windows(G, K, stride):
    n = len(K)
    for (oh, ow), g in np.ndenumerate(G):
        yield g, (slice(oh * stride, oh * stride + n), slice(ow * stride, ow * stride + n))


def conv_backward_1(G, X, K, stride):
    "you turned the kernel round"
    dX, dK = np.zeros_like(X), np.zeros_like(K)
    for g, window in windows(G, K, stride):
        dX[window] += g * np.flip(K)
        dK += g * X[window]
    return dX, dK


def conv_backward_2(G, X, K, stride):
    "dL/dK comes out turned round"
    dX, dK = np.zeros_like(X), np.zeros_like(K)
    for g, window in windows(G, K, stride):
        dX[window] += g * K
        dK += g * np.flip(X[window])
    return dX, dK


def conv_backward_3(G, X, K, stride):
    "= stands for \\+="
    dX, dK = np.zeros_like(X), np.zeros_like(K)
    for g, window in windows(G, K, stride):
        dX[window] = g * K
        dK += g * X[window]
    return dX, dK


def conv_backward_4(G, X, K, stride):
    "the stride is forgotten on the way back"
    dX, dK = np.zeros_like(X), np.zeros_like(K)
    for g, window in windows(G, K, 1):
        dX[window] += g * K
        dK += g * X[window]
    return dX, dK


def conv_backward_5(G, X, K, stride):
    "forgotten for dL/dX"
    dX, dK = np.zeros_like(X), np.zeros_like(K)
    for g, window in windows(G, K, 1):
        dX[window] += g * K
    for g, window in windows(G, K, stride):
        dK += g * X[window]
    return dX, dK


def conv_backward_6(G, X, K, stride):
    "divided by the number of windows"
    dX, parts = np.zeros_like(X), []
    for g, window in windows(G, K, stride):
        dX[window] += g * K
        parts.append(g * X[window])
    return dX, np.mean(parts, axis=0)


def conv_backward_7(G, X, K, stride):
    "right if G were all ones"
    dX, dK = np.zeros_like(X), np.zeros_like(K)
    for _, window in windows(G, K, stride):
        dX[window] += K
        dK += X[window]
    return dX, dK
