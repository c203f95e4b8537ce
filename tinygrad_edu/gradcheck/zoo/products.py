"""Wrong backwards of products: transposes, batches, and which operand is which."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.zoo.mistake import mistake
from tinygrad_edu.tensor import Tensor, record


@mistake(
    "matmul: B for its transpose",
    "dL/dA = G B^T, here G B. With square matrices the shapes fit, and with a symmetric B it is right.",
    (3, 3),
    (3, 3),
    right=ops.matmul,
)
def matmul_transpose(a, b):
    A, B = a.data, b.data

    def backward(G):
        return G @ B, A.T @ G

    return record(A @ B, (a, b), backward)


@mistake(
    "linear: the weights' gradient is transposed",
    "Where weights are stored as (out, in), their gradient is G^T X; for (in, out) it is X^T G. The formula of one "
    "convention was taken into the other, and the layer has as many outputs as inputs.",
    (4, 3),
    (3, 3),
    right=ops.linear,
)
def linear_transposed(x, w):
    X, W = x.data, w.data

    def backward(G):
        return G @ W.T, G.T @ X

    return record(X @ W, (x, w), backward)


@mistake(
    "linear: of a sequence, the last step alone",
    "X is (N, T, D). The weights are used at every step, and their gradient is summed over all of them; the backward "
    "takes the last, the one that a classifier looks at.",
    (2, 4, 3),
    (3, 2),
    right=ops.linear,
)
def linear_last_step(x, w):
    X, W = x.data, w.data

    def backward(G):
        return G @ W.T, X[:, -1].T @ G[:, -1]

    return record(X @ W, (x, w), backward)


@mistake(
    "matmul: .T of a batch reverses all axes",
    "For an array of matrices, the transpose exchanges the last two axes. `.T` reverses all of them, and the batch is "
    "as large as the matrices here, so nothing is raised.",
    (3, 3, 3),
    (3, 3, 3),
    right=ops.matmul,
)
def matmul_batch(a, b):
    A, B = a.data, b.data

    def backward(G):
        return G @ B.T, A.swapaxes(1, 2) @ G

    return record(A @ B, (a, b), backward)


@mistake(
    "matmul: the weights of a batch get one example's gradient",
    "A batch of matrices times one matrix: its gradients are to be summed over the batch. Here they are those of the "
    "first matrix. Right for batch 1 alone.",
    (4, 2, 3),
    (3, 2),
    right=ops.matmul,
)
def matmul_first(a, b):
    A, B = a.data, b.data

    def backward(G):
        return G @ B.T, A[0].T @ G[0]

    return record(A @ B, (a, b), backward)


@mistake(
    "matvec: the outer product the wrong way round",
    "y = A x, so dA[i,j] = G[i] x[j]. np.outer(x, G) is its transpose, and fits where A is square.",
    (3, 3),
    (3,),
    right=ops.matmul,
)
def matvec_outer(a, x):
    A, X = a.data, x.data

    def backward(G):
        return np.outer(X, G), A.T @ G

    return record(A @ X, (a, x), backward)


@mistake(
    "square: one of the two paths of x @ x",
    "Both operands are the same tensor. An engine that keeps gradients in a dictionary by operand writes the second "
    "over the first; both are to be added.",
    (3, 3),
    right=lambda x: x @ x,
)
def square_one_path(x):
    X = x.data

    def backward(G):
        gradients = {}
        for operand, gradient in ((x, G @ X.T), (x, X.T @ G)):
            gradients[operand] = gradient
        return (gradients[x],)

    return record(X @ X, (x,), backward)


@mistake(
    "quadratic: takes A for symmetric",
    "The gradient of x^T A x is (A + A^T) x. It is 2 A x for a symmetric A, such as a covariance, for which the "
    "formula stands in many books.",
    (3, 3),
    (3,),
    right=lambda a, x: x @ (a @ x),
)
def quadratic_symmetric(a, x):
    A, X = a.data, x.data

    def backward(G):
        return G * np.outer(X, X), G * 2 * A @ X

    return record(X @ A @ X, (a, x), backward)


@mistake(
    "scores: the root of d is lost on the way back",
    "Attention divides Q K^T by sqrt(d) in the forward, and the backward is that of the bare product.",
    (3, 4),
    (2, 4),
    right=lambda q, k: q @ k.T / 2.0,
)
def scores_scale(q, k):
    Q, K = q.data, k.data
    root = np.sqrt(Q.shape[1])

    def backward(G):
        return G @ K, G.T @ Q

    return record(Q @ K.T / root, (q, k), backward)


@mistake(
    "inverse: without the transposes",
    "For B = A^-1, dL/dA = - B^T G B^T. The formula for the differential, dB = - B dA B, looks the same without them.",
    [[2.0, 0.3, 0.1], [-0.4, 1.5, 0.2], [0.6, -0.1, 1.8]],
    right=lambda a: inverse_right(a),
)
def inverse_transposes(a):
    B = np.linalg.inv(a.data)

    def backward(G):
        return (-B @ G @ B,)

    return record(B, (a,), backward)


def inverse_right(a: Tensor) -> Tensor:
    B = np.linalg.inv(a.data)
    return record(B, (a,), lambda G: (-B.T @ G @ B.T,))


@mistake(
    "matmul: wrong when the other input is frozen",
    "A branch saves the second product where the weights require no gradient, and there a transpose is forgotten. "
    "Frozen layers are used in fine-tuning, long after the tests.",
    (3, 3),
    (3, 3),
    right=ops.matmul,
)
def matmul_frozen(a, b):
    A, B = a.data, b.data

    def backward(G):
        if not b.requires_grad:
            return G @ B, None
        return G @ B.T, A.T @ G

    return record(A @ B, (a, b), backward)


@mistake(
    "mul: nothing for the one when the other is frozen",
    "`if a.requires_grad and b.requires_grad` guards both gradients; either would do for its own. With both to be "
    "learnt it is right.",
    (2, 3),
    (2, 3),
    right=ops.mul,
)
def mul_frozen(a, b):
    A, B = a.data, b.data

    def backward(G):
        both = a.requires_grad and b.requires_grad
        return (G * B, G * A) if both else (None, None)

    return record(A * B, (a, b), backward)
