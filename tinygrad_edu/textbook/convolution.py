"""Convolution, as the practicals use the word: slide a small kernel over an image, multiply and add at every place.

Done by one matrix product. `im2col` copies, for every place of the kernel, the window of the image that it sees there
into one row of a matrix; every row times the kernel is then one output pixel:

    image (N, H, W, C)  --im2col-->  columns (N*OH*OW, KH*KW*C)  @  kernel (KH*KW*C, O)  =  output (N*OH*OW, O)

The matrix holds every pixel up to KH*KW times. That is the price; a matrix product at full speed is what it buys.
"""

from __future__ import annotations

import math

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.conv_transpose import windows_back
from tinygrad_edu.ops.shape import concatenate, split
from tinygrad_edu.ops.support import Operand
from tinygrad_edu.ops.windows import Padding, Pair, check_images, check_kernel, find_windows
from tinygrad_edu.tensor import Tensor, record


def conv2d(
    x: Operand,
    kernel: Operand,
    bias: Operand | None = None,
    stride: Pair = 1,
    padding: Padding = "same",
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """At every place of the image, multiply the window by the kernel, and add up.

    (Mathematicians call this a cross-correlation: the kernel is not mirrored. Nothing is lost, since it is learnt.)
    Arguments and errors are those of `ops.conv2d`. Shapes: X (N, H, W, C), K (KH, KW, C, O), b (O,), Y (N, OH, OW, O).
    With stride (sh, sw), dilation (dh, dw) and the zeros of the padding already around X:

        Y[n,oh,ow,o]  =  sum over kh,kw,c of  X[n, oh*sh + kh*dh, ow*sw + kw*dw, c] K[kh,kw,c,o]  +  b[o]

    As a matrix product, with P = im2col(X) of shape (N*OH*OW, KH*KW*C), and with K and Y reshaped to (KH*KW*C, O) and
    (N*OH*OW, O):

        Y = P K + b                                                                 (1)

    That is an affine map, so with G = dL/dY, reshaped like Y:

        dL/dK = P^T G                                                               (2)
        dL/db[o] = sum over n,oh,ow of G[n,oh,ow,o]                                 (3)
        dL/dP = G K^T                                                               (4)

    Every pixel went to several places of P; `col2im` adds up what comes back from them:

        dL/dX = col2im(dL/dP)                                                       (5)

    without the part that belongs to the padding. With groups, convolutions stand side by side, each with a kernel
    (KH, KW, C/groups, O/groups): group j reads the channels from j*C/groups on and writes the outputs from j*O/groups
    on. That is `split`, `conv2d` and `concatenate`, whose gradients are known.
    """
    inputs = check_images("conv2d", x, kernel, *(() if bias is None else (bias,)))
    x, kernel, *rest = inputs
    check_kernel(x, kernel, rest[0] if rest else None, groups)
    if groups > 1:
        biases = split(rest[0], groups) if rest else [None] * groups
        parts = zip(split(x, groups, axis=3), split(kernel, groups, axis=3), biases)
        return concatenate([conv2d(*part, stride, padding, dilation) for part in parts], axis=3)

    KH, KW, C, O = kernel.shape
    N, H, W, _ = x.shape
    windows = find_windows("conv2d", x.shape, (KH, KW), stride, padding, dilation)
    (sh, sw), (dh, dw) = windows.stride, windows.dilation
    # `find_windows`, which checked the arguments, knows the padding too; here it is worked out in sight.
    if padding == "same":
        (top, bottom), (left, right) = same(H, (KH - 1) * dh + 1, sh), same(W, (KW - 1) * dw + 1, sw)
    else:
        (top, bottom), (left, right) = windows.padding
    xp = array_module(x.data)
    X = xp.pad(x.data, ((0, 0), (top, bottom), (left, right), (0, 0)))
    K = kernel.data.reshape(KH * KW * C, O)
    P = im2col(X, (KH, KW), (sh, sw), (dh, dw))
    Y = P @ K + (rest[0].data if rest else 0)  # (1)

    def backward(G):
        G = G.reshape(-1, O)
        dK = (P.T @ G).reshape(KH, KW, C, O)  # (2)
        db = G.sum(axis=0)  # (3)
        dP = G @ K.T  # (4)
        dX = col2im(dP, X.shape, (KH, KW), (sh, sw), (dh, dw))  # (5)
        return (dX[:, top : top + H, left : left + W], dK, db)[: len(inputs)]

    return record(Y.reshape(N, *windows.out, O), inputs, backward)


def conv_transpose2d(
    x: Operand,
    kernel: Operand,
    bias: Operand | None = None,
    stride: Pair = 1,
    padding: Padding = "same",
    dilation: Pair = 1,
    output_size: Pair | None = None,
) -> Tensor:
    """Y = what `conv2d` would send back to its image if X were the gradient of its output; plus b.

    Arguments and errors are those of `ops.conv_transpose2d`. Shapes: X (N, H, W, C), K (KH, KW, O, C), b (O,),
    Y (N, OH, OW, O). By (4) and (5) of `conv2d`, with X and K reshaped to (N*H*W, C) and (KH*KW*O, C), and without
    what falls on the padding:

        Y = col2im(X K^T) + b                                                       (11)

    col2im is im2col's transpose (see there), so its own gradient is im2col. With Q = im2col(G) the product has these:

        dL/dX = Q K                                                                 (12)
        dL/dK = Q^T X                                                               (13)
        dL/db[o] = sum over n,oh,ow of G[n,oh,ow,o]                                 (14)
    """
    inputs = check_images("conv_transpose2d", x, kernel, *(() if bias is None else (bias,)))
    x, kernel, *rest = inputs
    windows = windows_back(x, kernel, rest[0] if rest else None, stride, padding, dilation, output_size)
    (N, OH, OW, O), (KH, KW, _, C) = windows.shape, kernel.shape
    (top, bottom), (left, right) = windows.padding
    steps = (KH, KW), windows.stride, windows.dilation
    xp, X, K = array_module(x.data), x.data.reshape(-1, C), kernel.data.reshape(KH * KW * O, C)
    padded = col2im(X @ K.T, (N, top + OH + bottom, left + OW + right, O), *steps)
    Y = padded[:, top : top + OH, left : left + OW] + (rest[0].data if rest else 0)  # (11)

    def backward(G):
        Q = im2col(xp.pad(G, ((0, 0), (top, bottom), (left, right), (0, 0))), *steps)  # the Q of (12) and (13)
        dX = (Q @ K).reshape(x.shape)  # (12)
        dK = (Q.T @ X).reshape(kernel.shape)  # (13)
        db = G.sum(axis=(0, 1, 2))  # (14)
        return (dX, dK, db)[: len(inputs)]

    return record(Y, inputs, backward)


def im2col(X: Array, size: tuple[int, int], stride: tuple[int, int], dilation: tuple[int, int]) -> Array:
    """Copy every window of the (padded) images into a row: (N, H, W, C) -> (N*OH*OW, KH*KW*C).

    One image of 4 x 4 pixels, one channel, windows of 3 x 3, stride 1. There are 2 x 2 places for the window, so
    OH = OW = 2, and a window holds KH*KW*C = 9 numbers:

        X =   0  1  2  3        window (0, 0)    window (0, 1)    window (1, 0)    window (1, 1)
              4  5  6  7           0  1  2          1  2  3          4  5  6          5  6  7
              8  9 10 11           4  5  6          5  6  7          8  9 10          9 10 11
             12 13 14 15           8  9 10          9 10 11         12 13 14         13 14 15

        columns =   0  1  2  4  5  6  8  9 10     row 0: window (0, 0), read row by row
                    1  2  3  5  6  7  9 10 11     row 1: window (0, 1)
                    4  5  6  8  9 10 12 13 14     row 2: window (1, 0)
                    5  6  7  9 10 11 13 14 15     row 3: window (1, 1)

    Pixel 5 stands in four rows: the kernel sees it from four places. In general:

        columns[(n*OH + oh)*OW + ow,  (kh*KW + kw)*C + c]  =  X[n, oh*sh + kh*dh, ow*sw + kw*dw, c]     (6)

    The loop goes over the few positions in a window; what all windows see at one position is a slice of the images.
    """
    N, _, _, C = X.shape
    OH, OW = places(X.shape, size, stride, dilation)
    columns = array_module(X).empty((N, OH, OW, *size, C), X.dtype)
    for kh, kw, seen in positions(size, stride, dilation, OH, OW):
        columns[:, :, :, kh, kw] = X[seen]  # (6)
    return columns.reshape(N * OH * OW, -1)


def col2im(
    columns: Array,
    shape: tuple[int, ...],
    size: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
) -> Array:
    """The way back, adding up: (N*OH*OW, KH*KW*C) -> (padded) images of `shape` (N, H, W, C).

    im2col copies each pixel to several places. If L depends on the copies, the chain rule adds up what comes back:

        dL/dX[n,h,w,c] = the sum of dL/dcolumns over all places to which (6) copied X[n,h,w,c]         (7)

    im2col is linear: with the pixels and the columns each in one long line, columns = S x, where every row of the
    matrix S holds a single 1. The chain rule says dL/dx = S^T dL/dcolumns, so col2im is S^T, im2col's transpose, and
    *not* its inverse: col2im(im2col(X)) multiplies every pixel by how often it was used. For the 4 x 4 image and the 3
    x 3 window of `im2col`, with columns of ones:

        col2im(ones) =   1  2  2  1       the corner is seen from one place,
                         2  4  4  2       pixel 5, at (1, 1), from four
                         2  4  4  2
                         1  2  2  1

    Windows overlap, which is why it is `+=`; at one position of the window their pixels are all different.
    """
    N, _, _, C = shape
    OH, OW = places(shape, size, stride, dilation)
    columns = columns.reshape(N, OH, OW, *size, C)
    X = array_module(columns).zeros(shape, columns.dtype)
    for kh, kw, seen in positions(size, stride, dilation, OH, OW):
        X[seen] += columns[:, :, :, kh, kw]  # (7)
    return X


def same(n: int, e: int, s: int) -> tuple[int, int]:
    """The zeros (before, after) n pixels for padding "same", for a window that spreads over e of them, in steps of s.

    There shall be a window for every s pixels, a last one for the rest included, and the last one must still fit:

        windows = ceil(n / s)                                                       (8)
        zeros = max((windows - 1) s + e - n, 0)                                     (9)

    Half of them go before; of an odd number, the larger half goes after, as in Keras.
    """
    windows = math.ceil(n / s)  # (8)
    zeros = max((windows - 1) * s + e - n, 0)  # (9)
    return zeros // 2, zeros - zeros // 2


def places(shape, size, stride, dilation):
    """(OH, OW): how many windows fit below and beside each other.

    A window of k pixels spreads over e = (k - 1) d + 1; of n pixels, the padding included, the first begins a window,
    and after it every s-th, as long as it fits:

        places = floor((n - e) / s) + 1                                             (10)
    """
    return tuple((n - (k - 1) * d - 1) // s + 1 for n, k, s, d in zip(shape[1:3], size, stride, dilation))  # (10)


def positions(size, stride, dilation, OH, OW):
    """For every position (kh, kw) in a window: the index of what all windows see there, of shape (N, OH, OW, C)."""
    (KH, KW), (sh, sw), (dh, dw) = size, stride, dilation
    for kh in range(KH):
        for kw in range(KW):
            rows = slice(kh * dh, kh * dh + (OH - 1) * sh + 1, sh)
            columns = slice(kw * dw, kw * dw + (OW - 1) * sw + 1, sw)
            yield kh, kw, (slice(None), rows, columns)
