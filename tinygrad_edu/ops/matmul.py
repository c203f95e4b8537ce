"""Matrix products. Throughout, G = dL/dY, of Y's shape."""

from __future__ import annotations

from tinygrad_edu.ops.support import Operand, same_kind, unbroadcast
from tinygrad_edu.runtime.parallel import product
from tinygrad_edu.tensor import Tensor, record


def matmul(a: Operand, b: Operand) -> Tensor:
    """Y = A B.

    Shapes: A (..., N, D), B (..., D, M), Y (..., N, M); the leading axes broadcast. A vector stands for a row on the
    left and for a column on the right, as in NumPy, and leaves no axis in the result.

    Y[n,m] = sum_d A[n,d] B[d,m]   so   dL/dA[n,d] = sum_m G[n,m] B[d,m],   dL/dA = G B^T
                                        dL/dB[d,m] = sum_n A[n,d] G[n,m],   dL/dB = A^T G
    """
    a, b = same_kind("matmul", a, b)
    A, B = a.data, b.data
    if A.ndim == 0 or B.ndim == 0 or A.shape[-1] != B.shape[-2 if B.ndim > 1 else 0]:
        raise ValueError(f"matmul: expected shapes (..., N, D) and (..., D, M); got {A.shape} and {B.shape}")
    rows = A.reshape(1, -1) if A.ndim == 1 else A  # (..., N, D)
    columns = B.reshape(-1, 1) if B.ndim == 1 else B  # (..., D, M)

    def backward(G):
        # Give back to G the axis that a vector's result lost: (..., N, M).
        G = G.reshape(*G.shape, 1) if B.ndim == 1 else G
        G = G.reshape(*G.shape[:-1], 1, G.shape[-1]) if A.ndim == 1 else G
        return (
            unbroadcast(product(G, columns.swapaxes(-1, -2)), rows.shape).reshape(A.shape) if a.requires_grad else None,
            unbroadcast(product(rows.swapaxes(-1, -2), G), columns.shape).reshape(B.shape) if b.requires_grad else None,
        )

    return record(product(A, B), (a, b), backward)


def linear(x: Operand, W: Operand, b: Operand | None = None) -> Tensor:
    """Y = X W + b, the affine map of a dense layer, in one step on the tape.

    Shapes: X (..., D), W (D, M), b (M,), Y (..., M). With X's leading axes flattened to N rows:

    Y[n,m] = sum_d X[n,d] W[d,m] + b[m]   so   dL/dX = G W^T,   dL/dW = X^T G   (see `matmul`)
                                               dL/db[m] = sum_n G[n,m]: the bias was added to every row
    """
    inputs = same_kind("linear", x, W) if b is None else same_kind("linear", x, W, b)
    x, W, b = inputs[0], inputs[1], inputs[2] if len(inputs) == 3 else None
    X, K = x.data, W.data
    if K.ndim != 2 or X.ndim == 0 or X.shape[-1] != K.shape[0]:
        raise ValueError(f"linear: expected x (..., D) and W (D, M); got x {x.shape} and W {W.shape}")
    if b is not None and b.data.shape != K.shape[1:]:
        raise ValueError(f"linear: expected a bias of shape {W.shape[1:]} for W {W.shape}; got {b.shape}")
    M = K.shape[1]
    rows = X if X.ndim == 2 else X.reshape(-1, X.shape[-1])  # (N, D)
    Y = product(rows, K)
    if b is not None:
        Y += b.data

    def backward(G):
        G = G.reshape(-1, M)
        dX = product(G, K.T).reshape(X.shape) if x.requires_grad else None
        dW = product(rows.T, G) if W.requires_grad else None
        if b is None:
            return dX, dW
        return dX, dW, G.sum(axis=0) if b.requires_grad else None

    return record(Y if X.ndim == 2 else Y.reshape(*X.shape[:-1], M), inputs, backward)
