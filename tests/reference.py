"""Values by loops over single numbers, straight from the formulas, slow on purpose; gradients by the textbook."""

import math

import numpy as np

from tinygrad_edu import Tensor, textbook


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


def conv_transpose2d(X, K, b, stride, around, dilation, output_size):
    """Y[n, h*sh + kh*dh - top, w*sw + kw*dw - left, o] += X[n,h,w,c] K[kh,kw,o,c]; what falls outside of Y is lost."""
    (KH, KW, O, _), (sh, sw), (dh, dw), ((top, _), (left, _)) = K.shape, stride, dilation, around
    OH, OW = output_size
    Y = np.zeros((len(X), OH, OW, O)) + b
    for n, h, w, c in np.ndindex(*X.shape):
        for kh, kw, o in np.ndindex(KH, KW, O):
            y = n, h * sh + kh * dh - top, w * sw + kw * dw - left, o
            if 0 <= y[1] < OH and 0 <= y[2] < OW:
                Y[y] += X[n, h, w, c] * K[kh, kw, o, c]
    return Y


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
    around, windows = pool_windows(X, size, stride, padding, dilation, ceil_mode)
    XP = padded(X, around, -np.inf)
    Y = np.zeros(np.array(list(windows)[-1]) + 1)
    for window, pixels in windows.items():
        Y[window] = max(XP[pixel] for pixel in pixels)
    return Y


def avg_pool2d(X, size, stride, padding, dilation=(1, 1), ceil_mode=False):
    """The mean of the real pixels."""
    around, windows = pool_windows(X, size, stride, padding, dilation, ceil_mode)
    XP, real = padded(X, around), padded(np.ones_like(X), around)
    Y = np.zeros(np.array(list(windows)[-1]) + 1)
    for window, pixels in windows.items():
        seen = [pixel for pixel in pixels if real[pixel]]
        Y[window] = sum(XP[pixel] for pixel in seen) / len(seen)
    return Y


def gradients_by_the_textbook(call, tensors, G):
    """dL/d(tensor) for each, by the textbook's form of whatever `call` computes from them; their own are left alone."""
    leaves = [Tensor(tensor.data.copy(), requires_grad=True) for tensor in tensors]
    with textbook.instead():
        call(*leaves).backward(G)
    return [leaf.grad for leaf in leaves]
