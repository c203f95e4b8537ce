"""The transposed convolution: from small maps to large ones, by the way that `conv2d`'s gradient takes."""

from __future__ import annotations

from tinygrad_edu import checks
from tinygrad_edu.backend import array_module
from tinygrad_edu.ops.conv import bias_gradient, input_gradient
from tinygrad_edu.ops.im2col import columns_of
from tinygrad_edu.ops.support import Operand
from tinygrad_edu.ops.windows import Padding, Pair, Windows, check_images, check_padding, find_windows, spread
from tinygrad_edu.runtime.parallel import in_parts, smallest_part
from tinygrad_edu.tensor import Tensor, record


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

    Shapes: X (N, H, W, C), K (KH, KW, O, C), b (O,), Y (N, OH, OW, O); G = dL/dY. K is the kernel, in the very layout,
    with which `conv2d` leads the other way, from Y's O channels to X's C. (Keras lays it out so, too.)

    Pixel by pixel, every number X[n,h,w,c] puts its multiple of K[:,:,:,c] onto Y, in steps of the stride (sh, sw).
    Where these overlap they add up; what falls on the padding around Y is cut off:

    Y[n, h*sh + kh*dh - top, w*sw + kw*dw - left, o]  +=  X[n,h,w,c] K[kh,kw,o,c].

    `conv2d` without its bias is linear in its image, z = A y for images as long vectors; this is y = A^T x + b. Derived
    and written plainly in `textbook/convolution.py`. What is different here: the forward is `conv2d`'s dL/dX, with its
    ways around col2im; and Q = im2col(G) is made for a few images at a time, for both products.

    (Dumoulin and Visin 2016. It is also called a deconvolution, but it is no inverse: only the shapes come back.)

    Parameters
    ----------
    x : Tensor (N, H, W, C)
    kernel : Tensor (KH, KW, O, C)
    bias : Tensor (O,), optional
    stride, padding, dilation
        Those of the `conv2d` that leads from Y to X.
    output_size : int or (int, int), optional
        (OH, OW). With a stride above 1, `conv2d` takes images of several sizes to the size of X, so there is a choice.
        By default "same" gives OH = H*sh, the largest of them, and all other padding the smallest: OH = (H-1)*sh +
        (KH-1)*dh + 1 - top - bottom; without padding and dilation (H-1)*sh + KH. (PyTorch's output_padding is what OH
        has more.)

    Raises
    ------
    ValueError
        Axes, channels or bias that do not fit, padding that leaves nothing, an output size from which no such
        convolution leads to X's.
    TypeError
        As `conv2d`.
    """
    inputs = check_images("conv_transpose2d", x, kernel, *(() if bias is None else (bias,)))
    x, kernel, bias = inputs[0], inputs[1], inputs[2] if len(inputs) == 3 else None
    windows = windows_back(x, kernel, bias, stride, padding, dilation, output_size)
    X, K, b = x.data, kernel.data, None if bias is None else bias.data
    xp, N, C, smallest = array_module(X), len(X), X.shape[3], smallest_part(windows.numbers * X.shape[3])
    Y = xp.empty(windows.shape, X.dtype)

    def forward_part(start, stop):
        input_gradient(X[start:stop], K, windows, Y[start:stop])
        if b is not None:
            Y[start:stop] += b

    def backward(G):
        dX = xp.empty(X.shape, X.dtype) if x.requires_grad else None

        def backward_part(start, stop):
            g, rows = G[start:stop], X[start:stop]
            dK = xp.zeros((K.size // C, C), X.dtype) if kernel.requires_grad else None
            for chunk in windows.chunks(g):
                Q = columns_of(g[chunk], windows)
                if dX is not None:
                    xp.matmul(Q, K.reshape(-1, C), out=dX[start:stop][chunk].reshape(-1, C))
                if dK is not None:
                    dK += Q.T @ rows[chunk].reshape(-1, C)
            db = bias_gradient(g) if bias is not None and bias.requires_grad else None
            return None if dK is None else dK.reshape(K.shape), db

        results = zip(*in_parts(backward_part, N, smallest, like=X))  # of all parts, first dL/dK, then dL/db
        dK, db = (None if parts[0] is None else sum(parts[1:], parts[0]) for parts in results)
        return (dX, dK) if bias is None else (dX, dK, db)

    in_parts(forward_part, N, smallest, like=X)
    return record(Y, inputs, backward)


def windows_back(
    x: Tensor,
    kernel: Tensor,
    bias: Tensor | None,
    stride: Pair,
    padding: Padding,
    dilation: Pair,
    output_size: Pair | None,
) -> Windows:
    """The windows of the `conv2d` that leads from Y back to X; ValueError where there is no such Y."""
    op = "conv_transpose2d"
    if kernel.data.ndim != 4:
        raise ValueError(f"{op}: expected a kernel of shape (KH, KW, O, C), got {kernel.shape}")
    (N, H, W, C), (KH, KW, O, inputs) = x.shape, kernel.shape
    if inputs != C or 0 in x.shape:
        raise ValueError(
            f"{op}: input has {C} channels but the kernel expects {inputs} (input {x.shape}, kernel {kernel.shape}); "
            "images are (N, H, W, C), none of them 0, kernels (KH, KW, O, C), with the channels of the result first"
        )
    if bias is not None and bias.shape != (O,):
        raise ValueError(f"{op}: expected a bias of shape ({O},) for the kernel {kernel.shape}, got {bias.shape}")
    (sh, sw), (dh, dw) = checks.pair(op, "stride", stride), checks.pair(op, "dilation", dilation)
    sides = check_padding(op, padding)
    if sides == "same":
        least = (H - 1) * sh + 1, (W - 1) * sw + 1
    else:
        rows, columns = ((0, 0), (0, 0)) if sides == "valid" else sides
        least = (H - 1) * sh + spread(KH, dh) - sum(rows), (W - 1) * sw + spread(KW, dw) - sum(columns)
    most = least[0] + sh - 1, least[1] + sw - 1
    if output_size is None:
        OH, OW = most if sides == "same" else least
    else:
        OH, OW = checks.pair(op, "output_size", output_size)
    if OH * OW > checks.MOST_NUMBERS:
        raise ValueError(
            f"{op}: an output of {(OH, OW)} pixels fits into no computer; take a smaller stride or dilation"
        )
    if min(OH, OW) < 1 or not (least[0] <= OH <= most[0] and least[1] <= OW <= most[1]):
        raise ValueError(
            f"{op}: there is no output of {(OH, OW)} pixels: with a window {(KH, KW)}, stride {(sh, sw)}, dilation "
            f"{(dh, dw)} and padding {padding!r}, conv2d leads to {(H, W)} from {least} to {most} pixels only; take "
            "another output_size or less padding"
        )
    return find_windows(op, (N, OH, OW, O), (KH, KW), stride, padding, dilation)
