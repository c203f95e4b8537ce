"""Wrong backwards of pooling: who won, and by how many was divided."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.zoo.mistake import mistake
from tinygrad_edu.tensor import record


def pool1d(pool, x, size, stride, padding="valid"):
    """The right one: an image of height 1."""
    return pool(x.reshape(1, 1, -1, 1), (1, size), stride, padding).reshape(-1)


@mistake(
    "max_pool1d: equal maxima are all paid",
    "Every number that equals its window's maximum gets G. After a relu, windows full of zeros are frequent.",
    [1.0, 1.0, 0.5, 2.0, 3.0, 3.0],
    right=lambda x: pool1d(ops.max_pool2d, x, 2, 2),
)
def max_pool1d_ties(x):
    windows = x.data.reshape(-1, 2)
    Y = windows.max(axis=1)

    def backward(G):
        return ((G[:, None] * (windows == Y[:, None])).reshape(-1),)

    return record(Y, (x,), backward)


@mistake(
    "max_pool1d: = for += where windows overlap",
    "With windows of 3 in steps of 1, one number can win several times, and keeps the last gradient alone. The usual "
    "windows of 2 in steps of 2 do not overlap.",
    [0.0, 1.0, 3.0, 2.0, -1.0, 0.5],
    right=lambda x: pool1d(ops.max_pool2d, x, 3, 1),
)
def max_pool1d_assigns(x):
    X = x.data
    winners = np.array([t + X[t : t + 3].argmax() for t in range(len(X) - 2)])

    def backward(G):
        dX = np.zeros_like(X)
        dX[winners] = G
        return (dX,)

    return record(X[winners], (x,), backward)


@mistake(
    "max_pool1d: takes the stride for the size",
    "The winner's place is size * t + argmax only when windows lie side by side. With windows of 3 in steps of 2, it "
    "is 2 * t + argmax.",
    [0.0, 1.0, 3.0, 2.0, -1.0, 0.5, 4.0],
    right=lambda x: pool1d(ops.max_pool2d, x, 3, 2),
)
def max_pool1d_place(x):
    X, size, stride = x.data, 3, 2
    starts = range(0, len(X) - size + 1, stride)
    winners = [X[start : start + size].argmax() for start in starts]

    def backward(G):
        dX = np.zeros_like(X)
        for t, winner in enumerate(winners):
            dX[min(size * t + winner, len(X) - 1)] += G[t]
        return (dX,)

    return record(np.array([X[start : start + size].max() for start in starts]), (x,), backward)


@mistake(
    "avg_pool1d: the count at the padded edge",
    "At the edge, the forward divides by the 2 numbers that are there, the backward by 3, the size of the window. "
    "Libraries count either way; one operation must not do both.",
    (5,),
    right=lambda x: pool1d(ops.avg_pool2d, x, 3, 1, "same"),
)
def avg_pool1d_edge(x):
    count = np.array([2, 3, 3, 3, 2])

    def backward(G):
        return (np.convolve(G / 3, np.ones(3), "same"),)

    return record(np.convolve(x.data, np.ones(3), "same") / count, (x,), backward)


@mistake(
    "global_avg_pool2d: takes the image for a square",
    "The mean is over H W pixels; the backward divides by H H. Pictures in data sets for practice are square.",
    (2, 2, 3, 2),
    right=ops.global_avg_pool2d,
)
def global_avg_pool2d_square(x):
    _, H, _, _ = x.shape

    def backward(G):
        return (np.broadcast_to(G[:, None, None] / (H * H), x.shape),)

    return record(x.data.mean(axis=(1, 2)), (x,), backward)
