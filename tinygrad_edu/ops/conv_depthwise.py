"""Depthwise convolution: every channel has M kernels of its own, and no output sees a second channel.

In `conv2d`'s terms: groups = C, O = C*M, and output o sees channel o // M; mostly M = 1. The kernel of a group is then
a few columns of KH*KW numbers, too thin for a product of matrices to gain anything. So, as in pooling, position by
position: what all windows see at their k-th position, times the weights there. With every channel repeated M times,
pixels_k is (N, OH, OW, O), as Y and G are; with K as (KH*KW, O):

    Y[n,h,w,o]  =  sum over k of  pixels_k[n,h,w,o] K[k,o]

    dL/dK[k,o]  =  sum over n,h,w of  pixels_k[n,h,w,o] G[n,h,w,o]
    dL/dpixels_k[n,h,w,o]  =  G[n,h,w,o] K[k,o]

A pixel of the image stands in several pixels_k, M times in each; its gradient is the sum of theirs.
"""

from __future__ import annotations

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.windows import Windows


def correlate(X: Array, K: Array, windows: Windows, Y: Array, b: Array | None = None) -> None:
    """Fill Y (n, OH, OW, O) with what `conv2d` computes."""
    O = K.shape[3]
    Y[...] = 0 if b is None else b
    for chunk in windows.chunks(X):
        y = Y[chunk]
        for pixels, k in zip(_pixels(X[chunk], windows, O), K.reshape(-1, O)):
            y += pixels * k


def kernel_gradient(G: Array, X: Array, windows: Windows) -> Array:
    """dL/dK (KH, KW, 1, O)."""
    xp, (KH, KW), O = array_module(X), windows.size, G.shape[3]
    dK = xp.zeros((KH * KW, O), X.dtype)
    for chunk in windows.chunks(X):
        for k, pixels in enumerate(_pixels(X[chunk], windows, O)):
            dK[k] += xp.einsum("nhwo,nhwo->o", pixels, G[chunk])
    return dK.reshape(KH, KW, 1, O)


def input_gradient(G: Array, K: Array, windows: Windows, dX: Array) -> None:
    """Fill dX (n, H, W, C) with dL/dX."""
    O = K.shape[3]
    M = O // dX.shape[3]
    for chunk in windows.chunks(G):
        g = G[chunk]
        repeated = array_module(G).zeros((len(g), *windows.padded_shape[1:3], O), G.dtype)
        for pixels, k in zip(windows.pixels(repeated), K.reshape(-1, O)):
            pixels += g * k
        dX[chunk] = sum(windows.crop(repeated[..., m::M]) for m in range(M))


def _pixels(X: Array, windows: Windows, O: int) -> list[Array]:
    """pixels_k (n, OH, OW, O) for every position k, of images (n, H, W, C)."""
    padded, M = windows.pad(X), O // X.shape[3]
    return windows.pixels(padded if M == 1 else array_module(X).repeat(padded, M, axis=3))
