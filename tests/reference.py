"""Operations written as plainly as possible: loops over single numbers, straight from the formulas. Slow on purpose."""

import math

import numpy as np


def sides(padding, shape, size, stride):
    """((top, bottom), (left, right)) of any form of `padding`."""
    if padding == "valid":
        return ((0, 0), (0, 0))
    if isinstance(padding, int):
        return ((padding, padding), (padding, padding))
    if padding != "same":
        return padding
    result = []
    for n, k, s in zip(shape[1:3], size, stride):
        total = max((math.ceil(n / s) - 1) * s + k - n, 0)
        result.append((math.floor(total / 2), math.ceil(total / 2)))
    return tuple(result)


def padded(X, around, value=0.0):
    return np.pad(X, ((0, 0), *around, (0, 0)), constant_values=value)


def places(length, k, s):
    """How often a window of k fits into `length` in steps of s: counted, not computed."""
    return len(range(0, length - k + 1, s))


def conv2d(X, K, b, stride, padding):
    """Y[n,oh,ow,o] = b[o] + sum over kh,kw,c of X[n, oh*sh + kh, ow*sw + kw, c] K[kh,kw,c,o]."""
    KH, KW, _, O = K.shape
    sh, sw = stride
    X = padded(X, sides(padding, X.shape, (KH, KW), stride))
    N, H, W, _ = X.shape
    Y = np.zeros((N, places(H, KH, sh), places(W, KW, sw), O))
    for n, oh, ow, o in np.ndindex(*Y.shape):
        total = b[o]
        for kh in range(KH):
            for kw in range(KW):
                total += X[n, oh * sh + kh, ow * sw + kw, :] @ K[kh, kw, :, o]  # the sum over c
        Y[n, oh, ow, o] = total
    return Y


def conv2d_gradients(G, X, K, stride, padding):
    """Every product in the formula of conv2d sends G times one factor to the other factor."""
    KH, KW, _, O = K.shape
    sh, sw = stride
    around = sides(padding, X.shape, (KH, KW), stride)
    XP = padded(X, around)
    dX, dK, db = np.zeros_like(XP), np.zeros_like(K), np.zeros(O)
    for n, oh, ow, o in np.ndindex(*G.shape):
        db[o] += G[n, oh, ow, o]
        for kh in range(KH):
            for kw in range(KW):
                dX[n, oh * sh + kh, ow * sw + kw, :] += G[n, oh, ow, o] * K[kh, kw, :, o]
                dK[kh, kw, :, o] += G[n, oh, ow, o] * XP[n, oh * sh + kh, ow * sw + kw, :]
    return cropped(dX, X, around), dK, db


def cropped(dX, X, around):
    (top, _), (left, _) = around
    return dX[:, top : top + X.shape[1], left : left + X.shape[2]]


def max_pool2d(X, size, stride, padding):
    """Values, and a function that gives each window's gradient to the first of its largest pixels."""
    (KH, KW), (sh, sw) = size, stride
    around = sides(padding, X.shape, size, stride)
    XP = padded(X, around, -np.inf)
    N, H, W, C = XP.shape
    Y = np.zeros((N, places(H, KH, sh), places(W, KW, sw), C))
    winners = {}
    for n, oh, ow, c in np.ndindex(*Y.shape):
        best = None
        for kh in range(KH):
            for kw in range(KW):
                value = XP[n, oh * sh + kh, ow * sw + kw, c]
                if best is None or value > best:  # not >=: the first stays
                    best, winners[n, oh, ow, c] = value, (n, oh * sh + kh, ow * sw + kw, c)
        Y[n, oh, ow, c] = best

    def gradient(G):
        dX = np.zeros_like(XP)
        for window, pixel in winners.items():
            dX[pixel] += G[window]
        return cropped(dX, X, around)

    return Y, gradient


def avg_pool2d(X, size, stride, padding):
    """Values, and a function that shares each window's gradient among its real pixels."""
    (KH, KW), (sh, sw) = size, stride
    around = sides(padding, X.shape, size, stride)
    XP, real = padded(X, around), padded(np.ones_like(X), around)
    N, H, W, C = XP.shape
    Y = np.zeros((N, places(H, KH, sh), places(W, KW, sw), C))
    seen = {}
    for n, oh, ow, c in np.ndindex(*Y.shape):
        seen[n, oh, ow, c] = [
            (n, oh * sh + kh, ow * sw + kw, c)
            for kh in range(KH)
            for kw in range(KW)
            if real[n, oh * sh + kh, ow * sw + kw, c]
        ]
        Y[n, oh, ow, c] = sum(XP[pixel] for pixel in seen[n, oh, ow, c]) / len(seen[n, oh, ow, c])

    def gradient(G):
        dX = np.zeros_like(XP)
        for window, pixels in seen.items():
            for pixel in pixels:
                dX[pixel] += G[window] / len(pixels)
        return cropped(dX, X, around)

    return Y, gradient
