"""The simple recurrent network (Elman 1990), and what backpropagation through time is."""

from __future__ import annotations

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.recurrent.arguments import complete
from tinygrad_edu.ops.support import Operand, or_zeros, record_many
from tinygrad_edu.tensor import Tensor


def simple_rnn(
    x: Operand,
    W: Operand,
    U: Operand,
    b: Operand,
    h0: Operand | None = None,
    input_mask: Array | None = None,
    recurrent_mask: Array | None = None,
) -> tuple[Tensor, Tensor]:
    """One cell, used again at every time step t = 1 ... T. Arguments, shapes and errors are those of `ops.simple_rnn`.

        a_t = x_t W + h_{t-1} U + b                                                 (1)
        h_t = tanh(a_t)                                                             (2)

    Shapes: x (N, T, D), so x_t is (N, D), a row for each of N sequences; W (D, H), U (H, H), b (H,), h_t (N, H).
    h_0 is the given state, or zeros. The outputs are h_1 ... h_T; the state that is returned is h_T.

    With dropout, a mask multiplies x_t and h_{t-1} before (1), the same at every step, and their gradients as it
    multiplied them. Without, both masks are ones.

    Backpropagation through time ---------------------------- Unroll the network: T copies of the cell, one behind the
    other, with the same weights in each. That is an ordinary network, T layers deep, and the ordinary chain rule holds.
    G_t = dL/d(output t) and G_h = dL/d(returned state) come in. h_t is used twice, as the output of its own step and as
    an input of the next one; h_T has no next step, it is the returned state:

        dL/dh_T = G_T + G_h,    dL/dh_t = G_t + dL/da_{t+1} U^T  for t < T          (3)

    The second term must be known first: the backward runs from T to 1. Through tanh, whose derivative is 1 - tanh^2:

        dL/da_t = dL/dh_t * (1 - h_t^2)                                             (4)

    (1) is an affine map, Y = A B, for which dL/dA = G B^T and dL/dB = A^T G:

        dL/dx_t = dL/da_t W^T                                                       (5)

    The weights are used at every step, so their gradients are sums over the steps (and over the N sequences, which the
    products and the sum over rows do):

        dL/dW = sum_t x_t^T dL/da_t                                                 (6)
        dL/dU = sum_t h_{t-1}^T dL/da_t                                             (7)
        dL/db = sum_t sum over the rows of dL/da_t                                  (8)
        dL/dh_0 = dL/da_1 U^T                                                       (9)

    Why gradients vanish or explode ------------------------------- Put (4) into (3), for one sequence, a row:
    dL/dh_{k-1} = G_{k-1} + dL/dh_k J_k, with J_k = diag(1 - h_k^2) U^T. Again and again: what the loss at step s says
    about h_t comes through s - t factors,

        G_s J_s J_{s-1} ... J_{t+1}.

    Since 0 < 1 - h^2 <= 1, a factor stretches no vector by more than the largest singular value of U. If that is below
    1, the product shrinks exponentially with the distance s - t: the gradient *vanishes*, and what lies far back cannot
    be learnt. If U stretches some directions, and tanh is not saturated, the product can grow exponentially: the
    gradient *explodes*, and one step of the optimiser throws the weights far away (`clip_grad_norm` shortens it).
    Between the two there is next to no room, since it is the same U at every step (Bengio, Simard and Frasconi 1994).
    `lstm` has a path with other factors.
    """
    inputs, masks = complete("simple_rnn", 1, (x, W, U, b), {"h0": h0}, (input_mask, recurrent_mask))
    X, W, U, b, h0 = (tensor.data for tensor in inputs)
    x_mask, h_mask = masks
    xp, T = array_module(X), X.shape[1]

    h = [h0]  # h[t] is h_t
    for t in range(1, T + 1):
        x_t, h_old = X[:, t - 1] * x_mask, h[t - 1] * h_mask
        a = x_t @ W + h_old @ U + b  # (1)
        h.append(xp.tanh(a))  # (2)
    results = xp.stack(h[1:], axis=1), h[T]

    def backward(Gs):
        G, from_next = or_zeros(Gs, results)  # from_next: what step t + 1 sends back to h_t; to h_T it is G_h
        dX, dW, dU, db = xp.empty_like(X), 0, 0, 0
        for t in range(T, 0, -1):
            x_t, h_old = X[:, t - 1] * x_mask, h[t - 1] * h_mask
            dh = G[:, t - 1] + from_next  # (3)
            da = dh * (1 - h[t] ** 2)  # (4)
            dX[:, t - 1] = (da @ W.T) * x_mask  # (5)
            dW = dW + x_t.T @ da  # (6)
            dU = dU + h_old.T @ da  # (7)
            db = db + da.sum(axis=0)  # (8)
            from_next = (da @ U.T) * h_mask  # (9), and for t > 1 the second term of (3)
        return dX, dW, dU, db, from_next

    outputs, h_T = record_many(results, inputs, backward)
    return outputs, h_T
