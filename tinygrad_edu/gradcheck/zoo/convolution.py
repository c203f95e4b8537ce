"""Wrong backwards of convolution and pooling: windows overlap, have steps and gaps, and end at an edge.

In one dimension, y[t] = sum_k x[s t + d k] K[k] with stride s and dilation d: `conv1d` below is the right one.
"""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.zoo.mistake import mistake
from tinygrad_edu.tensor import record
from tinygrad_edu.textbook.convolution import col2im, im2col, positions


def conv1d(x, kernel, padding="valid", **options):
    """The right one: an image of height 1."""
    image, K = ops.reshape(x, 1, 1, -1, 1), ops.reshape(kernel, 1, -1, 1, 1)
    return ops.conv2d(image, K, padding=padding, **options).reshape(-1)


def conv2d(x, kernel):
    return ops.conv2d(x, kernel, padding="valid")


@mistake(
    "conv2d: = for += in col2im",
    "A pixel is seen from several places of the kernel, and gets the gradient of the last of them alone. It is right "
    "where windows do not overlap.",
    (1, 4, 4, 1),
    (3, 3, 1, 2),
    right=conv2d,
)
def conv2d_assigns(x, kernel):
    X, K = x.data, kernel.data
    (N, H, W, C), (KH, KW, _, O) = X.shape, K.shape
    OH, OW = H - KH + 1, W - KW + 1
    P = im2col(X, (KH, KW), (1, 1), (1, 1))

    def backward(G):
        G = G.reshape(-1, O)
        dP = (G @ K.reshape(-1, O).T).reshape(N, OH, OW, KH, KW, C)
        dX = np.zeros_like(X)
        for kh, kw, seen in positions((KH, KW), (1, 1), (1, 1), OH, OW):
            dX[seen] = dP[:, :, :, kh, kw]
        return dX, (P.T @ G).reshape(K.shape)

    return record((P @ K.reshape(-1, O)).reshape(N, OH, OW, O), (x, kernel), backward)


@mistake(
    "conv2d: the rows of G in another order than im2col's",
    "im2col has a row for each image, line and place, in this order; G is laid out with the images last. For one "
    "image there is no difference: right for batch 1 alone.",
    (2, 3, 3, 1),
    (2, 2, 1, 2),
    right=conv2d,
)
def conv2d_batch(x, kernel):
    X, K = x.data, kernel.data
    (N, H, W, _), (KH, KW, _, O) = X.shape, K.shape
    OH, OW = H - KH + 1, W - KW + 1
    P = im2col(X, (KH, KW), (1, 1), (1, 1))

    def backward(G):
        G = G.transpose(1, 2, 0, 3).reshape(-1, O)
        dX = col2im(G @ K.reshape(-1, O).T, X.shape, (KH, KW), (1, 1), (1, 1))
        return dX, (P.T @ G).reshape(K.shape)

    return record((P @ K.reshape(-1, O)).reshape(N, OH, OW, O), (x, kernel), backward)


@mistake(
    "conv1d: the kernel is not mirrored on the way back",
    "dx[i] = sum_k G[i - k] K[k]: the kernel runs the other way. Sliding it over G as it was slid over x is right for "
    "symmetric kernels, such as a blur.",
    (6,),
    (3,),
    right=conv1d,
)
def conv1d_mirror(x, kernel):
    X, K = x.data, kernel.data

    def backward(G):
        return np.correlate(G, K, "full"), np.correlate(X, G, "valid")

    return record(np.correlate(X, K, "valid"), (x, kernel), backward)


@mistake(
    "conv1d: the kernel's gradient comes out mirrored",
    "dK[k] = sum_t G[t] x[t + k]. np.convolve turns one of its arguments round, and is taken for np.correlate.",
    (6,),
    (3,),
    right=conv1d,
)
def conv1d_kernel_mirrored(x, kernel):
    X, K = x.data, kernel.data

    def backward(G):
        return np.convolve(G, K, "full"), np.correlate(X, G, "valid")[::-1]

    return record(np.correlate(X, K, "valid"), (x, kernel), backward)


@mistake(
    "conv1d: the stride is forgotten on the way back",
    "With stride 2, G[t] belongs to x[2 t + k]; the backward adds it to x[t + k]. The shapes fit, since the array is "
    "made with the shape of x.",
    (7,),
    (3,),
    right=lambda x, kernel: conv1d(x, kernel, stride=2),
)
def conv1d_stride(x, kernel):
    X, K = x.data, kernel.data
    n = (len(X) - len(K)) // 2 + 1
    P = np.stack([X[2 * t : 2 * t + len(K)] for t in range(n)])

    def backward(G):
        dX = np.zeros_like(X)
        for t in range(n):
            dX[t : t + len(K)] += G[t] * K
        return dX, P.T @ G

    return record(P @ K, (x, kernel), backward)


@mistake(
    "conv1d: the kernel's gradient without the gaps",
    "With dilation 2 the kernel sees every second number. Its gradient is computed from neighbours.",
    (7,),
    (3,),
    right=lambda x, kernel: conv1d(x, kernel, dilation=2),
)
def conv1d_dilation(x, kernel):
    X, K = x.data, kernel.data
    n = len(X) - 2 * (len(K) - 1)

    def backward(G):
        dX, dK = np.zeros_like(X), np.zeros_like(K)
        for k in range(len(K)):
            dX[2 * k : 2 * k + n] += G * K[k]
            dK[k] = G @ X[k : k + n]
        return dX, dK

    return record(sum(X[2 * k : 2 * k + n] * K[k] for k in range(len(K))), (x, kernel), backward)


@mistake(
    "conv1d: the padding is cut off at the wrong end",
    "An even kernel needs one zero more after than before (0 and 1 here); the backward cuts one off in front. With "
    "odd kernels, both ends are the same.",
    (5,),
    (2,),
    right=lambda x, kernel: conv1d(x, kernel, padding="same"),
)
def conv1d_cut(x, kernel):
    X, K = np.append(x.data, 0.0), kernel.data

    def backward(G):
        return np.convolve(G, K, "full")[1:], np.correlate(X, G, "valid")

    return record(np.correlate(X, K, "valid"), (x, kernel), backward)


@mistake(
    "depthwise_conv1d: all channels get the sum of the channels",
    "Every channel has a kernel of its own. The backward was taken from the ordinary convolution, which sums over the "
    "input's channels.",
    (5, 2),
    (3, 2),
    right=lambda x, kernel: x[0:3] * kernel[0] + x[1:4] * kernel[1] + x[2:5] * kernel[2],
)
def depthwise_conv1d_sum(x, kernel):
    X, K = x.data, kernel.data

    def backward(G):
        dX, dK = np.zeros_like(X), np.zeros_like(K)
        for k in range(3):
            dX[k : k + 3] += G * K[k]
            dK[k] = (G * X[k : k + 3]).sum()
        return dX, dK

    return record(sum(X[k : k + 3] * K[k] for k in range(3)), (x, kernel), backward)


@mistake(
    "conv_transpose1d: convolves where it must correlate",
    "The transposed convolution spreads x over y, y[t + k] += x[t] K[k]. Its way back gathers, dx[t] = sum_k G[t + k] "
    "K[k], without turning the kernel round.",
    (4,),
    (3,),
    right=lambda x, kernel: sum(ops.pad(x, ((k, 2 - k),)) * kernel[k] for k in range(3)),
)
def conv_transpose1d_convolves(x, kernel):
    X, K = x.data, kernel.data

    def backward(G):
        return np.convolve(G, K, "valid"), np.correlate(G, X, "valid")

    return record(np.convolve(X, K, "full"), (x, kernel), backward)


@mistake(
    "image_bias: the mean over the pixels for their sum",
    "A channel's bias is added at every pixel of every image. The sum over the images is right, and then the pixels "
    "are averaged.",
    (2, 2, 3, 2),
    (2,),
    right=ops.add,
)
def image_bias_mean(x, b):
    def backward(G):
        return G, G.sum(axis=0).mean(axis=(0, 1))

    return record(x.data + b.data, (x, b), backward)
