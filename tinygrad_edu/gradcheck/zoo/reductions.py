"""Wrong backwards of broadcasting and of reductions: what is copied is summed on the way back, and the reverse."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.zoo.mistake import mistake
from tinygrad_edu.tensor import record


@mistake(
    "add: of the sum over the rows, the first row alone",
    "Y = X + b adds b to every row, so every row sends something back. It is right for a batch of one example, with "
    "which such code is often tried.",
    (4, 3),
    (3,),
    right=ops.add,
)
def add_first_row(x, b):
    def backward(G):
        return G, G[0].copy()

    return record(x.data + b.data, (x, b), backward)


@mistake(
    "add: the mean over the rows for their sum",
    "Y = X + b, and the bias gets the mean of what the rows send. Whether one divides by the batch is the loss's "
    "decision; when the layer does it too, biases learn too slowly, and nobody sees it.",
    (4, 3),
    (3,),
    right=ops.add,
)
def add_mean(x, b):
    def backward(G):
        return G, G.mean(axis=0)

    return record(x.data + b.data, (x, b), backward)


@mistake(
    "add: the sum is taken over the wrong axis",
    "b is a column, repeated along the rows, and the backward sums over the columns. The matrix is square, so that "
    "the shapes fit after the reshape.",
    (3, 3),
    (3, 1),
    right=ops.add,
)
def add_wrong_axis(x, b):
    def backward(G):
        return G, G.sum(axis=0).reshape(b.shape)

    return record(x.data + b.data, (x, b), backward)


@mistake(
    "add: the bias's gradient keeps the axis that was summed",
    "`keepdims=True` makes it (1, 3) for a bias of shape (3,). Where gradients may broadcast when they are used, the "
    "bias itself becomes a row, or a matrix, one update later.",
    (4, 3),
    (3,),
    right=ops.add,
)
def add_keepdims(x, b):
    def backward(G):
        return G, G.sum(axis=0, keepdims=True)

    return record(x.data + b.data, (x, b), backward)


@mistake(
    "mul: sums first and multiplies then",
    "Y = X * s with a scale s for each column: ds is the sum of G * X over the rows, not sum(G) * mean(X). For one "
    "row, and for a G of ones, the two are the same.",
    (4, 3),
    (3,),
    right=ops.mul,
)
def mul_sum_first(x, s):
    X, S = x.data, s.data

    def backward(G):
        return G * S, G.sum(axis=0) * X.mean(axis=0)

    return record(X * S, (x, s), backward)


@mistake(
    "mean: divides by the size of everything",
    "The mean over the rows alone divides by their number; the backward divides by x.size. The two agree when "
    "everything is averaged, the usual case.",
    (4, 3),
    right=lambda x: x.mean(axis=0),
)
def mean_all(x):
    X = x.data

    def backward(G):
        return (np.broadcast_to(G, X.shape) / X.size,)

    return record(X.mean(axis=0), (x,), backward)


@mistake(
    "sum: spread along the wrong axis",
    "The sum over axis 1 lost that axis, and the gradient must get it back: G[:, None]. Without it, NumPy broadcasts "
    "along the rows, and a square matrix lets it.",
    (3, 3),
    right=lambda x: x.sum(axis=1),
)
def sum_wrong_axis(x):
    X = x.data

    def backward(G):
        return (G * np.ones_like(X),)

    return record(X.sum(axis=1), (x,), backward)


@mistake(
    "max: every one of equal maxima gets the whole gradient",
    "The winner is found by x == max(x), and three equal numbers all win. What they gain together is three times what "
    "there is to give.",
    [2.0, 0.5, 2.0, 2.0],
    right=ops.max,
)
def max_ties(x):
    X = x.data

    def backward(G):
        return (G * (X == X.max()),)

    return record(X.max(), (x,), backward)


@mistake(
    "max: compared without keepdims",
    "The winners of each row are found by x == max over axis 1, but without `keepdims` the maxima are laid beside the "
    "columns. The matrix is square, and nothing is raised: most entries get nothing.",
    (3, 3),
    right=lambda x: x.max(axis=1),
)
def max_keepdims(x):
    X = x.data
    Y = X.max(axis=1)

    def backward(G):
        return (G[:, None] * (X == Y),)

    return record(Y, (x,), backward)


@mistake(
    "max: the winner of the whole array",
    "argmax() without an axis: of the three rows, which all have a winner, the one with the largest gets all.",
    (3, 4),
    right=lambda x: x.max(axis=1),
)
def max_whole(x):
    X = x.data

    def backward(G):
        dX = np.zeros_like(X)
        dX.flat[X.argmax()] = G.sum()
        return (dX,)

    return record(X.max(axis=1), (x,), backward)


@mistake(
    "var: n for n - 1 on the way back",
    "The forward divides by n - 1 (ddof=1), the backward by n. NumPy's default and that of other libraries differ, "
    "and code that is translated line by line meets both.",
    (3, 5),
    right=lambda x: ops.var(x, axis=1, ddof=1),
)
def var_ddof(x):
    X = x.data

    def backward(G):
        return (G[:, None] * 2 / X.shape[1] * (X - X.mean(axis=1, keepdims=True)),)

    return record(X.var(axis=1, ddof=1), (x,), backward)


@mistake(
    "std: the 2 of the root is lost",
    "s = sqrt(v), so ds = dv / (2 s); here it is dv / s. Two 2s, that of the square and that of the root, cancel in "
    "the right formula, and one of them was cancelled once too often.",
    (3, 5),
    right=lambda x: ops.sqrt(ops.var(x, axis=1)),
)
def std_factor(x):
    X = x.data
    S = X.std(axis=1, keepdims=True)

    def backward(G):
        return (G[:, None] * 2 * (X - X.mean(axis=1, keepdims=True)) / (X.shape[1] * S),)

    return record(S[:, 0], (x,), backward)


@mistake(
    "prod: the product divided by the entry",
    "Leaving one factor out is written as y / x. That is 0 / 0 where a factor is zero, although the derivative there, "
    "the product of the others, is an ordinary number.",
    [2.0, 0.0, 3.0],
    right=lambda x: x[0] * x[1] * x[2],
)
def prod_quotient(x):
    X = x.data
    Y = X.prod()

    def backward(G):
        with np.errstate(invalid="ignore"):
            return (G * Y / X,)

    return record(Y, (x,), backward)


@mistake(
    "cumsum: not reversed",
    "Entry i goes into all sums from i on, so its gradient is the sum of G from i to the end. The backward sums from "
    "the beginning, as the forward does.",
    (2, 4),
    right=lambda x: ops.cumsum(x, axis=1),
)
def cumsum_forwards(x):
    def backward(G):
        return (np.cumsum(G, axis=1),)

    return record(np.cumsum(x.data, axis=1), (x,), backward)


@mistake(
    "logsumexp: the largest is subtracted in the forward alone",
    "The gradient is softmax, written as exp(x) / sum exp(x): beyond 709 infinity over infinity. The forward "
    "subtracts the maximum first, and the backward needs it as much.",
    [[1000.0, 999.0, 998.5], [0.5, -0.5, 0.0]],
    right=ops.logsumexp,
)
def logsumexp_overflow(x):
    X = x.data
    M = X.max(axis=1, keepdims=True)

    def backward(G):
        E = np.exp(X)
        return (G[:, None] * E / E.sum(axis=1, keepdims=True),)

    return record(M[:, 0] + np.log(np.exp(X - M).sum(axis=1)), (x,), backward)
