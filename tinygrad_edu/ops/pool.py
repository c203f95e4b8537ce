"""Pooling: one number for every window of an image, channel by channel. Throughout, G = dL/dY.

The windows are taken position by position: `windows.pixels(X)[k]` is the array (N, OH, OW, C) of what all windows see
at their k-th position, counted row by row. So the loops are over the few positions of a window, never over the pixels.
"""

from __future__ import annotations

import numpy as np

from tinygrad_edu.backend import array_module
from tinygrad_edu.ops.support import Operand
from tinygrad_edu.ops.windows import Padding, Pair, Windows, check_images, find_pooling_windows
from tinygrad_edu.runtime.fusion import fused
from tinygrad_edu.runtime.parallel import in_parts
from tinygrad_edu.tensor import Tensor, record

SMALLEST_PART = 250_000  # pixels of all channels that are worth a thread


def max_pool2d(
    x: Operand,
    size: Pair,
    stride: Pair | None = None,
    padding: Padding = "valid",
    dilation: Pair = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Y = the largest pixel of every window, channel by channel.

    Shapes: X (N, H, W, C), Y (N, OH, OW, C); with stride (sh, sw), and without dilation (dh = dw = 1):

    Y[n,oh,ow,c]  =  max over kh,kw of  X[n, oh*sh + kh*dh, ow*sw + kw*dw, c].

    Derived and written plainly in `textbook/pooling.py`. What is different here: the windows' pixels are not stacked,
    but compared position by position with the largest so far; the backward finds the winner again, as the first that
    equals Y; and where windows do not overlap, a gradient is written instead of added, which takes a third of the time.

    Parameters
    ----------
    x : Tensor (N, H, W, C)
    size : int or (int, int)
        Rows and columns of a window.
    stride : int or (int, int), optional
        From one window to the next; `size` by default, so that they do not overlap.
    padding : "same", "valid", int or ((top, bottom), (left, right))
        As in `conv2d`, but filled with minus infinity: padding is never the largest.
    dilation : int or (int, int)
        Rows and columns from one pixel of a window to its next.
    ceil_mode : bool
        What becomes of rows and columns at the edge that fill no window. False: they are left out. True, as PyTorch
        has it: they get a window of their own, which looks out over the edge, if it begins in the image or in the
        padding above or left of it. With "same" there is no difference.

    Raises
    ------
    ValueError, TypeError
        As `conv2d`; also when a window would see nothing but padding.
    """
    (x,) = check_images("max_pool2d", x)
    windows = find_pooling_windows("max_pool2d", x, size, stride, padding, dilation, ceil_mode)
    X, xp = x.data, array_module(x.data)
    N, smallest = len(X), _smallest_part(windows)
    Y = xp.empty((N, *windows.out, X.shape[3]), X.dtype)
    disjoint = all(k <= s for k, s in zip(windows.extent, windows.stride))  # no pixel is in two windows

    def forward_part(start, stop):
        largest = Y[start:stop]
        first, *others = windows.pixels(windows.pad(X[start:stop], -xp.inf))
        largest[...] = first
        for pixels in others:
            xp.maximum(largest, pixels, out=largest)

    def backward(G):
        dX = xp.empty(X.shape, X.dtype)

        def backward_part(start, stop):
            largest, g = Y[start:stop], G[start:stop]
            dX[start:stop] = 0
            padded = windows.pad(X[start:stop], -xp.inf)
            d = xp.zeros(padded.shape, X.dtype) if windows.is_padded else dX[start:stop]
            unclaimed = xp.ones(g.shape, bool)  # windows whose gradient nobody has taken yet
            for pixels, d_pixels in zip(windows.pixels(padded), windows.pixels(d)):
                if xp is not np:
                    _hand_back(pixels, largest, unclaimed, g, d_pixels)
                    continue
                taker = (pixels == largest) & unclaimed
                unclaimed ^= taker
                if disjoint:
                    xp.multiply(g, taker, out=d_pixels)  # spares a temporary array: a third of the time
                else:
                    d_pixels += g * taker
            if windows.is_padded:
                dX[start:stop] = windows.crop(d)

        in_parts(backward_part, N, smallest, like=X)
        return (dX,)

    in_parts(forward_part, N, smallest, like=X)
    return record(Y, (x,), backward)


@fused
def _hand_back(xp, pixels, largest, unclaimed, g, d_pixels):
    """What `max_pool2d`'s backward does for one position of the windows, in one launch on a GPU."""
    taker = (pixels == largest) & unclaimed
    unclaimed ^= taker
    d_pixels += g * taker


def avg_pool2d(
    x: Operand,
    size: Pair,
    stride: Pair | None = None,
    padding: Padding = "valid",
    dilation: Pair = 1,
    ceil_mode: bool = False,
) -> Tensor:
    """Y = the mean pixel of every window, channel by channel. Arguments as in `max_pool2d`.

    Y[n,oh,ow,c]  =  1/m  sum over kh,kw of  X[n, oh*sh + kh*dh, ow*sw + kw*dw, c],   m = m[oh,ow] pixels.

    Only real pixels are counted (as in Keras; PyTorch's count_include_pad=False): at the edge, where the window sees
    padding, or looks out over it in `ceil_mode`, m is smaller than KH*KW. Derived and written plainly in
    `textbook/pooling.py`; here, an image that needs no padding is not copied.
    """
    (x,) = check_images("avg_pool2d", x)
    windows = find_pooling_windows("avg_pool2d", x, size, stride, padding, dilation, ceil_mode)
    X, xp = x.data, array_module(x.data)
    one_image = windows.pad(xp.ones((1, *X.shape[1:3], 1), X.dtype))
    m = sum(windows.pixels(one_image))  # (1, OH, OW, 1 or C)

    def backward(G):
        dX = xp.zeros(windows.padded_shape, X.dtype)
        share = G / m
        for d_pixels in windows.pixels(dX):
            d_pixels += share
        return (windows.crop(dX),)

    return record(sum(windows.pixels(windows.pad(X))) / m, (x,), backward)


def global_avg_pool2d(x: Operand) -> Tensor:
    """Y = the mean over all pixels, channel by channel: (N, H, W, C) -> (N, C) (Lin, Chen and Yan 2014).

    Y[n,c] = 1/(H W) sum over h,w of X[n,h,w,c]   so   dL/dX[n,h,w,c] = G[n,c] / (H W).
    """
    (x,) = check_images("global_avg_pool2d", x)
    X, xp = x.data, array_module(x.data)
    _, H, W, _ = X.shape
    if X.size == 0:
        raise ValueError(f"global_avg_pool2d: expected images of shape (N, H, W, C), none of them 0; got {X.shape}")

    def backward(G):
        return (xp.broadcast_to(G[:, None, None, :] / (H * W), X.shape),)

    return record(X.mean(axis=(1, 2)), (x,), backward)


def _smallest_part(windows: Windows) -> int:
    """How many images are worth a thread."""
    _, H, W, C = windows.shape
    return 1 + SMALLEST_PART // (H * W * C)
