"""Losses: one number that says how wrong the predictions are."""

from __future__ import annotations

from typing import Any

from tinygrad_edu.backend import Array, array_module, device_of
from tinygrad_edu.ops.support import constant, operands
from tinygrad_edu.tensor import Tensor, as_array, record

_REDUCTIONS = ("mean", "sum", "none")


def softmax_cross_entropy(logits: Tensor, labels: Tensor | Array, reduction: str = "mean") -> Tensor:
    """The negative logarithm of the probability that softmax gives to the right class.

    Shapes: logits Z (..., K), labels y (...,) of integers 0..K-1; the loss is one number in nats, or (...,) with
    `reduction="none"`. For one example:

    P = softmax(Z),   loss = -ln P[y] = ln sum_k e^Z[k] - Z[y]
    d loss/dZ[k] = e^Z[k] / sum_j e^Z[j] - [k = y] = P[k] - [k = y]

    Softmax and logarithm are one step because together they are simpler than apart: the gradient is "what the network
    believes minus what is true", and with the largest logit m subtracted, loss = ln sum_k e^(Z[k]-m) - (Z[y]-m), no
    exponential overflows and no logarithm sees 0, at logits of +-10,000 as well.

    Raises
    ------
    TypeError
        The labels are not integers.
    ValueError
        Shapes do not fit, a label lies outside 0..K-1, the batch is empty, or the reduction is unknown.
    """
    _check_reduction("softmax_cross_entropy", reduction)
    labels = _checked_labels(logits, labels)
    Z = logits.data.reshape(-1, logits.shape[-1])  # (N, K)
    y = labels.reshape(-1)  # (N,)
    xp = array_module(Z)
    rows = xp.arange(len(Z))

    shifted = Z - Z.max(axis=1, keepdims=True)
    E = xp.exp(shifted)
    S = E.sum(axis=1, keepdims=True)  # (N, 1), at least 1
    losses = xp.log(S[:, 0]) - shifted[rows, y]  # (N,)

    def backward(G):
        weight = (G / len(Z) if reduction == "mean" else G).reshape(-1, 1)  # dL/d(losses): (1, 1) or (N, 1)
        D = E * (weight / S)  # the probabilities P = E / S, weighted
        D[rows, y] -= weight[:, 0]
        return (D.reshape(logits.shape),)

    return record(_reduce(losses.reshape(labels.shape), reduction), (logits,), backward)


def mse(prediction: Tensor, target: Tensor | Array, reduction: str = "mean") -> Tensor:
    """The squared error, Y = (P - T)^2, averaged over all n elements (or summed, or one by one with "none").

    dY/dP = 2 (P - T)   so   dL/dP = 2 (P - T) G / n,   dL/dT = -dL/dP.

    Shapes must be equal: (N, 1) against (N,) would broadcast to an (N, N) table of every prediction against every
    target, a mistake that trains to nonsense in silence.
    """
    _check_reduction("mse", reduction)
    target = target if isinstance(target, Tensor) else constant("mse", target, prediction)
    if prediction.shape != target.shape or prediction.data.size == 0:
        raise ValueError(
            f"mse: expected two equal, non-empty shapes; got prediction {prediction.shape} and target {target.shape}"
        )
    prediction, target = operands("mse", prediction, target)
    D = prediction.data - target.data
    n = D.size if reduction == "mean" else 1

    def backward(G):
        gradient = D * (2 * G / n)
        return (
            gradient if prediction.requires_grad else None,
            -gradient if target.requires_grad else None,
        )

    return record(_reduce(D * D, reduction), (prediction, target), backward)


def _reduce(losses: Array, reduction: str) -> Array:
    if reduction == "none":
        return losses
    return losses.sum() / losses.size if reduction == "mean" else losses.sum()  # on small arrays faster than .mean()


def _check_reduction(op: str, reduction: str) -> None:
    if reduction not in _REDUCTIONS:
        raise ValueError(f"{op}: unknown reduction {reduction!r}; expected one of {', '.join(_REDUCTIONS)}")


def _checked_labels(logits: Tensor, labels: Any) -> Array:
    """The labels as an array on the logits' device, or the error that says what is wrong with them."""
    op = "softmax_cross_entropy"
    y = labels.data if isinstance(labels, Tensor) else as_array(labels)
    if device_of(y) != logits.device:
        raise TypeError(f"{op}: logits are on {logits.device!r}, labels on {device_of(y)!r}; move one of them")
    if y.dtype.kind not in "iu":
        raise TypeError(f"{op}: labels must be integers (class numbers), got dtype {y.dtype}")
    K = logits.shape[-1] if logits.shape else 0
    if not logits.shape or logits.shape[:-1] != y.shape or logits.data.size == 0:
        raise ValueError(
            f"{op}: expected logits (..., K) and labels (...,), not empty; got {logits.shape} and {y.shape}"
        )
    if y.min() < 0 or y.max() >= K:
        raise ValueError(f"{op}: labels must lie in 0..{K - 1}, for {K} logits; they range from {y.min()} to {y.max()}")
    return y
