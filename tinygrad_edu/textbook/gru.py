"""The gated recurrent unit (Cho et al. 2014), in the form that Keras calls `reset_after`."""

from __future__ import annotations

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.activation import sigmoid_of
from tinygrad_edu.ops.recurrent.arguments import complete
from tinygrad_edu.ops.support import Operand, or_zeros, record_many
from tinygrad_edu.tensor import Tensor


def gru(
    x: Operand,
    W: Operand,
    U: Operand,
    b: Operand,
    h0: Operand | None = None,
    input_mask: Array | None = None,
    recurrent_mask: Array | None = None,
) -> tuple[Tensor, Tensor]:
    """An LSTM's idea with fewer parts: the state itself is blended with a candidate, by one gate.

    Arguments, shapes and errors are those of `ops.gru`. In step t = 1 ... T, for N sequences as rows:

        [p_z, p_r, p_k] = x_t W + b[0]                                              (1)
        [q_z, q_r, q_k] = h_{t-1} U + b[1]                                          (2)
        z = sigmoid(p_z + q_z)       update gate: how much of the old state is kept                 (3)
        r = sigmoid(p_r + q_r)       reset gate: how much of the old state the candidate sees       (4)
        k = tanh(p_k + r * q_k)      candidate (Keras' hh)                                          (5)
        h_t = z * h_{t-1} + (1 - z) * k                                             (6)

    Shapes: x_t (N, D), W (D, 3H), U (H, 3H), b (2, 3H); all others (N, H). The reset gate acts *after* the matrix
    product (Keras' and PyTorch's form, and the reason for two biases); in the paper it acts before, on h_{t-1}. Masks
    as in `simple_rnn`; the h_{t-1} that z keeps in (6) is the one without a mask.

    Backpropagation through time
    ----------------------------
    As in `simple_rnn`, from the last step to the first; G_t = dL/d(output t) and G_h = dL/d(returned state) come in.
    h_t is an output; it goes into the next step's products; and it is blended into h_{t+1} directly. With dQ the three
    dL/dq side by side:

        dL/dh_T = G_T + G_h,
        dL/dh_t = G_t + dQ_{t+1} U^T + dL/dh_{t+1} * z_{t+1}  for t < T             (7)

    The blend (6), the candidate (5) and the gates (3), (4), with sigmoid' = s (1 - s) and tanh' = 1 - tanh^2:

        dL/dz = dL/dh_t * (h_{t-1} - k)                                             (8)
        dL/dk = dL/dh_t * (1 - z)                                                   (9)
        dL/dp_k = dL/dk * (1 - k^2)                                                 (10)
        dL/dr = dL/dp_k * q_k                                                       (11)
        dL/dq_k = dL/dp_k * r                                                       (12)
        dL/dp_z = dL/dq_z = dL/dz * z (1 - z)                                       (13)
        dL/dp_r = dL/dq_r = dL/dr * r (1 - r)                                       (14)

    The affine maps, with dP the three dL/dp side by side, and sums over the steps for the weights:

        dL/dx_t = dP_t W^T                                                          (15)
        dL/dW = sum_t x_t^T dP_t                                                    (16)
        dL/dU = sum_t h_{t-1}^T dQ_t                                                (17)
        dL/db[0] = sum_t sum over the rows of dP_t,   dL/db[1] the same of dQ_t     (18)
        dL/dh_0 = dQ_1 U^T + dL/dh_1 * z_1                                          (19)

    The last term of (7) is the GRU's way around vanishing, as the forget gate is the LSTM's: along it the gradient is
    multiplied by z_s * ... * z_{t+1} alone, and where z is 1 it arrives as it left.
    """
    inputs, masks = complete("gru", 3, (x, W, U, b), {"h0": h0}, (input_mask, recurrent_mask))
    X, W, U, b, h0 = (tensor.data for tensor in inputs)
    x_mask, h_mask = masks
    xp, T = array_module(X), X.shape[1]

    h, gates = [h0], {}  # h[t] is h_t
    for t in range(1, T + 1):
        x_t, h_old = X[:, t - 1] * x_mask, h[t - 1] * h_mask
        p_z, p_r, p_k = xp.split(x_t @ W + b[0], 3, axis=1)  # (1)
        q_z, q_r, q_k = xp.split(h_old @ U + b[1], 3, axis=1)  # (2)
        z = sigmoid_of(p_z + q_z)  # (3)
        r = sigmoid_of(p_r + q_r)  # (4)
        k = xp.tanh(p_k + r * q_k)  # (5)
        h.append(z * h[t - 1] + (1 - z) * k)  # (6)
        gates[t] = z, r, k, q_k
    results = xp.stack(h[1:], axis=1), h[T]

    def backward(Gs):
        G, from_next = or_zeros(Gs, results)  # what step t + 1 sends back to h_t; to h_T it is G_h
        dX, dW, dU, db = xp.empty_like(X), 0, 0, 0
        for t in range(T, 0, -1):
            x_t, h_old = X[:, t - 1] * x_mask, h[t - 1] * h_mask
            z, r, k, q_k = gates[t]
            dh = G[:, t - 1] + from_next  # (7)
            dz = dh * (h[t - 1] - k)  # (8)
            dk = dh * (1 - z)  # (9)
            dp_k = dk * (1 - k**2)  # (10)
            dr = dp_k * q_k  # (11)
            dq_k = dp_k * r  # (12)
            dp_z = dz * z * (1 - z)  # (13)
            dp_r = dr * r * (1 - r)  # (14)
            dP = xp.concatenate([dp_z, dp_r, dp_k], axis=1)
            dQ = xp.concatenate([dp_z, dp_r, dq_k], axis=1)
            dX[:, t - 1] = (dP @ W.T) * x_mask  # (15)
            dW = dW + x_t.T @ dP  # (16)
            dU = dU + h_old.T @ dQ  # (17)
            db = db + xp.stack([dP.sum(axis=0), dQ.sum(axis=0)])  # (18)
            from_next = (dQ @ U.T) * h_mask + dh * z  # (19), and for t > 1 the last two terms of (7)
        return dX, dW, dU, db, from_next

    outputs, h_T = record_many(results, inputs, backward)
    return outputs, h_T
