"""Attention (Vaswani et al. 2017): every place of a sequence looks at the others and takes from them what fits."""

from __future__ import annotations

import math

import numpy as np

from tinygrad_edu.backend import array_module
from tinygrad_edu.ops.attention import checked
from tinygrad_edu.ops.support import Operand
from tinygrad_edu.tensor import Tensor, record


def attention(
    q: Operand,
    k: Operand,
    v: Operand,
    mask: Operand | None = None,
    causal: bool = False,
    dropout: float = 0.0,
    rng: np.random.Generator | None = None,
) -> Tensor:
    """A dictionary that is asked softly: each query gets an average of all values, weighted by how well its key fits.

    Arguments, shapes and errors are those of `ops.attention`. For one sequence and one head, with the rows of Q (T, D)
    as queries, of K (S, D) as keys and of V (S, E) as values:

        A[t,s] = sum_d Q[t,d] K[s,d] / sqrt(D)    how well key s fits query t       (1)
        A[t,s] = -infinity    where t may not look: the mask is False, or s lies in the future, s > t + S - T      (2)
        B[t,s] = e^(A[t,s] - max_r A[t,r])                                          (3)
        P[t,s] = B[t,s] / sum_r B[t,r]    softmax: positive, each row sums to 1     (4)
        W[t,s] = P[t,s] M[t,s]    dropout's mask M, all 1 without                   (5)
        Y[t,e] = sum_s W[t,s] V[s,e]                                                (6)

    All of it holds for each sequence and each head by itself: they are the two leading axes.

    Why the scale
    -------------
    If the numbers of Q and K are independent, of mean 0 and variance 1, then the sum in (1) has variance D: with D = 64
    the fits would be spread by 8, one weight of a row would be near 1 and all others near 0, and there, (9) says,
    hardly a gradient passes. Divided by sqrt(D), the variance is 1, however wide the heads.

    What the mask does
    ------------------
    e^-infinity = 0: where a query may not look, P is 0 and with it, by (9), dL/dA: neither the values nor the gradients
    of the future reach the past. A row that is masked whole has no largest fit and no sum to divide by. There the
    maximum in (3) is taken to be 0 and the sum in (4) to be 1, so that P and Y are 0, and so are all gradients.

    The way back
    ------------
    (6) is a product of matrices, and hands to each factor the gradient times the other:

        dL/dV[s,e] = sum_t W[t,s] G[t,e]                                            (7)
        dL/dP[t,s] = dL/dW[t,s] M[t,s] = M[t,s] sum_e G[t,e] V[s,e]                 (8)

    Softmax: dP[t,r] / dA[t,s] = P[t,r] ([r = s] - P[t,s]), since a larger A[t,s] raises its own weight and, through the
    sum in (4), lowers all of the row. So dL/dA[t,s] = sum_r dL/dP[t,r] P[t,r] ([r = s] - P[t,s]), which is

        dL/dA[t,s] = P[t,s] (dL/dP[t,s] - sum_r dL/dP[t,r] P[t,r])                  (9)

    A weight grows if its value would help more than the average that the query has now. And through (1):

        dL/dQ[t,d] = sum_s dL/dA[t,s] K[s,d] / sqrt(D)                              (10)
        dL/dK[s,d] = sum_t dL/dA[t,s] Q[t,d] / sqrt(D)                              (11)
    """
    q, k, v, mask, M = checked(q, k, v, mask, causal, dropout, rng)
    Q, K, V = q.data, k.data, v.data
    xp = array_module(Q)
    T, S, root = Q.shape[2], K.shape[2], math.sqrt(Q.shape[3])
    A = Q @ transposed(K) / root  # (1)
    if mask is not None:
        A = xp.where(mask, A, -math.inf)
    if causal:
        A = xp.where(xp.arange(S) > xp.arange(T)[:, None] + S - T, -math.inf, A)  # (2)
    largest = A.max(axis=-1, keepdims=True)
    B = xp.exp(A - xp.where(largest == -math.inf, 0, largest))  # (3)
    total = B.sum(axis=-1, keepdims=True)
    P = B / xp.where(total == 0, 1, total)  # (4)
    W = P if M is None else P * M  # (5)

    def backward(G):
        dV = transposed(W) @ G  # (7)
        dW = G @ transposed(V)
        dP = dW if M is None else dW * M  # (8)
        dA = P * (dP - (dP * P).sum(axis=-1, keepdims=True))  # (9)
        dQ = dA @ K / root  # (10)
        dK = transposed(dA) @ Q / root  # (11)
        return dQ, dK, dV

    return record(W @ V, (q, k, v), backward)  # (6)


def transposed(X):
    """Every matrix (the last two axes) turned around."""
    return X.swapaxes(-1, -2)
