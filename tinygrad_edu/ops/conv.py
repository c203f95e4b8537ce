"""Convolution by one matrix product over im2col's rows: the fast form.

What the operation is, how it is differentiated, and plain code for it stand in `textbook/convolution.py`; `im2col.py`
and `windows.py` prepare the windows. Below `conv2d` are the products for some of the images, a few at a time.
"""

from __future__ import annotations

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops import conv_depthwise, conv_small
from tinygrad_edu.ops.im2col import col2im, columns_of
from tinygrad_edu.ops.shape import concatenate, split
from tinygrad_edu.ops.support import Operand
from tinygrad_edu.ops.windows import Padding, Pair, Windows, check_images, check_kernel, find_windows
from tinygrad_edu.runtime.parallel import in_parts, smallest_part
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
    """Y = X * K + b: at every place of the image, multiply the window by the kernel, and add up.

    Shapes: X (N, H, W, C), K (KH, KW, C, O), b (O,), Y (N, OH, OW, O). With stride (sh, sw), dilation (dh, dw) and the
    padding already around X:

    Y[n,oh,ow,o]  =  sum over kh,kw,c of  X[n, oh*sh + kh*dh, ow*sw + kw*dw, c] K[kh,kw,c,o]  +  b[o].

    (Mathematicians call this a cross-correlation; their convolution mirrors K. Nothing is lost: K is learnt.)

    Derived and written plainly in `textbook/convolution.py`, whose names (P = im2col(X)) are used here. What is
    different:

    - P, which is KH*KW times as large as X, is made for a few images at a time, so that it is still in the processor's
      cache when the product reads it, and made again in the backward rather than kept;
    - for stride 1, dL/dX is a convolution of G with the turned kernel instead of col2im, see `input_gradient`;
    - for maps so small that P is mostly padding, there is a way without P, see `conv_small`; for kernels that see one
      channel each (groups = C) `conv_depthwise`;
    - the images of a batch are shared out to threads, see `runtime/parallel.py`.

    Parameters
    ----------
    x : Tensor (N, H, W, C)
    kernel : Tensor (KH, KW, C/groups, O)
    bias : Tensor (O,), optional
    stride : int or (int, int)
        Rows and columns that the kernel moves from one place to the next.
    padding : "same", "valid", int or ((top, bottom), (left, right))
        Zeros around the image. "valid": none. "same", as Keras defines it: so many that OH = ceil(H / stride);
        of an odd number, the larger half comes after (below, right).
    dilation : int or (int, int)
        Rows and columns from one pixel that the kernel sees to the next; it spreads over (KH-1)*dh + 1 rows.
    groups : int
        Group j reads the channels from j*C/groups on and writes the outputs from j*O/groups on. With groups = C every
        channel has kernels of its own: a depthwise convolution, which has a way of its own, `conv_depthwise`.

    Raises
    ------
    ValueError
        Axes, channels, groups or bias that do not fit, a stride or dilation below 1, a kernel larger than the padded
        image.
    TypeError
        Not floating point (scale the pixels first), or tensors that differ in dtype or device.
    """
    inputs = check_images("conv2d", x, kernel) if bias is None else check_images("conv2d", x, kernel, bias)
    x, kernel, bias = inputs[0], inputs[1], inputs[2] if len(inputs) == 3 else None
    check_kernel(x, kernel, bias, groups)
    if 1 < groups < x.shape[3]:
        biases = [None] * groups if bias is None else split(bias, groups)
        parts = zip(split(x, groups, axis=3), split(kernel, groups, axis=3), biases)
        return concatenate([conv2d(*part, stride, padding, dilation) for part in parts], axis=3)
    KH, KW, _, O = kernel.shape
    windows = find_windows("conv2d", x.shape, (KH, KW), stride, padding, dilation)
    X, K, b = x.data, kernel.data, None if bias is None else bias.data
    xp, N, smallest = array_module(X), len(X), smallest_part(windows.numbers * O)
    Y = xp.empty((N, *windows.out, O), X.dtype)

    def forward_part(start, stop):
        correlate(X[start:stop], K, windows, Y[start:stop], b)

    def backward(G):
        dX = xp.empty(X.shape, X.dtype) if x.requires_grad else None

        def backward_part(start, stop):
            g = G[start:stop]
            if dX is not None:
                input_gradient(g, K, windows, dX[start:stop])
            dK = kernel_gradient(g, X[start:stop], K, windows) if kernel.requires_grad else None
            db = bias_gradient(g) if bias is not None and bias.requires_grad else None
            return dK, db

        results = zip(*in_parts(backward_part, N, smallest, like=X))  # of all parts, first dL/dK, then dL/db
        dK, db = (None if parts[0] is None else sum(parts[1:], parts[0]) for parts in results)
        return (dX, dK) if bias is None else (dX, dK, db)

    in_parts(forward_part, N, smallest, like=X)
    return record(Y, inputs, backward)


# --- the matrix products, for some of the images, a few at a time ---


def correlate(X: Array, K: Array, windows: Windows, Y: Array, b: Array | None = None) -> None:
    """Fill Y (n, OH, OW, O) with P K + b."""
    if K.shape[2] < X.shape[3]:
        conv_depthwise.correlate(X, K, windows, Y, b)
        return
    if conv_small.is_faster(windows, X):
        conv_small.correlate(X, K, windows, Y, b)
        return
    xp, O = array_module(X), K.shape[3]
    K = K.reshape(-1, O)  # (KH*KW*C, O)
    for chunk in windows.chunks(X):
        xp.matmul(columns_of(X[chunk], windows), K, out=Y[chunk].reshape(-1, O))
        if b is not None:
            Y[chunk] += b


def kernel_gradient(G: Array, X: Array, K: Array, windows: Windows) -> Array:
    """dL/dK = P^T G: the sum, over chunks of images, of (their rows of P)^T (their rows of G)."""
    if K.shape[2] < X.shape[3]:
        return conv_depthwise.kernel_gradient(G, X, windows)
    if conv_small.is_faster(windows, X):
        return conv_small.kernel_gradient(G, X, windows)
    O = G.shape[3]
    products = (columns_of(X[c], windows).T @ G[c].reshape(-1, O) for c in windows.chunks(X))
    dK = next(products)
    for product in products:
        dK += product
    return dK.reshape(K.shape)


def bias_gradient(G: Array) -> Array:
    """dL/db = the sum of G over all places, as (1 .. 1) G: BLAS adds columns three to seven times as fast as `sum`."""
    rows = G.reshape(-1, G.shape[3])
    return array_module(G).ones(len(rows), G.dtype) @ rows


def input_gradient(G: Array, K: Array, windows: Windows, dX: Array) -> None:
    """Fill dX with dL/dX = col2im(G K^T); for stride 1, with the same by a convolution of G, which is faster.

    A window at place oh sees X[h] at its position kh where oh + kh*dh = h + top, so

        dL/dX[h,w,c]  =  sum over kh,kw,o of  G[h + top - kh*dh, w + left - kw*dw, o] K[kh,kw,c,o].

    With kh counted from the other end, kh = KH-1 - a, and the kernel's spread EH = (KH-1)*dh + 1, this is
    G[h + a*dh - (EH-1 - top), ...]: a convolution of G, padded by EH-1 - top at its top (EH-1 - bottom below), with K
    turned by 180 degrees and its channels exchanged, of the same dilation.
    """
    if K.shape[2] < dX.shape[3]:
        conv_depthwise.input_gradient(G, K, windows, dX)
        return
    size, (EH, EW), ((top, bottom), (left, right)) = windows.size, windows.extent, windows.padding
    padding = ((EH - 1 - top, EH - 1 - bottom), (EW - 1 - left, EW - 1 - right))
    if windows.stride == (1, 1) and min(map(min, padding)) >= 0:
        turned = K[::-1, ::-1].swapaxes(2, 3)  # (KH, KW, O, C)
        correlate(G, turned, find_windows("conv2d", G.shape, size, 1, padding, windows.dilation), dX)
        return
    O = K.shape[3]
    transposed = K.reshape(-1, O).T
    for chunk in windows.chunks(G):
        dP = G[chunk].reshape(-1, O) @ transposed
        dX[chunk] = col2im(dP, dX[chunk].shape, size, windows.stride, windows.padding, windows.dilation)
