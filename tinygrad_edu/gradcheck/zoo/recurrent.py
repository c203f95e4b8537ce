"""Wrong backwards of recurrent networks: backpropagation through time goes to the first step, and adds up.

The right one for comparison is `textbook/simple_rnn.py`, whose equations the lines below follow.
"""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.zoo.mistake import mistake
from tinygrad_edu.ops.support import or_zeros, record_many
from tinygrad_edu.tensor import record

RNN = (2, 4, 2), (2, 3), (3, 3), (3,)  # x (N, T, D), W (D, H), U (H, H), b (H,)
SEEN = np.array([[1.0], [0.0], [1.0]])  # the second sequence is over: padding
BACKWARDS = np.array([[3, 2, 1, 0], [1, 0, 2, 3]])  # both sequences turned round, and the padding left where it is


def states(X, W, U, b):
    """h_0 = 0 and h_1 ... h_T."""
    h = [np.zeros((len(X), len(U)))]
    for t in range(X.shape[1]):
        h.append(np.tanh(X[:, t] @ W + h[t] @ U + b))
    return h


def outputs(x, W, U, b):
    return ops.simple_rnn(x, W, U, b)[0]


@mistake(
    "simple_rnn: backpropagation stops after two steps",
    "What is handed to earlier steps is cut every second step, to save memory (truncated backpropagation). That is a "
    "choice for very long texts; as the gradient of the sequence that was asked for, it is wrong.",
    *RNN,
    right=outputs,
)
def simple_rnn_truncated(x, W, U, b):
    X = x.data
    h = states(X, W.data, U.data, b.data)

    def backward(G):
        dX, dW, dU, db, from_next = np.empty_like(X), 0, 0, 0, 0
        for t in range(X.shape[1] - 1, -1, -1):
            da = (G[:, t] + from_next) * (1 - h[t + 1] ** 2)
            dX[:, t] = da @ W.data.T
            dW = dW + X[:, t].T @ da
            dU = dU + h[t].T @ da
            db = db + da.sum(axis=0)
            from_next = da @ U.data.T if t % 2 else 0
        return dX, dW, dU, db

    return record(np.stack(h[1:], axis=1), (x, W, U, b), backward)


@mistake(
    "simple_rnn: the state after the step for the one before",
    "U multiplies h_{t-1}, so its gradient needs that one. The list begins with h_0, and an index is off by one.",
    *RNN,
    right=outputs,
)
def simple_rnn_state(x, W, U, b):
    X = x.data
    h = states(X, W.data, U.data, b.data)

    def backward(G):
        dX, dW, dU, db, from_next = np.empty_like(X), 0, 0, 0, 0
        for t in range(X.shape[1] - 1, -1, -1):
            da = (G[:, t] + from_next) * (1 - h[t + 1] ** 2)
            dX[:, t] = da @ W.data.T
            dW = dW + X[:, t].T @ da
            dU = dU + h[t + 1].T @ da
            db = db + da.sum(axis=0)
            from_next = da @ U.data.T
        return dX, dW, dU, db

    return record(np.stack(h[1:], axis=1), (x, W, U, b), backward)


@mistake(
    "simple_rnn: = for += over the steps",
    "The weights are used at every step and their gradient is a sum over the steps; the input weights keep that of "
    "the first step, which comes last.",
    *RNN,
    right=outputs,
)
def simple_rnn_assigns(x, W, U, b):
    X = x.data
    h = states(X, W.data, U.data, b.data)

    def backward(G):
        dX, dW, dU, db, from_next = np.empty_like(X), 0, 0, 0, 0
        for t in range(X.shape[1] - 1, -1, -1):
            da = (G[:, t] + from_next) * (1 - h[t + 1] ** 2)
            dX[:, t] = da @ W.data.T
            dW = X[:, t].T @ da
            dU = dU + h[t].T @ da
            db = db + da.sum(axis=0)
            from_next = da @ U.data.T
        return dX, dW, dU, db

    return record(np.stack(h[1:], axis=1), (x, W, U, b), backward)


@mistake(
    "simple_rnn: the gradient of the returned state is lost",
    "The last state is a result of its own, beside the outputs. A decoder that starts from it gives it a gradient, "
    "and the backward starts with zeros all the same.",
    *RNN,
    right=ops.simple_rnn,
)
def simple_rnn_lost_state(x, W, U, b):
    X = x.data
    h = states(X, W.data, U.data, b.data)
    results = np.stack(h[1:], axis=1), h[-1]

    def backward(Gs):
        G, _ = or_zeros(Gs, results)
        dX, dW, dU, db, from_next = np.empty_like(X), 0, 0, 0, 0
        for t in range(X.shape[1] - 1, -1, -1):
            da = (G[:, t] + from_next) * (1 - h[t + 1] ** 2)
            dX[:, t] = da @ W.data.T
            dW = dW + X[:, t].T @ da
            dU = dU + h[t].T @ da
            db = db + da.sum(axis=0)
            from_next = da @ U.data.T
        return dX, dW, dU, db

    return record_many(results, (x, W, U, b), backward)


@mistake(
    "rnn_step: the initial state gets None",
    "The state before the first step is mostly zeros, and nobody wants its gradient. When it comes from an encoder, "
    "the encoder learns nothing.",
    (2, 3),
    (2, 3),
    (3, 3),
    right=lambda a, h, U: (a + h @ U).tanh(),
)
def rnn_step_none(a, h, U):
    new = np.tanh(a.data + h.data @ U.data)

    def backward(G):
        da = G * (1 - new**2)
        return da, None, h.data.T @ da

    return record(new, (a, h, U), backward)


@mistake(
    "masked_step: what the mask keeps is forgotten",
    "Where a sequence is over, the old state is carried on: h = m new + (1 - m) old. The backward masks the new one's "
    "gradient and hands nothing to the old one, so that short sequences in a batch are not learnt from.",
    (3, 2),
    (3, 2),
    right=lambda new, old: new * SEEN + old * (1 - SEEN),
)
def masked_step_forgets(new, old):
    def backward(G):
        return G * SEEN, 0 * G

    return record(SEEN * new.data + (1 - SEEN) * old.data, (new, old), backward)


@mistake(
    "reverse_sequences: the padding is turned round, too",
    "For the second direction of a bidirectional network, each sequence is reversed up to its own length. The way "
    "back reverses the whole row; for sequences of full length, that is the same.",
    (2, 4),
    right=lambda x: x[np.arange(2)[:, None], BACKWARDS],
)
def reverse_sequences_whole(x):
    def backward(G):
        return (G[:, ::-1],)

    return record(np.take_along_axis(x.data, BACKWARDS, axis=1), (x,), backward)
