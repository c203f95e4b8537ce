"""The simple recurrent network (Elman 1990) over a whole sequence, in one step on the tape."""

from __future__ import annotations

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.recurrent import on_gpu
from tinygrad_edu.ops.recurrent.sequence import run_sequence, sum_over_time
from tinygrad_edu.ops.support import Operand
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
    """h_t = tanh(a_t),   a_t = x_t W + h_{t-1} U + b,   for t = 1 ... T: one cell, used again at every time step.

    Parameters
    ----------
    x : Tensor (N, T, D)
        N sequences of T steps with D features.
    W, U, b : Tensor (D, H), (H, H), (H,)
        Keras' kernel, recurrent kernel and bias.
    h0 : Tensor (N, H), optional
        The state before the first step; zeros otherwise.
    input_mask, recurrent_mask : array (N, D), (N, H), optional
        Dropout: x_t and h_{t-1} are multiplied by the same mask at every step of a sequence, as Keras does (Gal and
        Ghahramani 2016). With a new mask at each step, nothing could be remembered for long. `dropout_mask` makes them.

    Returns
    -------
    outputs : Tensor (N, T, H)
        h_1 ... h_T.
    h : Tensor (N, H)
        h_T, to be handed to the next call as its h0.

    Raises
    ------
    ValueError for shapes that do not fit and for T = 0; TypeError for different dtypes or devices.

    Derived and written plainly, with backpropagation through time and why gradients vanish, in
    `textbook/simple_rnn.py`. What is different here is that of all three: see `sequence.py`.
    """
    states = {"h0": h0}
    masks = {"input_mask": input_mask, "recurrent_mask": recurrent_mask}
    outputs, h = run_sequence("simple_rnn", (_forward, on_gpu.simple_rnn), 1, (x, W, U, b), states, masks)
    return outputs, h


def _forward(V, S, O, states, mask):
    """The sequence from arrays, feature-major, as `sequence.Forward` says: V_t = [x_t; 1; h_{t-1}], S = [W; b; U].

    Every sequence is a column here, so each product of the textbook is transposed: a_t = S^T V_t, and
    dL/dh_{t-1} = U dL/da_t, where rows make it dL/da_t U^T. G is dL/d(outputs) (T, H, n); G_last[0] is what came back
    through the state that was returned.
    """
    T, H, n = O.shape
    u = len(S) - H  # where U begins in S, and h_{t-1} in V_t
    xp = array_module(V)
    for t in range(T):
        xp.tanh(S.T.dot(V[t]), out=O[t])
        if t + 1 < T:
            V[t + 1, u:] = O[t] if mask is None else O[t] * mask

    def backward(G, G_last, dX, want_weights, want_states):
        dA = xp.empty((T, H, n), dtype=S.dtype)
        dh = xp.zeros((H, n), dtype=S.dtype) if G_last[0] is None else G_last[0]  # dL/dh_t
        for t in reversed(range(T)):
            if G is not None:
                dh = dh + G[t]
            xp.multiply(dh, 1 - O[t] * O[t], out=dA[t])
            if dX is not None:
                dX[:, t] = S[: len(dX)].dot(dA[t])
            if t > 0 or want_states:
                dh = S[u:].dot(dA[t])
                if mask is not None:
                    dh *= mask
        return sum_over_time(V, dA) if want_weights else None, [dh]

    return [O[-1]], backward
