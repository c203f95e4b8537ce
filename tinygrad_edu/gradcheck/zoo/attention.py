"""Wrong backwards of attention, for queries, keys and values of one head: (T, D) each.

The right one at full length is `textbook/attention.py`.
"""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.zoo.mistake import mistake
from tinygrad_edu.tensor import record

KEPT = 2.0 * (np.random.default_rng(5).random((3, 3)) < 0.5)  # dropout's mask, p = 0.5


def attention(q, k, v):
    """The right one."""
    return ops.softmax(q @ k.T / np.sqrt(q.shape[1])) @ v


def causal_attention(q, k, v):
    """The right one: no query sees a key behind it."""
    q, k, v = (x[None, None] for x in (q, k, v))
    return ops.attention(q, k, v, causal=True)[0, 0]


def dropped_attention(q, k, v):
    """The right one, with dropout of the weights."""
    return (ops.softmax(q @ k.T / np.sqrt(q.shape[1])) * KEPT) @ v


def weights(Q, K):
    A = Q @ K.T / np.sqrt(Q.shape[1])
    P = np.exp(A - A.max(axis=1, keepdims=True))
    return P / P.sum(axis=1, keepdims=True)


@mistake(
    "attention: the scale is forgotten on the way back",
    "The fits are divided by sqrt(D) and their gradients are not: those of queries and keys come out sqrt(D) times too "
    "large. An optimiser such as Adam, to which a factor is nothing, trains with them as if all were well.",
    *[(3, 2)] * 3,
    right=attention,
)
def attention_scale(q, k, v):
    Q, K, V = q.data, k.data, v.data
    P = weights(Q, K)

    def backward(G):
        dP = G @ V.T
        dA = P * (dP - (dP * P).sum(axis=1, keepdims=True))
        return dA @ K, dA.T @ Q, P.T @ G

    return record(P @ V, (q, k, v), backward)


@mistake(
    "attention: softmax's sum over the queries",
    "A row of the weights belongs to a query, and softmax's derivative subtracts the row's mean. Here the sum is taken "
    "over the other axis; with as many keys as queries, the shapes fit.",
    *[(3, 2)] * 3,
    right=attention,
)
def attention_axis(q, k, v):
    Q, K, V = q.data, k.data, v.data
    P = weights(Q, K)

    def backward(G):
        dP = G @ V.T
        dA = P * (dP - (dP * P).sum(axis=0)) / np.sqrt(Q.shape[1])
        return dA @ K, dA.T @ Q, P.T @ G

    return record(P @ V, (q, k, v), backward)


@mistake(
    "causal_attention: the gradient looks into the future",
    "The mask is put on the fits by a large negative number, and on the way back once more, by hand, but the wrong "
    "half: the weights' zeros would have been enough.",
    *[(3, 2)] * 3,
    right=causal_attention,
)
def causal_attention_half(q, k, v):
    Q, K, V = q.data, k.data, v.data
    A = Q @ K.T / np.sqrt(Q.shape[1]) - 1e9 * np.triu(np.ones((3, 3)), 1)
    P = np.exp(A - A.max(axis=1, keepdims=True))
    P = P / P.sum(axis=1, keepdims=True)

    def backward(G):
        dP = G @ V.T
        dA = np.triu(P * (dP - (dP * P).sum(axis=1, keepdims=True))) / np.sqrt(Q.shape[1])
        return dA @ K, dA.T @ Q, P.T @ G

    return record(P @ V, (q, k, v), backward)


@mistake(
    "dropped_attention: dropped weights come back",
    "Dropout's mask multiplies the weights before they meet the values, and so must their gradient before it goes into "
    "the softmax. Without it a weight that was off learns as if it had been on.",
    *[(3, 2)] * 3,
    right=dropped_attention,
)
def dropped_attention_mask(q, k, v):
    Q, K, V = q.data, k.data, v.data
    P = weights(Q, K)

    def backward(G):
        dP = G @ V.T
        dA = P * (dP - (dP * P).sum(axis=1, keepdims=True)) / np.sqrt(Q.shape[1])
        return dA @ K, dA.T @ Q, (P * KEPT).T @ G

    return record((P * KEPT) @ V, (q, k, v), backward)
