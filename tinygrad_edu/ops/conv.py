"""Convolution, as the practicals use the word: slide a small kernel over an image, multiply and add at every place.

The way to do it fast is to do it by one matrix product. `im2col` copies, for every place of the kernel, the window of
the image that it sees there into one row of a matrix; every row times the kernel is then one output pixel:

    image (N, H, W, C)  --im2col-->  columns (N*OH*OW, KH*KW*C)  @  kernel (KH*KW*C, O)  =  output (N*OH*OW, O)

The matrix holds every pixel up to KH*KW times. That is the price; a matrix product at full speed is what it buys.

Read `im2col` and `col2im` first, then `conv2d`. The rest says how large the padding is, and keeps the matrix small.
The name is older than this layout: where channels come before rows and columns, windows become columns.
"""

from __future__ import annotations

from collections.abc import Iterator

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops import conv_small
from tinygrad_edu.ops.support import check_same_kind
from tinygrad_edu.ops.windows import Padding, Pair, Windows, check_images, find_windows
from tinygrad_edu.parallel import in_parts, smallest_part
from tinygrad_edu.tensor import Tensor, record

CHUNK = 2**19  # numbers in the rows of P that are made at a time: 2 MB in float32


def im2col(X: Array, size: Pair, stride: Pair = 1, padding: Padding = "valid") -> Array:
    """Copy every window of the images into a row: (N, H, W, C) -> (N*OH*OW, KH*KW*C).

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

    Pixel 5 stands in four rows: the kernel sees it from four places. In general, with stride (sh, sw):

        columns[(n*OH + oh)*OW + ow,  (kh*KW + kw)*C + c]  =  X[n, oh*sh + kh, ow*sw + kw, c]

    No loop is needed to collect the windows. The pixel at (h, w) lies h*(bytes per row) + w*(bytes per pixel) behind
    the first one, so going to the next window is a step in memory, and going to the next pixel within a window is
    another. `as_strided` describes all windows by these steps, without copying; `reshape` then copies.

    Parameters
    ----------
    X : array (N, H, W, C)
    size, stride, padding
        As in `conv2d`; `size` is (KH, KW). Padding adds zeros around the image first.

    Returns
    -------
    array (N*OH*OW, KH*KW*C)
        A new array, of X's dtype.
    """
    # The copy is for windows of a single pixel, where there is nothing to collect and the reshape copies nothing.
    return _columns(X, find_windows("im2col", X.shape, size, stride, padding)).copy()


def col2im(columns: Array, shape: tuple[int, ...], size: Pair, stride: Pair = 1, padding: Padding = "valid") -> Array:
    """The reverse way, adding up: (N*OH*OW, KH*KW*C) -> images of `shape` (N, H, W, C).

    im2col copies each pixel to several places. If L depends on the copies, the chain rule adds up what comes back from
    them: dL/dX[h,w] = the sum of dL/dcolumns over all places where X[h,w] went. That is what col2im computes. So it is
    im2col's transpose, *not* its inverse: col2im(im2col(X)) counts how often every pixel was used. For the 4 x 4 image
    and the 3 x 3 window of `im2col`, with columns of ones:

        col2im(ones) =   1  2  2  1       the corner is seen from one place,
                         2  4  4  2       pixel 5, at (1, 1), from four
                         2  4  4  2
                         1  2  2  1

    The loop goes over the KH*KW positions within a window. For one position, the windows' pixels are all different,
    so a whole slice can be added at once; between positions they overlap, which is why it is `+=`.

    Parameters
    ----------
    columns : array (N*OH*OW, KH*KW*C)
    shape : tuple
        (N, H, W, C) of the images.
    size, stride, padding
        As given to `im2col`. What falls on the padding is dropped.
    """
    windows = find_windows("col2im", shape, size, stride, padding)
    (N, _, _, C), (KH, KW), (OH, OW) = windows.shape, windows.size, windows.out
    if columns.shape != (N * OH * OW, KH * KW * C):
        expected = f"{(N * OH * OW, KH * KW * C)} for images {shape} and windows {(KH, KW)}"
        raise ValueError(f"col2im: expected columns of shape {expected}, got {columns.shape}")
    columns = columns.reshape(N, OH, OW, KH * KW, C)
    padded = array_module(columns).zeros(windows.padded_shape, columns.dtype)
    for k, pixels in enumerate(windows.pixels(padded)):  # what all windows see at their position k = kh*KW + kw
        pixels += columns[:, :, :, k]
    return windows.crop(padded)


def conv2d(
    x: Tensor, kernel: Tensor, bias: Tensor | None = None, stride: Pair = 1, padding: Padding = "same"
) -> Tensor:
    """Y = X * K + b: at every place of the image, multiply the window by the kernel, and add up.

    Shapes: X (N, H, W, C), K (KH, KW, C, O), b (O,), Y (N, OH, OW, O); G = dL/dY. With stride (sh, sw), padding
    already around X:

    Y[n,oh,ow,o]  =  sum over kh,kw,c of  X[n, oh*sh + kh, ow*sw + kw, c] K[kh,kw,c,o]  +  b[o].

    (Mathematicians call this a cross-correlation; their convolution mirrors K. Nothing is lost: K is learnt.)

    As a matrix product, with P = im2col(X) of shape (N*OH*OW, KH*KW*C) and K, G reshaped to (KH*KW*C, O) and
    (N*OH*OW, O):

    Y = P K + b   so, as in `linear`,   dL/dK = P^T G,   dL/db[o] = sum over n,oh,ow of G[n,oh,ow,o],
                                        dL/dP = G K^T   and   dL/dX = col2im(dL/dP).

    P is KH*KW times as large as X. It is made for a few images at a time, so that it is still in the processor's
    cache when the product reads it, and made again in the backward rather than kept. For stride 1 there is a faster way
    to dL/dX, see `_input_gradient`; for maps so small that P is mostly padding a way without P, see `conv_small`.

    Parameters
    ----------
    x : Tensor (N, H, W, C)
    kernel : Tensor (KH, KW, C, O)
    bias : Tensor (O,), optional
    stride : int or (int, int)
        Rows and columns that the kernel moves from one place to the next.
    padding : "same", "valid", int or ((top, bottom), (left, right))
        Zeros around the image. "valid": none. "same", as Keras defines it: so many that OH = ceil(H / stride);
        of an odd number, the larger half comes after (below, right).

    Raises
    ------
    ValueError
        Axes, channels or bias that do not fit, a stride below 1, a kernel larger than the padded image.
    TypeError
        Not floating point (scale the pixels first), or tensors that differ in dtype or device.
    """
    check_images("conv2d", x)
    if kernel.data.ndim != 4:
        raise ValueError(f"conv2d: expected a kernel of shape (KH, KW, C, O), got {kernel.shape}")
    KH, KW, C, O = kernel.shape
    if x.shape[3] != C:
        raise ValueError(
            f"conv2d: input has {x.shape[3]} channels but the kernel expects {C} (input {x.shape}, "
            f"kernel {kernel.shape}); images are (N, H, W, C), kernels (KH, KW, C, O)"
        )
    if bias is not None and bias.shape != (O,):
        raise ValueError(f"conv2d: expected a bias of shape ({O},) for the kernel {kernel.shape}, got {bias.shape}")
    inputs = (x, kernel) if bias is None else (x, kernel, bias)
    check_same_kind("conv2d", *inputs)
    windows = find_windows("conv2d", x.shape, (KH, KW), stride, padding)
    X, K, b = x.data, kernel.data, None if bias is None else bias.data
    xp, N, smallest = array_module(X), len(X), smallest_part(windows.numbers * O)
    Y = xp.empty((N, *windows.out, O), X.dtype)

    def forward_part(start, stop):
        _correlate(X[start:stop], K, windows, Y[start:stop], b)

    def backward(G):
        dX = xp.empty(X.shape, X.dtype) if x.requires_grad else None

        def backward_part(start, stop):
            g = G[start:stop]
            if dX is not None:
                _input_gradient(g, K, windows, dX[start:stop])
            dK = _kernel_gradient(g, X[start:stop], windows) if kernel.requires_grad else None
            db = _bias_gradient(g) if bias is not None and bias.requires_grad else None
            return dK, db

        results = zip(*in_parts(backward_part, N, smallest, like=X))  # of all parts, first dL/dK, then dL/db
        dK, db = (None if parts[0] is None else sum(parts) for parts in results)
        return (dX, dK) if bias is None else (dX, dK, db)

    in_parts(forward_part, N, smallest, like=X)
    return record(Y, inputs, backward)


# --- the matrix products, for some of the images, a few at a time ---


def _correlate(X: Array, K: Array, windows: Windows, Y: Array, b: Array | None = None) -> None:
    """Fill Y (n, OH, OW, O) with P K + b."""
    if conv_small.is_faster(windows):
        conv_small.correlate(X, K, windows, Y, b)
        return
    xp, O = array_module(X), K.shape[3]
    K = K.reshape(-1, O)  # (KH*KW*C, O)
    for chunk in _chunks(len(X), windows):
        xp.matmul(_columns(X[chunk], windows), K, out=Y[chunk].reshape(-1, O))
        if b is not None:
            Y[chunk] += b


def _kernel_gradient(G: Array, X: Array, windows: Windows) -> Array:
    """dL/dK = P^T G: the sum, over chunks of images, of (their rows of P)^T (their rows of G)."""
    if conv_small.is_faster(windows):
        return conv_small.kernel_gradient(G, X, windows)
    O = G.shape[3]
    products = (_columns(X[c], windows).T @ G[c].reshape(-1, O) for c in _chunks(len(X), windows))
    dK = next(products)
    for product in products:
        dK += product
    return dK.reshape(*windows.size, X.shape[3], O)


def _bias_gradient(G: Array) -> Array:
    """dL/db = the sum of G over all places, as (1 .. 1) G: BLAS adds columns three to seven times as fast as `sum`."""
    rows = G.reshape(-1, G.shape[3])
    return array_module(G).ones(len(rows), G.dtype) @ rows


def _input_gradient(G: Array, K: Array, windows: Windows, dX: Array) -> None:
    """Fill dX with dL/dX = col2im(G K^T); for stride 1, with the same by a convolution of G, which is faster.

    A window at place oh sees X[h] at its position kh where oh + kh = h + top, so

        dL/dX[h,w,c]  =  sum over kh,kw,o of  G[h + top - kh, w + left - kw, o] K[kh,kw,c,o].

    With kh counted from the other end, kh = KH-1 - a, this is G[h + a - (KH-1 - top), ...]: a convolution of G, padded
    by KH-1 - top at its top (KH-1 - bottom below), with K turned by 180 degrees and its channels exchanged.
    """
    (KH, KW), ((top, bottom), (left, right)) = windows.size, windows.padding
    padding = ((KH - 1 - top, KH - 1 - bottom), (KW - 1 - left, KW - 1 - right))
    if windows.stride == (1, 1) and min(map(min, padding)) >= 0:
        turned = K[::-1, ::-1].swapaxes(2, 3)  # (KH, KW, O, C)
        _correlate(G, turned, find_windows("conv2d", G.shape, (KH, KW), 1, padding), dX)
        return
    O = K.shape[3]
    transposed = K.reshape(-1, O).T
    for chunk in _chunks(len(G), windows):
        dP = G[chunk].reshape(-1, O) @ transposed
        dX[chunk] = col2im(dP, dX[chunk].shape, (KH, KW), windows.stride, windows.padding)


def _columns(X: Array, windows: Windows) -> Array:
    """im2col for any number of images of the size that `windows` were made for."""
    X = windows.pad(X)
    (N, _, _, C), (KH, KW), (sh, sw), (OH, OW) = X.shape, windows.size, windows.stride, windows.out
    n, h, w, c = X.strides  # bytes to the next image, row, pixel, channel
    view = array_module(X).lib.stride_tricks.as_strided(X, (N, OH, OW, KH, KW, C), (n, h * sh, w * sw, h, w, c))
    return view.reshape(N * OH * OW, KH * KW * C)


def _chunks(n: int, windows: Windows) -> Iterator[slice]:
    """n images a few at a time: so many that their rows of P take about two megabytes."""
    step = max(1, CHUNK // windows.numbers)
    for i in range(0, n, step):
        yield slice(i, min(i + step, n))
