"""Wrong backwards of softmax and of losses."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.zoo.mistake import mistake
from tinygrad_edu.tensor import record

LABELS = np.array([2, 0, 3, 2])
COUNTED = np.array([True, True, False, True])  # the third example is padding
TARGETS = np.array([[1.0, 0.0, 1.0], [0.0, 1.0, 1.0]])


def probabilities(X):
    """Rows of positive numbers that sum to 1."""
    E = np.exp(X - X.max(axis=-1, keepdims=True))
    return E / E.sum(axis=-1, keepdims=True)


def one_hot(labels, classes):
    return np.eye(classes)[labels]


def cross_entropies(X, T):
    """For each row of logits X and of probabilities T: - sum_k T log softmax(X)."""
    return -(T * np.log(probabilities(X))).sum(axis=-1)


@mistake(
    "softmax: gradient zero",
    "G stands before the sum and belongs inside: y (G - sum_k G y) became G y (1 - sum_k y), which is zero. A "
    "gradient of ones cannot tell: a row of softmax sums to 1 whatever x is, and the derivative of that sum is zero.",
    (3, 4),
    right=ops.softmax,
)
def softmax_zero(x):
    Y = probabilities(x.data)

    def backward(G):
        return (G * Y * (1 - Y.sum(axis=-1, keepdims=True)),)

    return record(Y, (x,), backward)


@mistake(
    "softmax: the diagonal of the Jacobian alone",
    "y (1 - y) is how an output depends on its own input, as with the sigmoid. Each output depends on all the others' "
    "inputs as well, by - y_i y_j.",
    (3, 4),
    right=ops.softmax,
)
def softmax_diagonal(x):
    Y = probabilities(x.data)

    def backward(G):
        return (G * Y * (1 - Y),)

    return record(Y, (x,), backward)


@mistake(
    "softmax: the sum over the wrong axis",
    "The forward normalises along the last axis, and the backward sums over the first, the examples.",
    (3, 4),
    right=ops.softmax,
)
def softmax_axis(x):
    Y = probabilities(x.data)

    def backward(G):
        return (Y * (G - (G * Y).sum(axis=0, keepdims=True)),)

    return record(Y, (x,), backward)


@mistake(
    "log_softmax: takes the sum of G for 1",
    "The gradient is G - y sum(G). Where G is a distribution, such as the targets of a cross-entropy, its sum is 1, "
    "and the formula for that case became the formula for all.",
    (3, 4),
    right=ops.log_softmax,
)
def log_softmax_sum(x):
    Y = probabilities(x.data)

    def backward(G):
        return (G - Y,)

    return record(np.log(Y), (x,), backward)


@mistake(
    "softmax_cross_entropy: without the mean's 1/N",
    "The forward takes the mean over the batch, the backward returns softmax - one-hot of each example. Training "
    "still works, with a learning rate that is N times what was asked for.",
    (4, 5),
    right=lambda x: ops.softmax_cross_entropy(x, LABELS),
)
def cross_entropy_mean(x):
    X, T = x.data, one_hot(LABELS, 5)

    def backward(G):
        return (G * (probabilities(X) - T),)

    return record(cross_entropies(X, T).mean(), (x,), backward)


@mistake(
    "softmax_cross_entropy: subtracts 1 from whole columns",
    "D[:, labels] takes the columns of all labels for every row; one entry of each row is D[arange(N), labels].",
    (4, 5),
    right=lambda x: ops.softmax_cross_entropy(x, LABELS),
)
def cross_entropy_columns(x):
    X, N = x.data, len(LABELS)

    def backward(G):
        D = probabilities(X)
        D[:, LABELS] -= 1
        return (G * D / N,)

    return record(cross_entropies(X, one_hot(LABELS, 5)).mean(), (x,), backward)


@mistake(
    "softmax_cross_entropy: no label smoothing on the way back",
    "The targets are 0.9 and the rest spread over all classes; the backward subtracts a whole 1 at the label. The "
    "loss that is printed is not the one that is minimised.",
    (4, 5),
    right=lambda x: -(ops.log_softmax(x) * (0.9 * one_hot(LABELS, 5) + 0.1 / 5)).sum() / 4.0,
)
def cross_entropy_smoothing(x):
    X, T, N = x.data, one_hot(LABELS, 5), len(LABELS)

    def backward(G):
        return (G * (probabilities(X) - T) / N,)

    return record(cross_entropies(X, 0.9 * T + 0.1 / 5).mean(), (x,), backward)


@mistake(
    "softmax_cross_entropy: counts the padding",
    "Padded examples do not count: the forward divides by the number of the others, the backward by the whole batch. "
    "It happens when an option such as `ignore_index` is added later.",
    (4, 5),
    right=lambda x: ops.softmax_cross_entropy(x[COUNTED], LABELS[COUNTED]),
)
def cross_entropy_padding(x):
    X, T, N = x.data, one_hot(LABELS, 5), len(LABELS)

    def backward(G):
        return (G * (probabilities(X) - T) * COUNTED[:, None] / N,)

    return record(cross_entropies(X, T)[COUNTED].mean(), (x,), backward)


@mistake(
    "softmax_cross_entropy: ignores G",
    "The loss stands at the end, where G is 1, so the backward does not multiply by it. With a second loss, or a "
    "weight on this one (0.5 * loss), the weight has no effect.",
    (4, 5),
    right=lambda x: ops.softmax_cross_entropy(x, LABELS),
)
def cross_entropy_alone(x):
    X, T, N = x.data, one_hot(LABELS, 5), len(LABELS)

    def backward(G):
        return ((probabilities(X) - T) / N,)

    return record(cross_entropies(X, T).mean(), (x,), backward)


@mistake(
    "binary_cross_entropy: the weight of the positives is lost",
    "Positive examples count three times in the forward, against a rare class. The backward is the one without "
    "weights, sigmoid - target.",
    (2, 3),
    right=lambda x: (ops.softplus(-x) * (3 * TARGETS) + ops.softplus(x) * (1 - TARGETS)).mean(),
)
def binary_cross_entropy_weight(x):
    X = x.data
    losses = 3 * TARGETS * np.logaddexp(-X, 0) + (1 - TARGETS) * np.logaddexp(X, 0)

    def backward(G):
        return (G * (1 / (1 + np.exp(-X)) - TARGETS) / X.size,)

    return record(losses.mean(), (x,), backward)


@mistake(
    "mse: the 2 of the square is lost",
    "The forward is the mean of the squares, the backward that of half of it: textbooks define both.",
    (4, 3),
    (4, 3),
    right=ops.mse,
)
def mse_half(y, t):
    E = y.data - t.data

    def backward(G):
        D = G * E / E.size
        return D, -D

    return record((E**2).mean(), (y, t), backward)


@mistake(
    "mse: the forward averages numbers, the backward examples",
    "The forward divides by N times D, the backward by N, which len() gives. For one output, as in most examples of "
    "regression, they are the same.",
    (4, 3),
    (4, 3),
    right=ops.mse,
)
def mse_examples(y, t):
    E = y.data - t.data

    def backward(G):
        D = 2 * G * E / len(E)
        return D, -D

    return record((E**2).mean(), (y, t), backward)


@mistake(
    "huber: far away the slope is the error itself",
    "Beyond 1 the loss is a straight line, |e| - 1/2, of slope 1. The backward goes on with e, the parabola's slope, "
    "so that outliers weigh as much as ever. Errors in a test are often small.",
    [0.3, -0.6, 2.5, -1.7],
    right=lambda e: ops.where(abs(e.data) <= 1, e * e / 2.0, abs(e) - 0.5),
)
def huber_parabola(e):
    E = e.data

    def backward(G):
        return (G * E,)

    return record(np.where(abs(E) <= 1, E**2 / 2, abs(E) - 0.5), (e,), backward)


@mistake(
    "kl_divergence: the second distribution gets None",
    "sum p (log p - log q) depends on both. The second was a constant, the target, until a teacher was trained "
    "together with its pupil.",
    [0.2, 0.5, 0.3],
    [0.4, 0.4, 0.2],
    right=lambda p, q: (p * (ops.log(p) - ops.log(q))).sum(),
)
def kl_divergence_none(p, q):
    P, Q = p.data, q.data

    def backward(G):
        return G * (np.log(P / Q) + 1), None

    return record((P * np.log(P / Q)).sum(), (p, q), backward)
