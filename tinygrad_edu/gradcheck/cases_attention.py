"""The cases of attention in the gradient-check table."""

from __future__ import annotations

from typing import Any

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.case import Case, beside, case
from tinygrad_edu.tensor import Tensor

MASK = np.random.default_rng(12).random((2, 1, 3, 4)) > 0.4
MASK[0, 0, 1] = False  # a row that is masked whole
SIDE_BY_SIDE = (
    np.random.default_rng(13).normal(size=(3, 2, 3, 2, 4)).swapaxes(2, 3)
)  # q, k, v (2, 2, 3, 4) as layers have it
APART = np.array([[30.0, -40.0], [0.5, 20.0], [-30.0, 1.0]]).reshape(1, 1, 3, 2)  # exponentials of many sizes


def masked(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
    return ops.attention(q, k, v, beside(q, MASK), **options)


def causal(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return ops.attention(q, k, v, causal=True)


def dropped(q: Tensor, k: Tensor, v: Tensor, **options: Any) -> Tensor:
    return ops.attention(q, k, v, dropout=0.4, rng=np.random.default_rng(1), **options)


def inputs(T: int, S: int, D: int = 2, E: int = 2, N: int = 2, heads: int = 2) -> tuple[tuple[int, ...], ...]:
    return (N, heads, T, D), (N, heads, S, D), (N, heads, S, E)


ATTENTION: dict[str, list[Case]] = {
    "attention": [
        case(ops.attention, *inputs(3, 4, D=3)),
        case(ops.attention, *inputs(1, 1, 1, 1, 1, 1)),
        case(ops.attention, *inputs(2, 3, E=1, N=1)),
        case(ops.attention, *SIDE_BY_SIDE),
        case(lambda q, k: ops.attention(q, k, q), (1, 2, 3, 2), (1, 2, 3, 2)),
        case(lambda x: ops.attention(x, x, x, causal=True), (1, 2, 3, 2)),
        case(causal, *inputs(4, 4)),
        case(causal, *inputs(1, 4)),
        case(causal, *inputs(4, 2)),  # the first two queries stand before all keys
        case(masked, *inputs(3, 4)),
        case(lambda q, k, v: masked(q, k, v, causal=True), *inputs(3, 4)),
        case(lambda q, k, v: ops.attention(q, k, v, beside(q, MASK[0, 0, 0])), *inputs(3, 4, N=1)),  # of the keys alone
        case(dropped, *inputs(3, 4)),
        case(lambda q, k, v: dropped(q, k, v, causal=True), *inputs(3, 3, N=1)),
        case(lambda q, k, v: dropped(q, k, v, mask=beside(q, MASK)), *inputs(3, 4)),
        case(lambda q, v: ops.attention(q, beside(q, APART), v), APART / 40, (1, 1, 3, 2)),
        case(causal, *inputs(70, 70, N=1)),  # more queries than a block has, if only a few weights are computed at once
    ],
}
