"""The gated recurrent unit (Cho et al. 2014), in the form that Keras calls `reset_after`."""

from __future__ import annotations

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.activation import sigmoid_of
from tinygrad_edu.ops.recurrent import on_gpu
from tinygrad_edu.ops.recurrent.sequence import run_sequence, sum_over_time
from tinygrad_edu.ops.support import Operand
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

        [p_z, p_r, p_k] = x_t W + b[0],    [q_z, q_r, q_k] = h_{t-1} U + b[1]
        z = sigmoid(p_z + q_z)       update gate: how much of the old state is kept
        r = sigmoid(p_r + q_r)       reset gate: how much of the old state the candidate sees
        k = tanh(p_k + r * q_k)      candidate (Keras' hh)
        h_t = z * h_{t-1} + (1 - z) * k

    The reset gate acts *after* the matrix product; in the paper it acts before, on h_{t-1}.

    Parameters
    ----------
    x : Tensor (N, T, D)
        N sequences of T steps with D features.
    W, U, b : Tensor (D, 3H), (H, 3H), (2, 3H)
        Keras' kernel, recurrent kernel and biases; the gates in the order z, r, k.
    h0 : Tensor (N, H), optional
        The state before the first step; zeros otherwise.
    input_mask, recurrent_mask : array (N, D), (N, H), optional
        Dropout of x_t and of h_{t-1} where they enter the matrix products, the same at every step of a sequence; see
        `simple_rnn`. As in Keras, the h_{t-1} that z keeps is the undropped one.

    Returns
    -------
    outputs : Tensor (N, T, H)
        h_1 ... h_T.
    h : Tensor (N, H)
        h_T, to be handed to the next call as its h0.

    Raises
    ------
    ValueError for shapes that do not fit and for T = 0; TypeError for different dtypes or devices.

    Derived and written plainly in `textbook/gru.py`. What is different here is that of all three: see `sequence.py`.
    """
    states = {"h0": h0}
    masks = {"input_mask": input_mask, "recurrent_mask": recurrent_mask}
    outputs, h = run_sequence("gru", (_forward, on_gpu.gru), 3, (x, W, U, b), states, masks)
    return outputs, h


def _forward(V, S, O, states, mask):
    """The sequence from arrays, feature-major, as `sequence.Forward` says.

    V_t = [x_t; 1; 1; h_{t-1}], S = [W; b[0]; b[1]; U]. The rows up to the first 1 make P, those from the second 1 on Q.
    """
    xp = array_module(V)
    T, H, n = O.shape
    u = len(S) - H  # where U begins in S, and h_{t-1} in V_t
    upper, lower = slice(None, u - 1), slice(u - 1, None)
    gates = xp.empty((T, 3, H, n), dtype=S.dtype)  # z, r, k
    Q_k = xp.empty((T, H, n), dtype=S.dtype)
    before = states[0]  # h_{t-1}
    for t in range(T):
        P = S[upper].T.dot(V[t, upper]).reshape(3, H, n)
        Q = S[lower].T.dot(V[t, lower]).reshape(3, H, n)
        z, r, k = gates[t]
        gates[t, :2] = sigmoid_of(P[:2] + Q[:2])
        xp.tanh(P[2] + r * Q[2], out=k)
        O[t] = k + z * (before - k)
        Q_k[t] = Q[2]
        before = O[t]
        if t + 1 < T:
            V[t + 1, u:] = before if mask is None else before * mask

    def backward(G, G_last, dX, want_weights, want_states):
        dh = xp.zeros((H, n), dtype=S.dtype) if G_last[0] is None else G_last[0]
        dP, dQ = xp.empty_like(gates), xp.empty_like(gates)
        for t in reversed(range(T)):
            z, r, k = gates[t]
            before = O[t - 1] if t > 0 else states[0]
            if G is not None:
                dh = dh + G[t]
            dP[t, 0] = dh * (before - k) * (z * (1 - z))
            dP[t, 2] = dh * (1 - z) * (1 - k * k)
            dP[t, 1] = dP[t, 2] * Q_k[t] * (r * (1 - r))
            dQ[t, :2] = dP[t, :2]
            dQ[t, 2] = dP[t, 2] * r
            if dX is not None:
                dX[:, t] = S[: len(dX)].dot(dP[t].reshape(3 * H, n))
            if t > 0 or want_states:
                through_U = S[u:].dot(dQ[t].reshape(3 * H, n))
                dh = dh * z + (through_U if mask is None else through_U * mask)
        if not want_weights:
            return None, [dh]
        dS_upper = sum_over_time(V[:, upper], dP.reshape(T, 3 * H, n))
        dS_lower = sum_over_time(V[:, lower], dQ.reshape(T, 3 * H, n))
        return xp.concatenate((dS_upper, dS_lower)), [dh]

    return [O[-1]], backward
