"""Depthwise convolution: every channel has M kernels of its own, and no output sees a second channel.

In `conv2d`'s terms: groups = C, O = C*M; the usual case is M = 1. One group's kernel is then a few columns of KH*KW
numbers, too thin for a product of matrices to gain anything. So, as in pooling, position by position: what all windows
see at their k-th position, times each channel's weights there. With K as (KH*KW, C, M) and Y, G as (N, OH, OW, C, M):

    Y[n,h,w,c,m]  =  sum over k of  pixels_k[n,h,w,c] K[k,c,m]

    dL/dK[k,c,m]  =  sum over n,h,w of  pixels_k[n,h,w,c] G[n,h,w,c,m]
    dL/dpixels_k[n,h,w,c]  =  sum over m of  G[n,h,w,c,m] K[k,c,m]

A pixel of the image stands in several pixels_k; its gradient is the sum of theirs.
"""

from __future__ import annotations

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.windows import Windows


def correlate(X: Array, K: Array, windows: Windows, Y: Array, b: Array | None = None) -> None:
    """Fill Y (n, OH, OW, O) with what `conv2d` computes."""
    C = X.shape[3]
    K = K.reshape(windows.size[0] * windows.size[1], C, -1)
    Y[...] = 0 if b is None else b
    for chunk in windows.chunks(len(X)):
        y = _by_channel(Y[chunk], C)  # a view: what is added to y arrives in Y
        for pixels, k in zip(windows.pixels(windows.pad(X[chunk])), K):
            y += pixels[..., None] * k


def kernel_gradient(G: Array, X: Array, windows: Windows) -> Array:
    """dL/dK (KH, KW, 1, O)."""
    xp, (KH, KW), C, O = array_module(X), windows.size, X.shape[3], G.shape[3]
    dK = xp.zeros((KH * KW, C, O // C), X.dtype)
    for chunk in windows.chunks(len(X)):
        g = _by_channel(G[chunk], C)
        for k, pixels in enumerate(windows.pixels(windows.pad(X[chunk]))):
            dK[k] += xp.einsum("nhwc,nhwcm->cm", pixels, g)
    return dK.reshape(KH, KW, 1, O)


def input_gradient(G: Array, K: Array, windows: Windows, dX: Array) -> None:
    """Fill dX (n, H, W, C) with dL/dX."""
    xp, C = array_module(G), dX.shape[3]
    K = K.reshape(windows.size[0] * windows.size[1], C, -1)
    for chunk in windows.chunks(len(G)):
        g = _by_channel(G[chunk], C)
        padded = xp.zeros((len(g), *windows.padded_shape[1:]), G.dtype)
        for pixels, k in zip(windows.pixels(padded), K):
            pixels += xp.einsum("nhwcm,cm->nhwc", g, k)
        dX[chunk] = windows.crop(padded)


def _by_channel(A: Array, C: int) -> Array:
    """(n, OH, OW, C*M) as (n, OH, OW, C, M)."""
    return A.reshape(*A.shape[:3], C, -1)
