"""Operations written as plainly as possible: loops over single numbers, straight from the formulas. Slow on purpose."""

import math

import numpy as np


def spread(size, dilation):
    return tuple((k - 1) * d + 1 for k, d in zip(size, dilation))


def sides(padding, shape, size, stride):
    """((top, bottom), (left, right)) of any form of `padding`; `size` as spread by the dilation."""
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


def to_the_last_window(around, shape, size, stride):
    """The padding of ceil_mode: walk on until a window reaches the end, or would begin behind the image."""
    result = []
    for (before, after), n, k, s in zip(around, shape[1:3], size, stride):
        start, end = 0, before + n + after
        while start + k < end and start + s < before + n:
            start += s
        result.append((before, max(start + k - before - n, 0)))
    return tuple(result)


def conv2d(X, K, b, stride, padding, dilation=(1, 1), groups=1):
    """Y[n,oh,ow,o] = b[o] + sum over kh,kw,c of X[n, oh*sh + kh*dh, ow*sw + kw*dw, j*C + c] K[kh,kw,c,o], group j."""
    KH, KW, C, O = K.shape
    (sh, sw), (dh, dw), (EH, EW) = stride, dilation, spread((KH, KW), dilation)
    X = padded(X, sides(padding, X.shape, (EH, EW), stride))
    N, H, W, _ = X.shape
    Y = np.zeros((N, places(H, EH, sh), places(W, EW, sw), O))
    for n, oh, ow, o in np.ndindex(*Y.shape):
        first = o // (O // groups) * C  # the first channel of this output's group
        total = b[o]
        for kh in range(KH):
            for kw in range(KW):
                seen = X[n, oh * sh + kh * dh, ow * sw + kw * dw, first : first + C]
                total += seen @ K[kh, kw, :, o]  # the sum over c
        Y[n, oh, ow, o] = total
    return Y


def conv2d_gradients(G, X, K, stride, padding, dilation=(1, 1), groups=1):
    """Every product in the formula of conv2d sends G times one factor to the other factor."""
    KH, KW, C, O = K.shape
    (sh, sw), (dh, dw) = stride, dilation
    around = sides(padding, X.shape, spread((KH, KW), dilation), stride)
    XP = padded(X, around)
    dX, dK, db = np.zeros_like(XP), np.zeros_like(K), np.zeros(O)
    for n, oh, ow, o in np.ndindex(*G.shape):
        first = o // (O // groups) * C
        db[o] += G[n, oh, ow, o]
        for kh in range(KH):
            for kw in range(KW):
                seen = n, oh * sh + kh * dh, ow * sw + kw * dw, slice(first, first + C)
                dX[seen] += G[n, oh, ow, o] * K[kh, kw, :, o]
                dK[kh, kw, :, o] += G[n, oh, ow, o] * XP[seen]
    return cropped(dX, X, around), dK, db


def cropped(dX, X, around):
    (top, _), (left, _) = around
    return dX[:, top : top + X.shape[1], left : left + X.shape[2]]


def conv_transpose2d(X, K, b, stride, around, dilation, output_size):
    """Values, and a function that gives the gradients.

    Y[n, h*sh + kh*dh - top, w*sw + kw*dw - left, o] += X[n,h,w,c] K[kh,kw,o,c], and what falls outside of Y is lost.
    """
    (KH, KW, O, _), (sh, sw), (dh, dw), ((top, _), (left, _)) = K.shape, stride, dilation, around
    OH, OW = output_size
    Y = np.zeros((len(X), OH, OW, O)) + b
    products = []
    for n, h, w, c in np.ndindex(*X.shape):
        for kh, kw, o in np.ndindex(KH, KW, O):
            y = n, h * sh + kh * dh - top, w * sw + kw * dw - left, o
            if 0 <= y[1] < OH and 0 <= y[2] < OW:
                products.append((y, (n, h, w, c), (kh, kw, o, c)))
    for y, x, k in products:
        Y[y] += X[x] * K[k]

    def gradients(G):
        dX, dK = np.zeros_like(X), np.zeros_like(K)
        for y, x, k in products:
            dX[x] += G[y] * K[k]
            dK[k] += G[y] * X[x]
        return dX, dK, G.sum(axis=(0, 1, 2))

    return Y, gradients


def pool_windows(X, size, stride, padding, dilation, ceil_mode):
    """The padding, and for every (n, oh, ow, c) the pixels of the padded image in its window, row by row."""
    (KH, KW), (sh, sw), (dh, dw), (EH, EW) = size, stride, dilation, spread(size, dilation)
    around = sides(padding, X.shape, (EH, EW), stride)
    if ceil_mode:
        around = to_the_last_window(around, X.shape, (EH, EW), stride)
    N, H, W, C = padded(X, around).shape
    windows = {
        (n, oh, ow, c): [(n, oh * sh + kh * dh, ow * sw + kw * dw, c) for kh in range(KH) for kw in range(KW)]
        for n, oh, ow, c in np.ndindex(N, places(H, EH, sh), places(W, EW, sw), C)
    }
    return around, windows


def max_pool2d(X, size, stride, padding, dilation=(1, 1), ceil_mode=False):
    """Values, and a function that gives each window's gradient to the first of its largest pixels."""
    around, windows = pool_windows(X, size, stride, padding, dilation, ceil_mode)
    XP = padded(X, around, -np.inf)
    Y, winners = np.zeros(np.array(list(windows)[-1]) + 1), {}
    for window, pixels in windows.items():
        best = None
        for pixel in pixels:
            if best is None or XP[pixel] > best:  # not >=: the first stays
                best, winners[window] = XP[pixel], pixel
        Y[window] = best

    def gradient(G):
        dX = np.zeros_like(XP)
        for window, pixel in winners.items():
            dX[pixel] += G[window]
        return cropped(dX, X, around)

    return Y, gradient


def avg_pool2d(X, size, stride, padding, dilation=(1, 1), ceil_mode=False):
    """Values, and a function that shares each window's gradient among its real pixels."""
    around, windows = pool_windows(X, size, stride, padding, dilation, ceil_mode)
    XP, real = padded(X, around), padded(np.ones_like(X), around)
    Y, seen = np.zeros(np.array(list(windows)[-1]) + 1), {}
    for window, pixels in windows.items():
        seen[window] = [pixel for pixel in pixels if real[pixel]]
        Y[window] = sum(XP[pixel] for pixel in seen[window]) / len(seen[window])

    def gradient(G):
        dX = np.zeros_like(XP)
        for window, pixels in seen.items():
            for pixel in pixels:
                dX[pixel] += G[window] / len(pixels)
        return cropped(dX, X, around)

    return Y, gradient
