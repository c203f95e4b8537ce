"""Lesson 3: matrix products, and softmax cross-entropy by hand."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.zoo import losses
from tinygrad_edu.gradcheck.zoo.losses import one_hot, probabilities
from tinygrad_edu.lessons.exercise import Coals, Gold, Wrong, case

FAR_APART = np.array([[1000.0, 999.0, 998.0], [0.0, 1.0, -1.0]])  # beside the first row, the second underflows
LARGE = np.array([[1000.0, 998.0, -1000.0], [0.5, 1000.0, 1001.0]])  # e^1000 is infinity


def exponentials_as_they_are(G, Z, labels):
    E = np.exp(Z)
    return G * (E / E.sum(axis=1, keepdims=True) - one_hot(labels, Z.shape[1])) / len(Z)


def largest_of_all_subtracted(G, Z, labels):
    E = np.exp(Z - Z.max())
    return G * (E / E.sum(axis=1, keepdims=True) - one_hot(labels, Z.shape[1])) / len(Z)


def off_in_whole_columns(G, Z, labels):
    D = probabilities(Z)
    D[:, labels] -= 1
    return G * D / len(Z)


def softmax_over_the_batch(G, Z, labels):
    E = np.exp(Z - Z.max(axis=0))
    return G * (E / E.sum(axis=0) - one_hot(labels, Z.shape[1])) / len(Z)


def one_number_subtracted(G, Z, labels):
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    return G * (E / E.sum() - one_hot(labels, Z.shape[1])) / len(Z)


EXERCISES = (
    Gold(
        number="3.1",
        title="the backward of a matrix product, Y = A B",
        function="matmul_backward",
        forward=ops.matmul,
        cases=(case((3, 3), (3, 3)), case((2, 3), (3, 4)), case((1, 5), (5, 2)), case((4, 1), (1, 3))),
        wrong=(
            Wrong(
                "both are the transposes of what they should be: that is how it is where weights are stored as "
                "(out, in)",
                lambda G, A, B: (B @ G.T, G.T @ A),
            ),
            Wrong(
                "dL/dA is right, and dL/dB is its transpose: G^T A where A^T G is wanted",
                lambda G, A, B: (G @ B.T, G.T @ A),
            ),
            Wrong(
                "dL/dB is right, and dL/dA is its transpose: B G^T where G B^T is wanted",
                lambda G, A, B: (B @ G.T, A.T @ G),
            ),
            Wrong(
                "dL/dB is right, and dL/dA is G B: B is to be transposed, G B^T",
                lambda G, A, B: (G @ B, A.T @ G),
            ),
            Wrong(
                "dL/dA is right, and dL/dB is A G: A is to be transposed, A^T G",
                lambda G, A, B: (G @ B.T, A @ G),
            ),
            Wrong("the two gradients are exchanged: first dL/dA, then dL/dB", lambda G, A, B: (A.T @ G, G @ B.T)),
            Wrong(
                "this would be right if G were all ones: every entry of Y has its own G[n, m] to multiply by",
                lambda G, A, B: (np.ones_like(G) @ B.T, A.T @ np.ones_like(G)),
            ),
            Wrong(
                "G is summed over one axis before the product; it is Y that has the two axes n and m, and each G[n, m] "
                "has a factor of its own",
                lambda G, A, B: (
                    G.sum(axis=1, keepdims=True) * B.sum(axis=1),
                    A.sum(axis=0)[:, None] * G.sum(axis=0),
                ),
            ),
            Wrong(
                "these are right for the average over the rows: you divide by the number of examples, which is the "
                "loss's decision",
                lambda G, A, B: (G @ B.T / len(A), A.T @ G / len(A)),
            ),
        ),
        hints=(
            "Y[n, m] = sum_d A[n, d] B[d, m]. In which entries of Y does A[0, 1] occur, and with which factors?",
            "In all of row 0, with the factors B[1, m]: dL/dA[n, d] = sum_m G[n, m] B[d, m]. Which product of matrices "
            "is that? Mind which axis of B is summed over.",
            "dL/dA = G @ B.T. For dL/dB, ask the same of B[d, m]: it occurs in column m, with the factors A[n, d].",
        ),
    ),
    Gold(
        number="3.2",
        title="the backward of softmax cross-entropy",
        function="softmax_cross_entropy_backward",
        forward=lambda Z, labels: ops.softmax_cross_entropy(Z, labels),
        cases=(
            case((4, 5), labels=np.array([2, 0, 4, 2])),
            case((1, 3), labels=np.array([1])),
            case((3, 3), labels=np.array([0, 2, 1])),
            case(LARGE, labels=np.array([1, 2])),
            case(FAR_APART, labels=np.array([0, 2])),
        ),
        wrong=(
            Wrong(
                "without the 1/N: the loss is the mean over the examples, so each of them counts for 1/N",
                lambda G, Z, labels: G * (probabilities(Z) - one_hot(labels, Z.shape[1])),
            ),
            Wrong(
                "the 1/N of the mean is there, but not G: with 0.5 * loss, the gradient must be half as large",
                lambda G, Z, labels: (probabilities(Z) - one_hot(labels, Z.shape[1])) / len(Z),
            ),
            Wrong(
                "you divide by N K, the number of scores; the mean is over the N examples",
                lambda G, Z, labels: G * (probabilities(Z) - one_hot(labels, Z.shape[1])) / Z.size,
            ),
            Wrong(
                "the sign is turned round: it is p minus what is true, so that the right class's score, whose gradient "
                "is negative, goes up when we step downhill",
                lambda G, Z, labels: G * (one_hot(labels, Z.shape[1]) - probabilities(Z)) / len(Z),
            ),
            Wrong(
                "the 1 at the right class is not subtracted: this is the gradient of ln sum_j e^Z alone",
                lambda G, Z, labels: G * probabilities(Z) / len(Z),
            ),
            Wrong(
                "1 is subtracted from whole columns: D[:, labels] takes the columns of all labels in every row, and "
                "one entry of each row is D[np.arange(N), labels]",
                off_in_whole_columns,
            ),
            Wrong(
                "e^1000 is infinity, and infinity over infinity is not a number: subtract each row's largest score "
                "first",
                exponentials_as_they_are,
            ),
            Wrong(
                "the largest of all scores is subtracted from every row: in a row that lies far below it, all "
                "exponentials are 0, and 0 / 0 is not a number; subtract each row's own largest",
                largest_of_all_subtracted,
            ),
            Wrong(
                "softmax runs over the examples (axis 0), it should run over the classes (axis 1)",
                softmax_over_the_batch,
            ),
            Wrong(
                "each row of p must sum to 1 by itself: you divide by the sum over all rows, E.sum() without an axis",
                one_number_subtracted,
            ),
        ),
        hints=(
            "Write the loss of one example as ln sum_j e^z_j - z_y, and differentiate by z_k, first for k other than "
            "y.",
            "It is p_k, and p_k - 1 for k = y. The mean gives each example a share of 1/N, and G multiplies all of it.",
            "P = E / E.sum(axis=1, keepdims=True) with E = np.exp(Z - Z.max(axis=1, keepdims=True)); subtract 1 at "
            "P[np.arange(N), labels]; return G * P / N.",
        ),
    ),
    Coals(
        number="3.3",
        title="a check that a wrong softmax does not pass",
        function="check_softmax",
        right=(
            (ops.softmax, case((3, 4)).inputs),
            (ops.log_softmax, case((3, 4)).inputs),
            (ops.softmax, case((2, 2)).inputs),
            (ops.log_softmax, case((1, 5)).inputs),
        ),
        wrong=(losses.softmax_zero, losses.softmax_diagonal, losses.softmax_axis, losses.log_softmax_sum),
        hints=(
            "With a G of ones, softmax's L = sum(Y) is the number of rows, whatever z is. Choose a G under which the "
            "outputs of a row do not all count the same.",
            "Take a random G, and nudge one score at a time: all outputs of its row move, which is what the wrong ones "
            "forget.",
            "It is the check of exercise 2.3 with one input: for each place, (sum(G * Y) at z + nudge, minus that at "
            "z - nudge) / (2 * h) must be close to Z.grad[place].",
        ),
    ),
)
