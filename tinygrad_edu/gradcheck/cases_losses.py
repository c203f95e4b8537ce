"""The cases of the losses in the gradient-check table."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.case import Case, beside, case
from tinygrad_edu.tensor import Tensor

TRANSPOSED = np.random.default_rng(9).normal(size=(3, 2)).T  # (2, 3), not contiguous
LABELS = np.array([[0, 2], [3, 3], [1, 0]])
YES = np.array([[1.0, 0.0, 0.25], [0.0, 1.0, 1.0]])
WEIGHT = np.array([0.5, 2.0, 0.0, 1.0])
PROBABILITIES = np.random.default_rng(11).dirichlet(np.ones(4), (3, 2))
CROSS_ENTROPY: tuple[dict[str, Any], ...] = (
    {},
    {"label_smoothing": 0.1},
    {"weight": WEIGHT},
    {"weight": WEIGHT, "label_smoothing": 1.0, "reduction": "sum"},
    {"weight": WEIGHT, "label_smoothing": 0.3, "reduction": "none"},
    {"ignore_index": 3},
    {"ignore_index": 3, "weight": WEIGHT, "label_smoothing": 0.3},
    {"ignore_index": 3, "reduction": "none"},
)


def bce(z: Tensor, targets: Any, reduction: str = "mean") -> Tensor:
    return ops.binary_cross_entropy_with_logits(z, targets, reduction)


def cross_entropy(z: Tensor, labels: np.ndarray = LABELS, weight: np.ndarray | None = None, **options: Any) -> Tensor:
    """`ops.softmax_cross_entropy` with its arrays on z's device."""
    weight = None if weight is None else beside(z, weight)
    return ops.softmax_cross_entropy(z, beside(z, labels), weight=weight, **options)


LOSSES: dict[str, list[Case]] = {
    "softmax_cross_entropy": [
        *(
            case(lambda z, how=how: ops.softmax_cross_entropy(z, beside(z, LABELS), reduction=how), (3, 2, 4))
            for how in ("mean", "sum", "none")
        ),
        *(case(lambda z, o=options: cross_entropy(z, **o), (3, 2, 4)) for options in CROSS_ENTROPY),
        *(case(lambda z, o=options: cross_entropy(z, PROBABILITIES, **o), (3, 2, 4)) for options in CROSS_ENTROPY[:5]),
        case(lambda z: ops.softmax_cross_entropy(z, beside(z, np.array(1))), (3,)),
        case(lambda z: ops.softmax_cross_entropy(z, beside(z, np.array([0]))), (1, 1)),
        case(lambda z: ops.softmax_cross_entropy(z, beside(z, np.array([0, 1]))), [[1e4, 1e4 - 1], [-1e4, 1 - 1e4]]),
        case(
            lambda z: ops.softmax_cross_entropy(z, beside(z, LABELS[:, 0])),
            np.random.default_rng(3).normal(size=(4, 3)).T,
        ),
    ],
    "binary_cross_entropy_with_logits": [
        *(case(lambda z, how=how: bce(z, beside(z, YES), how), (2, 3)) for how in ("mean", "sum", "none")),
        case(lambda z, t: bce(z, ops.sigmoid(t), "sum"), (2, 3), (2, 3)),  # a gradient for the targets, too
        case(lambda z: bce(z, beside(z, np.array(0.25))), ()),
        case(lambda z: bce(z, beside(z, np.array([1.0, 0.0]))), [-40.0, 40.0]),
        case(lambda z: bce(z, beside(z, YES)), TRANSPOSED),
    ],
    "mse": [
        *(case(lambda p, t, how=how: ops.mse(p, t, reduction=how), (3, 2), (3, 2)) for how in ("mean", "sum", "none")),
        case(lambda p: ops.mse(p, beside(p, np.ones((2, 2)))), (2, 2)),
        case(lambda p: ops.mse(p, p * 2.0), (3,)),
        case(ops.mse, (), ()),
    ],
}
