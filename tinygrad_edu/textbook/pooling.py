"""Pooling: one number for every window of an image, channel by channel."""

from __future__ import annotations

from tinygrad_edu.backend import array_module
from tinygrad_edu.ops.support import Operand
from tinygrad_edu.ops.windows import Padding, Pair, check_images, find_pooling_windows
from tinygrad_edu.tensor import Tensor, record


def max_pool2d(
    x: Operand,
    size: Pair,
    stride: Pair | None = None,
    padding: Padding = "valid",
    dilation: Pair = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Y = the largest pixel of every window, channel by channel. Arguments and errors are those of `ops.max_pool2d`.

    Shapes: X (N, H, W, C), Y (N, OH, OW, C). With minus infinity as padding around X, so that padding is never the
    largest, and the K = KH*KW pixels of a window counted row by row, k = kh*KW + kw:

        S[n,oh,ow,c,k]  =  X[n, oh*sh + kh*dh, ow*sw + kw*dw, c]                    (1)
        winner[n,oh,ow,c]  =  the first k with the largest S[n,oh,ow,c,k]           (2)
        Y[n,oh,ow,c]  =  max over k of  S[n,oh,ow,c,k]                              (3)

    Only the largest pixel moves Y, so it takes the window's whole gradient; of several equal ones the first does, so
    that what a window hands out is what it was given. Windows that overlap may share a winner, which gets the sum:

        dL/dX[n,h,w,c]  =  the sum of G[n,oh,ow,c] over the windows whose winner is the pixel (h, w)    (4)
    """
    (x,) = check_images("max_pool2d", x)
    windows = find_pooling_windows("max_pool2d", x, size, stride, padding, dilation, ceil_mode)
    xp, (H, W) = array_module(x.data), x.shape[1:3]
    (top, bottom), (left, right) = windows.padding
    X = xp.pad(x.data, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=-xp.inf)
    S = xp.stack([X[seen] for seen in positions(windows)], axis=-1)  # (1)
    winner = S.argmax(axis=-1)  # (2)
    Y = S.max(axis=-1)  # (3)

    def backward(G):
        dX = xp.zeros_like(X)
        for k, seen in enumerate(positions(windows)):
            dX[seen] += G * (winner == k)  # (4)
        return (dX[:, top : top + H, left : left + W],)

    return record(Y, (x,), backward)


def avg_pool2d(
    x: Operand,
    size: Pair,
    stride: Pair | None = None,
    padding: Padding = "valid",
    dilation: Pair = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Y = the mean pixel of every window, channel by channel. Arguments and errors are those of `ops.avg_pool2d`.

    Padding is not counted: the mean is over the m[oh,ow] real pixels of a window. With zeros around X, which add
    nothing, and zeros around an image of ones, which count the real pixels:

        m[oh,ow]  =  sum over kh,kw of  ones[oh*sh + kh*dh, ow*sw + kw*dw]                              (5)
        Y[n,oh,ow,c]  =  1/m[oh,ow]  sum over kh,kw of  X[n, oh*sh + kh*dh, ow*sw + kw*dw, c]           (6)

    Every pixel of a window enters with weight 1/m:

        dL/dX[n,h,w,c]  =  the sum of G[n,oh,ow,c] / m[oh,ow] over the windows that see the pixel       (7)
    """
    (x,) = check_images("avg_pool2d", x)
    windows = find_pooling_windows("avg_pool2d", x, size, stride, padding, dilation, ceil_mode)
    xp, (H, W) = array_module(x.data), x.shape[1:3]
    (top, bottom), (left, right) = windows.padding
    around = ((0, 0), (top, bottom), (left, right), (0, 0))
    X, ones = xp.pad(x.data, around), xp.pad(xp.ones((1, H, W, 1), x.dtype), around)
    m = sum(ones[seen] for seen in positions(windows))  # (5)
    Y = sum(X[seen] for seen in positions(windows)) / m  # (6)

    def backward(G):
        dX = xp.zeros_like(X)
        for seen in positions(windows):
            dX[seen] += G / m  # (7)
        return (dX[:, top : top + H, left : left + W],)

    return record(Y, (x,), backward)


def positions(windows):
    """For every position in a window, row by row: the index of what all windows see there, of shape (N, OH, OW, C)."""
    (KH, KW), (sh, sw), (dh, dw), (OH, OW) = windows.size, windows.stride, windows.dilation, windows.out
    for kh in range(KH):
        for kw in range(KW):
            rows = slice(kh * dh, kh * dh + (OH - 1) * sh + 1, sh)
            columns = slice(kw * dw, kw * dw + (OW - 1) * sw + 1, sw)
            yield slice(None), rows, columns
