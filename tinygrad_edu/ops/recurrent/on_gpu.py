"""The recurrent operations on a GPU: a step of time is one launch beside its matrix products.

What is computed is that of `simple_rnn.py`, `lstm.py` and `gru.py`, derived in `textbook/`; tests hold both equal.
There a step is a chain of elementwise calls, in place, for a processor whose cache holds what the last call wrote. Here
the chain is one formula, fused into one kernel (see `runtime/fusion.py`), and dL/dx waits for the last step and is one
product for all of them. Launches a step, forward + backward: SimpleRNN and LSTM 2 + 2, GRU 3 + 2. By the CPU's chains
it would be 3 + 7, 14 + 16 and 20 + 26 (counted, without dropout).

The functions are `sequence.Forward`s: V_t = [x_t; 1; h_{t-1}], S = [W; b; U], and n sequences stand side by side as
columns. `mask` is the dropout of h_t on its way into the next step, and of what comes back from there, `dh`.
"""

from __future__ import annotations

from typing import Any

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.recurrent.sequence import sum_over_time
from tinygrad_edu.runtime.fusion import fused

# --- the steps: one kernel each; arrays are (H, n), and None where there is nothing ---


@fused
def _simple_rnn_step(xp, h, h_next, mask):
    """`h` comes as a_t = S^T V_t and becomes h_t; `h_next` is where the next step reads it."""
    h[...] = xp.tanh(h)
    _hand_on(h, h_next, mask)


@fused
def _simple_rnn_back(xp, dh, mask, G, h, da):
    """dL/da_t, from what comes back from the next step and from the outputs."""
    da[...] = _arriving(dh, mask, G) * (1 - h * h)


@fused
def _lstm_step(xp, i, f, g, o, c_before, c, tanh_c, h, h_next, mask):
    """The gates come as their a and become themselves; c_t, tanh c_t and h_t."""
    i[...] = _sigmoid(xp, i)
    f[...] = _sigmoid(xp, f)
    g[...] = xp.tanh(g)
    o[...] = _sigmoid(xp, o)
    c[...] = f * c_before + i * g
    tanh_c[...] = xp.tanh(c)
    h[...] = o * tanh_c
    _hand_on(h, h_next, mask)


@fused
def _lstm_back(xp, dc, dh, mask, G, i, f, g, o, c_before, tanh_c, da_i, da_f, da_g, da_o):
    """dL/da of the four gates; `dc` comes as dL/dc_t from step t + 1 and becomes what step t - 1 is handed."""
    dh = _arriving(dh, mask, G)
    dc += dh * o * (1 - tanh_c * tanh_c)
    da_i[...] = dc * g * i * (1 - i)
    da_f[...] = dc * c_before * f * (1 - f)
    da_g[...] = dc * i * (1 - g * g)
    da_o[...] = dh * tanh_c * o * (1 - o)
    dc *= f


@fused
def _gru_step(xp, z, r, k, q_z, q_r, q_k, before, h, h_next, mask):
    """z, r and k come as their p and become themselves; h_t from `before`, which is h_{t-1}."""
    z[...] = _sigmoid(xp, z + q_z)
    r[...] = _sigmoid(xp, r + q_r)
    k[...] = xp.tanh(k + r * q_k)
    h[...] = k + z * (before - k)
    _hand_on(h, h_next, mask)


@fused
def _gru_back(xp, dh_kept, dh, mask, G, z, r, k, q_k, before, dp_z, dp_r, dp_k, dq_z, dq_r, dq_k):
    """dL/dp and dL/dq; `dh_kept`, the way past the products, comes from step t + 1 and becomes step t - 1's."""
    dh_kept += _arriving(dh, mask, G)
    dp_z[...] = dh_kept * (before - k) * z * (1 - z)
    dp_k[...] = dh_kept * (1 - z) * (1 - k * k)
    dp_r[...] = dp_k * q_k * r * (1 - r)
    dq_z[...] = dp_z
    dq_r[...] = dp_r
    dq_k[...] = dp_k * r
    dh_kept *= z


def _sigmoid(xp: Any, a: Array) -> Array:
    return 0.5 * xp.tanh(0.5 * a) + 0.5


def _hand_on(h: Array, h_next: Array | None, mask: Array | None) -> None:
    if h_next is not None:
        h_next[...] = h if mask is None else h * mask


def _arriving(dh: Array, mask: Array | None, G: Array | None) -> Array:
    """dL/dh_t: from the next step, through the dropout there, and from the outputs."""
    dh = dh if mask is None else dh * mask
    return dh if G is None else dh + G


# --- the loops over time ---


def simple_rnn(V, S, O, states, mask):
    """`ops.simple_rnn`."""
    xp = array_module(V)
    T, H, n = O.shape
    u = len(S) - H  # where U begins in S, and h_{t-1} in V_t
    for t in range(T):
        xp.dot(S.T, V[t], out=O[t])
        _simple_rnn_step(O[t], V[t + 1, u:] if t + 1 < T else None, mask)

    def backward(G, G_last, dX, want_weights, want_states):
        dA = xp.empty((T, H, n), dtype=S.dtype)
        dh, m = _or_zeros(G_last[0], O[0]), None  # no dropout behind the last step
        for t in reversed(range(T)):
            _simple_rnn_back(dh, m, _at(G, t), O[t], dA[t])
            if t > 0 or want_states:
                dh, m = S[u:].dot(dA[t]), mask
        _fill(dX, S, dA)
        return sum_over_time(V, dA) if want_weights else None, [_arriving(dh, m, None)]

    return [O[-1]], backward


def lstm(V, S, O, states, mask):
    """`ops.lstm`."""
    xp = array_module(V)
    T, H, n = O.shape
    u = len(S) - H
    gates = xp.empty((T, 4, H, n), dtype=S.dtype)  # i, f, g, o
    tanh_C, C = xp.empty((T, H, n), dtype=S.dtype), xp.empty((T + 1, H, n), dtype=S.dtype)  # C: c_0 ... c_T
    C[0] = states[1]
    for t in range(T):
        xp.dot(S.T, V[t], out=gates[t].reshape(4 * H, n))
        _lstm_step(*gates[t], C[t], C[t + 1], tanh_C[t], O[t], V[t + 1, u:] if t + 1 < T else None, mask)

    def backward(G, G_last, dX, want_weights, want_states):
        dA = xp.empty((T, 4 * H, n), dtype=S.dtype)
        dh, m, dc = _or_zeros(G_last[0], O[0]), None, _or_zeros(G_last[1], O[0]).copy()
        for t in reversed(range(T)):
            _lstm_back(dc, dh, m, _at(G, t), *gates[t], C[t], tanh_C[t], *dA[t].reshape(4, H, n))
            if t > 0 or want_states:
                dh, m = S[u:].dot(dA[t]), mask
        _fill(dX, S, dA)
        return sum_over_time(V, dA) if want_weights else None, [_arriving(dh, m, None), dc]

    return [O[-1], C[-1]], backward


def gru(V, S, O, states, mask):
    """`ops.gru`: V_t = [x_t; 1; 1; h_{t-1}]; the rows up to the first 1 make P, those from the second 1 on Q."""
    xp = array_module(V)
    T, H, n = O.shape
    u = len(S) - H
    upper, lower = slice(None, u - 1), slice(u - 1, None)
    gates, Q = xp.empty((T, 3, H, n), dtype=S.dtype), xp.empty((T, 3, H, n), dtype=S.dtype)  # z, r, k each
    for t in range(T):
        xp.dot(S[upper].T, V[t, upper], out=gates[t].reshape(3 * H, n))
        xp.dot(S[lower].T, V[t, lower], out=Q[t].reshape(3 * H, n))
        before = O[t - 1] if t > 0 else states[0]
        _gru_step(*gates[t], *Q[t], before, O[t], V[t + 1, u:] if t + 1 < T else None, mask)

    def backward(G, G_last, dX, want_weights, want_states):
        dP, dQ = xp.empty((T, 3 * H, n), dtype=S.dtype), xp.empty((T, 3 * H, n), dtype=S.dtype)
        dh, m, dh_kept = _or_zeros(G_last[0], O[0]), None, xp.zeros((H, n), dtype=S.dtype)
        for t in reversed(range(T)):
            before = O[t - 1] if t > 0 else states[0]
            dp, dq = dP[t].reshape(3, H, n), dQ[t].reshape(3, H, n)
            _gru_back(dh_kept, dh, m, _at(G, t), *gates[t], Q[t, 2], before, *dp, *dq)
            if t > 0 or want_states:
                dh, m = S[u:].dot(dQ[t]), mask
        _fill(dX, S, dP)
        if not want_weights:
            return None, [dh_kept + _arriving(dh, m, None)]
        dS = xp.concatenate((sum_over_time(V[:, upper], dP), sum_over_time(V[:, lower], dQ)))
        return dS, [dh_kept + _arriving(dh, m, None)]

    return [O[-1]], backward


def _at(G: Array | None, t: int) -> Array | None:
    return None if G is None else G[t]


def _or_zeros(G: Array | None, like: Array) -> Array:
    return array_module(like).zeros_like(like) if G is None else G


def _fill(dX: Array | None, S: Array, dA: Array) -> None:
    """dL/dx_t = W dL/da_t, for all steps by one product; dX is (D, T, n), dA (T, gates * H, n)."""
    if dX is not None:
        dX[...] = array_module(S).matmul(S[: len(dX)], dA).swapaxes(0, 1)
