"""Long short-term memory (Hochreiter and Schmidhuber 1997; the forget gate: Gers, Schmidhuber and Cummins 2000)."""

from __future__ import annotations

import functools

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.recurrent import on_gpu
from tinygrad_edu.ops.recurrent.sequence import run_sequence, sum_over_time
from tinygrad_edu.ops.support import Operand
from tinygrad_edu.tensor import Tensor


def lstm(
    x: Operand,
    W: Operand,
    U: Operand,
    b: Operand,
    h0: Operand | None = None,
    c0: Operand | None = None,
    input_mask: Array | None = None,
    recurrent_mask: Array | None = None,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """A cell state c that is added to and scaled, but never multiplied by a matrix; gates decide what happens to it.

        [a_i, a_f, a_g, a_o] = x_t W + h_{t-1} U + b
        i = sigmoid(a_i)    input gate: how much of the candidate is written
        f = sigmoid(a_f)    forget gate: how much of the old cell state is kept
        g = tanh(a_g)       candidate: what could be written
        o = sigmoid(a_o)    output gate: how much of the cell state is shown
        c_t = f * c_{t-1} + i * g
        h_t = o * tanh(c_t)

    Parameters
    ----------
    x : Tensor (N, T, D)
        N sequences of T steps with D features.
    W, U, b : Tensor (D, 4H), (H, 4H), (4H,)
        Keras' kernel, recurrent kernel and bias; the gates in the order i, f, g, o.
    h0, c0 : Tensor (N, H), optional
        The states before the first step; zeros otherwise.
    input_mask, recurrent_mask : array (N, D), (N, H), optional
        Dropout of x_t and of h_{t-1}, the same at every step of a sequence; see `simple_rnn`.

    Returns
    -------
    outputs : Tensor (N, T, H)
        h_1 ... h_T.
    (h, c) : Tensor (N, H) each
        h_T and c_T, to be handed to the next call.

    Raises
    ------
    ValueError for shapes that do not fit and for T = 0; TypeError for different dtypes or devices.

    Derived and written plainly in `textbook/lstm.py`, with how the cell path avoids vanishing. What is different here:

    - the layout, one product a step, and the batch in parts: see `sequence.py`;
    - one tanh serves all four gates, see `_tanh_for_all`;
    - results go into arrays that are made once (`out=`, `*=`): with a hundred thousand numbers a step, making arrays is
      dear; and o tanh c_t, which is h_t, is not computed again.
    """
    states = {"h0": h0, "c0": c0}
    masks = {"input_mask": input_mask, "recurrent_mask": recurrent_mask}
    outputs, h, c = run_sequence("lstm", (_forward, on_gpu.lstm), 4, (x, W, U, b), states, masks)
    return outputs, (h, c)


def _forward(V, S, O, states, mask):
    """The sequence from arrays, feature-major, as `sequence.Forward` says: V_t = [x_t; 1; h_{t-1}], S = [W; b; U].

    Results go into arrays made once (`out=`, `*=`): with a hundred thousand numbers a step, making arrays is dear.
    """
    xp = array_module(V)
    T, H, n = O.shape
    u = len(S) - H  # where U begins in S, and h_{t-1} in V_t
    scale, shift, steepest = _tanh_for_all(xp, H if n == 1 else 1, S.dtype)
    gates = xp.empty((T, 4, H * n), dtype=S.dtype)
    C = xp.empty((T + 1, H, n), dtype=S.dtype)  # c_0 ... c_T
    tanh_C = xp.empty((T, H, n), dtype=S.dtype)
    C[0] = states[1]
    scratch = xp.empty_like(C[0])
    for t in range(T):
        A, c = gates[t], C[t + 1]
        xp.dot(S.T, V[t], out=A.reshape(4 * H, n))
        A *= scale
        xp.tanh(A, out=A)
        A *= scale
        A += shift
        i, f, g, o = A.reshape(4, H, n)
        xp.multiply(f, C[t], out=c)
        c += xp.multiply(i, g, out=scratch)
        xp.multiply(o, xp.tanh(c, out=tanh_C[t]), out=O[t])
        if t + 1 < T:
            V[t + 1, u:] = O[t] if mask is None else xp.multiply(O[t], mask, out=scratch)

    def backward(G, G_last, dX, want_weights, want_states):
        dh = xp.zeros((H, n), dtype=S.dtype) if G_last[0] is None else G_last[0]
        dc = xp.zeros((H, n), dtype=S.dtype) if G_last[1] is None else G_last[1].copy()  # to be updated in place
        dA = xp.empty((T, 4 * H, n), dtype=S.dtype)
        slopes, scratch, dV = xp.empty_like(gates[0]), xp.empty_like(C[0]), xp.empty_like(V[0])
        for t in reversed(range(T)):
            i, f, g, o = gates[t].reshape(4, H, n)
            d = dA[t].reshape(4, H, n)
            tanh_c = tanh_C[t]
            if G is not None:
                dh = dh + G[t]
            # dL/dc_t += dL/dh_t * o (1 - tanh^2 c_t), and o tanh c_t is h_t
            xp.multiply(O[t], tanh_c, out=scratch)
            xp.subtract(o, scratch, out=scratch)
            scratch *= dh
            dc += scratch
            # dL/d(gates), in the order i, f, g, o
            xp.multiply(dc, g, out=d[0])
            xp.multiply(dc, C[t], out=d[1])
            xp.multiply(dc, i, out=d[2])
            xp.multiply(dh, tanh_c, out=d[3])
            # times the slopes: s (1 - s) = 1/4 - (s - 1/2)^2 for a sigmoid, 1 - g^2 for tanh
            xp.subtract(gates[t], shift, out=slopes)
            slopes *= slopes
            xp.subtract(steepest, slopes, out=slopes)
            d *= slopes.reshape(4, H, n)
            dc *= f
            if dX is not None or t > 0 or want_states:
                xp.dot(S, dA[t], out=dV)
                dh = dV[u:]
                if mask is not None:
                    dh *= mask
                if dX is not None:
                    dX[:, t] = dV[: len(dX)]
        return sum_over_time(V, dA) if want_weights else None, [dh, dc]

    return [O[-1], C[-1]], backward


@functools.cache
def _tanh_for_all(xp, H, dtype):
    """sigmoid(a) = 1/2 + 1/2 tanh(a/2): so all four gates are shift + scale tanh(scale a), and one tanh serves them.

    Returns scale, shift and the largest slope, scale^2, (4, H) each. A batch takes them with H = 1, as columns. For one
    sequence, all H are there, so that nothing needs to be repeated: that halves the time of such a small call. They are
    kept: making them takes 2 to 3 of the 80 microseconds of a small network's training step.
    """
    scale = xp.asarray([0.5, 0.5, 1, 0.5], dtype=dtype).repeat(H).reshape(4, H)
    return scale, 1 - scale, scale * scale
