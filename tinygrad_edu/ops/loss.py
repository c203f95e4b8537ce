"""What losses share, and the squared error: one number that says how wrong the predictions are."""

from __future__ import annotations

from tinygrad_edu import checks
from tinygrad_edu.backend import Array
from tinygrad_edu.ops.support import Operand, constant, floating, operands
from tinygrad_edu.tensor import Tensor, record

REDUCTIONS = ("mean", "sum", "none")


def mse(prediction: Operand, target: Operand, reduction: str = "mean") -> Tensor:
    """The squared error, Y = (P - T)^2, averaged over all n elements (or summed, or one by one with "none").

    dY/dP = 2 (P - T)   so   dL/dP = 2 (P - T) G / n,   dL/dT = -dL/dP.

    Shapes must be equal: (N, 1) against (N,) would broadcast to an (N, N) table of every prediction against every
    target, a mistake that trains to nonsense in silence.
    """
    check_reduction("mse", reduction)
    prediction = floating("mse", prediction)
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

    return record(reduce(D * D, reduction), (prediction, target), backward)


def reduce(losses: Array, reduction: str) -> Array:
    """The losses of all examples as one number, or as they are."""
    if reduction == "none":
        return losses
    return losses.sum() / losses.size if reduction == "mean" else losses.sum()  # on small arrays faster than .mean()


def check_reduction(op: str, reduction: str) -> None:
    """ValueError for an unknown reduction."""
    checks.choice(op, "reduction", reduction, REDUCTIONS)
