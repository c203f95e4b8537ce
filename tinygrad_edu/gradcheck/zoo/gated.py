"""Wrong backwards of LSTM and GRU, cell by cell: which gate is which, and which path is cut.

The right ones at full length are `textbook/lstm.py` and `textbook/gru.py`.
"""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.zoo.mistake import mistake
from tinygrad_edu.ops.support import or_zeros, record_many
from tinygrad_edu.tensor import record


def sigmoid(A):
    return 1 / (1 + np.exp(-A))


def lstm_cell(a, c):
    """The right one: gates i, f, g, o side by side in a (N, 4H), and the cell state c (N, H)."""
    i, f, g, o = ops.split(a, 4, axis=1)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def gates(A):
    i, f, g, o = np.split(A, 4, axis=1)
    return sigmoid(i), sigmoid(f), np.tanh(g), sigmoid(o)


@mistake(
    "lstm_cell: i, f, o, g on the way back",
    "The forward has the gates in the order i, f, g, o, the backward joins them as i, f, o, g. Libraries differ in "
    "this order, and all four parts have the same shape.",
    (2, 8),
    (2, 2),
    right=lstm_cell,
)
def lstm_cell_order(a, c):
    i, f, g, o = gates(a.data)
    c_new = f * c.data + i * g
    results = o * np.tanh(c_new), c_new

    def backward(Gs):
        dh, dc = or_zeros(Gs, results)
        dc = dc + dh * o * (1 - np.tanh(c_new) ** 2)
        di, df, dg, do = dc * g, dc * c.data, dc * i, dh * np.tanh(c_new)
        da = [di * i * (1 - i), df * f * (1 - f), do * o * (1 - o), dg * (1 - g**2)]
        return np.concatenate(da, axis=1), dc * f

    return record_many(results, (a, c), backward)


@mistake(
    "lstm_cell: the gradient of the returned cell state is lost",
    "The cell state is what carries memory from step to step. Only the gradient that comes through h is counted, so "
    "the path that an LSTM is built for is cut at every step.",
    (2, 8),
    (2, 2),
    right=lstm_cell,
)
def lstm_cell_lost(a, c):
    i, f, g, o = gates(a.data)
    c_new = f * c.data + i * g
    results = o * np.tanh(c_new), c_new

    def backward(Gs):
        dh, _ = or_zeros(Gs, results)
        dc = dh * o * (1 - np.tanh(c_new) ** 2)
        di, df, dg, do = dc * g, dc * c.data, dc * i, dh * np.tanh(c_new)
        da = [di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)]
        return np.concatenate(da, axis=1), dc * f

    return record_many(results, (a, c), backward)


@mistake(
    "lstm_cell: the forget gate looks at the new cell state",
    "c' = f c + i g, so the forget gate's gradient is dc' times the old c. After the step, the name c stands for the "
    "new one.",
    (2, 8),
    (2, 2),
    right=lstm_cell,
)
def lstm_cell_new(a, c):
    i, f, g, o = gates(a.data)
    c_new = f * c.data + i * g
    results = o * np.tanh(c_new), c_new

    def backward(Gs):
        dh, dc = or_zeros(Gs, results)
        dc = dc + dh * o * (1 - np.tanh(c_new) ** 2)
        di, df, dg, do = dc * g, dc * c_new, dc * i, dh * np.tanh(c_new)
        da = [di * i * (1 - i), df * f * (1 - f), dg * (1 - g**2), do * o * (1 - o)]
        return np.concatenate(da, axis=1), dc * f

    return record_many(results, (a, c), backward)


def gru_candidate(p, q, r, b):
    """The right one: k = tanh(p + b[0] + r (q + b[1])), with the reset gate r and a bias for each of the products."""
    return (p + b[0] + r * (q + b[1])).tanh()


@mistake(
    "gru_candidate: the recurrent bias is forgotten",
    "The form with the reset gate behind the product has two biases, and the second stays at zero, where it began, as "
    "its gradient is zeros. The first does much of the same work, so that the network learns, and nobody looks.",
    (3, 2),
    (3, 2),
    (3, 2),
    (2, 2),
    right=gru_candidate,
)
def gru_candidate_bias(p, q, r, b):
    R, b_q = r.data, b.data[1]
    K = np.tanh(p.data + b.data[0] + R * (q.data + b_q))

    def backward(G):
        dp = G * (1 - K**2)
        return dp, dp * R, dp * (q.data + b_q), np.stack([dp.sum(axis=0), 0 * b_q])

    return record(K, (p, q, r, b), backward)


@mistake(
    "gru_candidate: the reset gate is left out on the way back",
    "q is multiplied by the reset gate before it is added, and so is its gradient. It is handed on as p's is.",
    (3, 2),
    (3, 2),
    (3, 2),
    (2, 2),
    right=gru_candidate,
)
def gru_candidate_reset(p, q, r, b):
    R, b_q = r.data, b.data[1]
    K = np.tanh(p.data + b.data[0] + R * (q.data + b_q))

    def backward(G):
        dp = G * (1 - K**2)
        return dp, dp.copy(), dp * (q.data + b_q), np.stack([dp.sum(axis=0), (dp * R).sum(axis=0)])

    return record(K, (p, q, r, b), backward)


@mistake(
    "gru_blend: the update gate's sign",
    "h = z old + (1 - z) k here; others write (1 - z) old + z k. The forward was changed from the one to the other, "
    "and the gate's gradient was not.",
    (3, 2),
    (3, 2),
    (3, 2),
    right=lambda z, old, k: z * old + (1.0 - z) * k,
)
def gru_blend_sign(z, old, k):
    Z, H, K = z.data, old.data, k.data

    def backward(G):
        return G * (K - H), G * Z, G * (1 - Z)

    return record(Z * H + (1 - Z) * K, (z, old, k), backward)
