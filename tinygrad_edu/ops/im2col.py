"""Windows of images as rows of a matrix, and back: what turns a convolution into one matrix product.

The name is older than this layout: where channels come before rows and columns, windows become columns.
"""

from __future__ import annotations

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.windows import Padding, Pair, Windows, find_windows


def im2col(X: Array, size: Pair, stride: Pair = 1, padding: Padding = "valid", dilation: Pair = 1) -> Array:
    """Copy every window of the images into a row: (N, H, W, C) -> (N*OH*OW, KH*KW*C).

    Drawn index by index in `textbook/convolution.py`:

        columns[(n*OH + oh)*OW + ow,  (kh*KW + kw)*C + c]  =  X[n, oh*sh + kh*dh, ow*sw + kw*dw, c]

    What is different here: no loop collects the windows. The pixel at (h, w) lies h*(bytes per row) + w*(bytes per
    pixel) behind the first one, so going to the next window is a step in memory, and going to the next pixel within a
    window is another. `as_strided` describes all windows by these steps, without copying; `reshape` then copies.
    (Measured on the second layer of mini-AlexNet: 1.1 ms by one copy of such a view, 2.65 ms by nine copies of slices.)

    Parameters
    ----------
    X : array (N, H, W, C)
    size, stride, padding, dilation
        As in `conv2d`; `size` is (KH, KW). Padding adds zeros around the image first.

    Returns
    -------
    array (N*OH*OW, KH*KW*C)
        A new array, of X's dtype.
    """
    # The copy is for windows of a single pixel, where there is nothing to collect and the reshape copies nothing.
    return columns_of(X, find_windows("im2col", X.shape, size, stride, padding, dilation)).copy()


def col2im(
    columns: Array,
    shape: tuple[int, ...],
    size: Pair,
    stride: Pair = 1,
    padding: Padding = "valid",
    dilation: Pair = 1,
) -> Array:
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
    size, stride, padding, dilation
        As given to `im2col`. What falls on the padding is dropped.
    """
    windows = find_windows("col2im", shape, size, stride, padding, dilation)
    (N, _, _, C), (KH, KW), (OH, OW) = windows.shape, windows.size, windows.out
    if columns.shape != (N * OH * OW, KH * KW * C):
        expected = f"{(N * OH * OW, KH * KW * C)} for images {shape} and windows {(KH, KW)}"
        raise ValueError(f"col2im: expected columns of shape {expected}, got {columns.shape}")
    columns = columns.reshape(N, OH, OW, KH * KW, C)
    padded = array_module(columns).zeros(windows.padded_shape, columns.dtype)
    for k, pixels in enumerate(windows.pixels(padded)):  # what all windows see at their position k = kh*KW + kw
        pixels += columns[:, :, :, k]
    return windows.crop(padded)


def columns_of(X: Array, windows: Windows) -> Array:
    """im2col for any number of images of the size that `windows` were made for."""
    X = windows.pad(X)
    (N, _, _, C), (KH, KW), (sh, sw), (dh, dw) = X.shape, windows.size, windows.stride, windows.dilation
    OH, OW = windows.out
    n, h, w, c = X.strides  # bytes to the next image, row, pixel, channel
    steps = (n, h * sh, w * sw, h * dh, w * dw, c)
    view = array_module(X).lib.stride_tricks.as_strided(X, (N, OH, OW, KH, KW, C), steps)
    return view.reshape(N * OH * OW, KH * KW * C)
