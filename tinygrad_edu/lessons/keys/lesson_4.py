"""Lesson 4: im2col, its transpose, and the gradients of a convolution."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.lessons.exercise import Gold, Wrong, case
from tinygrad_edu.ops import im2col as package
from tinygrad_edu.tensor import Tensor, record


def places(X: np.ndarray, size: int, stride: int) -> tuple[int, ...]:
    """(OH, OW): how many windows fit."""
    return tuple((n - size) // stride + 1 for n in X.shape)


def im2col(X: np.ndarray, size: int, stride: int) -> np.ndarray:
    """The package's, for one image (H, W)."""
    return package.im2col(X[None, :, :, None], (size, size), stride)


def col2im(dP: np.ndarray, X: np.ndarray, size: int, stride: int) -> np.ndarray:
    return package.col2im(dP, (1, *X.shape, 1), (size, size), stride)[0, :, :, 0]


def unfold(x: Tensor, size: int, stride: int) -> Tensor:
    """im2col on the tape."""
    X = x.data

    def backward(G):
        return (col2im(G, X, size, stride),)

    return record(im2col(X, size, stride), (x,), backward)


def convolution(x: Tensor, k: Tensor, stride: int) -> Tensor:
    Y = ops.conv2d(x.reshape(1, *x.shape, 1), k.reshape(*k.shape, 1, 1), stride=stride, padding="valid")
    return Y.reshape(*Y.shape[1:3])


# --- mistakes ---


def windows_by_columns(X, size, stride):
    OH, OW = places(X, size, stride)
    return im2col(X, size, stride).reshape(OH, OW, -1).swapaxes(0, 1).reshape(OH * OW, -1)


def pixels_by_columns(X, size, stride):
    return im2col(X, size, stride).reshape(-1, size, size).swapaxes(1, 2).reshape(-1, size * size)


def windows_without_steps(X, size, stride):
    return np.stack([X[h : h + size, w : w + size].reshape(-1) for h, w in np.ndindex(places(X, size, stride))])


def one_window_too_few(X, size, stride):
    OH, OW = places(X, size, stride)
    return im2col(X, size, stride).reshape(OH, OW, -1)[:-1, :-1].reshape((OH - 1) * (OW - 1), -1)


def last_window_wins(dP, X, size, stride):
    dX = np.zeros(X.shape)
    for row, (oh, ow) in zip(dP, np.ndindex(places(X, size, stride))):
        dX[oh * stride : oh * stride + size, ow * stride : ow * stride + size] = row.reshape(size, size)
    return dX


def added_without_steps(dP, X, size, stride):
    dX = np.zeros(X.shape)
    for row, (oh, ow) in zip(dP, np.ndindex(places(X, size, stride))):
        dX[oh : oh + size, ow : ow + size] += row.reshape(size, size)
    return dX


def average_of_the_windows(dP, X, size, stride):
    return col2im(dP, X, size, stride) / np.maximum(col2im(np.ones_like(dP), X, size, stride), 1)


def read_by_columns(dP, X, size, stride):
    return col2im(dP.reshape(-1, size, size).swapaxes(1, 2).reshape(dP.shape), X, size, stride)


def rows_by_columns(dP, X, size, stride):
    OH, OW = places(X, size, stride)
    return col2im(dP.reshape(OW, OH, -1).swapaxes(0, 1).reshape(dP.shape), X, size, stride)


def for_image(G, X, K, stride, way_back=col2im):
    """dL/dX, by a right col2im or another."""
    return way_back(np.outer(G, K), X, len(K), stride)


def for_kernel(G, X, K, stride, look=im2col):
    """dL/dK, by a right im2col or another."""
    return (look(X, len(K), stride).T @ G.reshape(-1)).reshape(K.shape)


def turned(K):
    return K[::-1, ::-1]


WINDOWS = (
    case((4, 4), size=3, stride=1),
    case((5, 4), size=2, stride=1),
    case((7, 5), size=3, stride=2),
    case((6, 8), size=2, stride=3),
)

EXERCISES = (
    Gold(
        number="4.1",
        title="im2col, every window of an image as a row",
        function="im2col",
        right=im2col,
        cases=WINDOWS,
        wrong=(
            Wrong(
                "the windows are in the wrong order: the column ow runs fastest, row oh * OW + ow", windows_by_columns
            ),
            Wrong("a window is to be read row by row: kh * size + kw, and you read it by columns", pixels_by_columns),
            Wrong(
                "the number of windows knows the stride, and their places do not: window (oh, ow) begins at the pixel "
                "(oh * stride, ow * stride)",
                windows_without_steps,
            ),
            Wrong(
                "you have a window in each column; here each has a row (the name is older than this layout)",
                lambda X, size, stride: im2col(X, size, stride).T,
            ),
            Wrong(
                "there is a window too few below each other and side by side: one fits without any step, so + 1",
                one_window_too_few,
            ),
        ),
        hints=(
            "Write down by hand what a 3 x 3 image gives with size 2: which windows are there, and in which order?",
            "Two loops, over oh and ow: the window begins at (oh * stride, ow * stride), and is a slice of X.",
            "P[oh * OW + ow] = X[h : h + size, w : w + size].reshape(-1), with h = oh * stride and w = ow * stride.",
        ),
    ),
    Gold(
        number="4.2",
        title="col2im, the backward of im2col",
        function="col2im",
        forward=unfold,
        cases=WINDOWS,
        wrong=(
            Wrong(
                "= for +=: where windows overlap, a pixel keeps what comes from the last of them; it gets what comes "
                "from all",
                last_window_wins,
            ),
            Wrong(
                "you take the average over the windows that saw a pixel, which turns im2col round; its gradient is the "
                "sum: col2im is the transpose of im2col and not its inverse",
                average_of_the_windows,
            ),
            Wrong(
                "you add to the image itself; the gradient begins with zeros",
                lambda dP, X, size, stride: X + col2im(dP, X, size, stride),
            ),
            Wrong(
                "the stride is forgotten on the way back: window (oh, ow) lies at (oh * stride, ow * stride)",
                added_without_steps,
            ),
            Wrong(
                "within a row of dP, the pixels of the window lie row by row, and you read them by columns",
                read_by_columns,
            ),
            Wrong(
                "the rows of dP are in the order of im2col: row oh * OW + ow, with ow running fastest", rows_by_columns
            ),
        ),
        hints=(
            "Take the loops of your im2col, and turn the assignment round.",
            "A pixel was copied into several windows, and something comes back from each: begin with zeros, and add.",
            "dX[h : h + size, w : w + size] += dP[oh * OW + ow].reshape(size, size), with h and w as in im2col.",
        ),
    ),
    Gold(
        number="4.3",
        title="both gradients of a convolution",
        function="conv_backward",
        forward=convolution,
        cases=(
            case((4, 4), (3, 3), stride=1),
            case((5, 4), (2, 2), stride=1),
            case((7, 5), (3, 3), stride=2),
            case((6, 8), (2, 2), stride=3),
        ),
        wrong=(
            Wrong(
                "dL/dK is right; for dL/dX you turned the kernel round. It is to lie over the window as it did in the "
                "forward (turned round it is where one slides it over G, and only there)",
                lambda G, X, K, stride: (for_image(G, X, turned(K), stride), for_kernel(G, X, K, stride)),
            ),
            Wrong(
                "dL/dX is right, and dL/dK comes out turned round: K[kh, kw] met the pixel (kh, kw) of the window",
                lambda G, X, K, stride: (for_image(G, X, K, stride), turned(for_kernel(G, X, K, stride))),
            ),
            Wrong(
                "dL/dK is right; in dL/dX, = stands for +=: where windows overlap, the last one wins",
                lambda G, X, K, stride: (for_image(G, X, K, stride, last_window_wins), for_kernel(G, X, K, stride)),
            ),
            Wrong(
                "the stride is forgotten on the way back: G[oh, ow] belongs to the window (oh * stride, ow * stride)",
                lambda G, X, K, stride: (
                    for_image(G, X, K, stride, added_without_steps),
                    for_kernel(G, X, K, stride, windows_without_steps),
                ),
            ),
            Wrong(
                "the stride is there for dL/dK, and forgotten for dL/dX",
                lambda G, X, K, stride: (for_image(G, X, K, stride, added_without_steps), for_kernel(G, X, K, stride)),
            ),
            Wrong(
                "dL/dK is divided by the number of windows; the kernel is used in each of them, and gets the sum",
                lambda G, X, K, stride: (for_image(G, X, K, stride), for_kernel(G, X, K, stride) / G.size),
            ),
            Wrong(
                "this would be right if G were all ones: every place has its own G[oh, ow]",
                lambda G, X, K, stride: (
                    for_image(np.ones_like(G), X, K, stride),
                    for_kernel(np.ones_like(G), X, K, stride),
                ),
            ),
        ),
        hints=(
            "Look at one G[oh, ow] alone. Which pixels did Y[oh, ow] use, and with which factors? Which entries of K?",
            "The window at (oh * stride, ow * stride), times K: so G[oh, ow] * K is added to that part of dX, and "
            "G[oh, ow] times the window to dK. As matrices: dP = G K^T with K as a column, and dK = P^T G.",
            "dP = np.outer(G, K); dX = col2im(dP, X, len(K), stride); dK = (im2col(X, len(K), stride).T @ "
            "G.reshape(-1)).reshape(K.shape).",
        ),
    ),
)
