"""Figures of merit: how good predictions are, in numbers that people read. Nothing here has a gradient."""

from __future__ import annotations

from tinygrad_edu.backend import Array, device_of, to_device
from tinygrad_edu.ops.support import array_of, below
from tinygrad_edu.tensor import Tensor


def accuracy(logits: Tensor | Array, labels: Tensor | Array) -> float:
    """The share of the examples whose largest score is that of the right class: a number from 0 to 1.

    It is computed where the scores are: from a GPU, single numbers are fetched, not the scores. Arguments and errors
    are those of `right`, of which this is the mean.
    """
    return float(right(logits, labels).mean())


def right(logits: Tensor | Array, labels: Tensor | Array) -> Array:
    """Whether the largest score of each example is that of the right class: booleans (...,), where the scores are.

    With labels that come from the CPU, nothing is fetched from a GPU: `right(logits, labels).mean()` is a figure of a
    training step that nobody waits for, see `training.fit`.

    Parameters
    ----------
    logits : Tensor or array (..., K)
        Scores of K classes along the last axis: logits, or probabilities, whose order is the same. Of several equal
        largest scores the first counts.
    labels : Tensor or array (...,) of integers 0..K-1
        The right classes. They are moved to where the scores are.

    Raises
    ------
    TypeError
        The labels are not integers.
    ValueError
        Shapes do not fit, there is no example, or a label lies outside 0..K-1.
    """
    Z, y = (x.data if isinstance(x, Tensor) else array_of("accuracy", x) for x in (logits, labels))
    if y.dtype.kind not in "iu":
        raise TypeError(f"accuracy: labels must be integers (class numbers), got dtype {y.dtype}")
    if Z.ndim == 0 or Z.shape[:-1] != y.shape or Z.size == 0:
        hint = "; of one-hot labels, give labels.argmax(axis=-1)" if Z.shape == y.shape else ""
        raise ValueError(
            f"accuracy: expected logits (..., K) and labels (...,), not empty; got {Z.shape} and {y.shape}{hint}"
        )
    K = Z.shape[-1]
    if not below(y, K):
        raise ValueError(f"accuracy: labels must lie in 0..{K - 1}; they range from {y.min()} to {y.max()}")
    return Z.argmax(axis=-1) == to_device(y, device_of(Z))
