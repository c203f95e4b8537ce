"""Cross-entropy of K classes: how surprised a network is by the truth, in nats."""

from __future__ import annotations

from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.ops.cross_entropy import truth_in_rows
from tinygrad_edu.ops.support import Operand
from tinygrad_edu.tensor import Tensor, record


def softmax_cross_entropy(
    logits: Operand,
    labels: Operand,
    reduction: str = "mean",
    *,
    weight: Array | None = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
) -> Tensor:
    """The negative logarithm of the probability that softmax gives to the right class.

    Arguments and errors are those of `ops.softmax_cross_entropy`.

    For N examples with logits Z (N, K), P = softmax(Z) and labels y (N,), the loss of one is

        -ln P[n,y] = ln sum_j e^Z[n,j] - Z[n,y],

    or, with the truth as a row Q[n] that is 1 at the label and 0 elsewhere ("one-hot"),

        loss[n] = - sum_k Q[n,k] ln P[n,k].

    In this form Q may be any row that says how much each class counts: probabilities, smoothed labels
    Q = (1 - s) onehot + s / K, rows times class weights, zeros for an example that is ignored. With the largest logit
    subtracted, which changes nothing in the quotient, no exponential overflows and no logarithm sees 0:

        E[n,k] = e^(Z[n,k] - max_j Z[n,j])                                          (1)
        P[n,k] = E[n,k] / sum_j E[n,j]                                              (2)
        ln P[n,k] = Z[n,k] - max_j Z[n,j] - ln sum_j E[n,j]                         (3)
        loss[n] = - sum_k Q[n,k] ln P[n,k]                                          (4)

    The largest logit cancels in (3), ln P[n,k] = Z[n,k] - ln sum_j e^Z[n,j], so d ln P[n,k] / dZ[n,i] = [k = i] -
    P[n,i], where [k = i] is 1 if k = i, else 0; and


        d loss[n] / dZ[n,i] = P[n,i] sum_k Q[n,k] - Q[n,i]                          (5)

    For one-hot rows the sum is 1, and the gradient is "what the network believes minus what is true".

    The result is Y = 1/M sum_n loss[n], where M is the number of examples that count (or the sum of their labels'
    weights) for "mean" and 1 for "sum"; with G = dL/dY,

        dL/dZ[n,i] = G / M  d loss[n]/dZ[n,i];   for "none" G[n] stands in the place of G / M          (6)
    """
    logits, Q, M, shape = truth_in_rows(logits, labels, reduction, weight, ignore_index, label_smoothing)
    xp, Z = array_module(logits.data), logits.data.reshape(Q.shape)
    shifted = Z - Z.max(axis=1, keepdims=True)
    E = xp.exp(shifted)  # (1)
    P = E / E.sum(axis=1, keepdims=True)  # (2)
    ln_P = shifted - xp.log(E.sum(axis=1, keepdims=True))  # (3)
    loss = -(Q * xp.where(Q == 0, 0, ln_P)).sum(axis=1)  # (4); where Q is 0 it counts for nothing, were ln P -infinity

    def backward(G):
        dZ = P * Q.sum(axis=1, keepdims=True) - Q  # (5)
        return (((G / M).reshape(-1, 1) * dZ).reshape(logits.shape),)  # (6)

    return record(loss.reshape(shape) if reduction == "none" else loss.sum() / M, (logits,), backward)
