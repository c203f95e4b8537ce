"""The cases of the recurrent operations and of `embedding` in the gradient-check table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.backend import Array, array_module
from tinygrad_edu.gradcheck.case import Case, case
from tinygrad_edu.ops.dropout import dropout_mask
from tinygrad_edu.tensor import Tensor

IDS = np.array([[0, 2, 2], [2, 4, 0]])  # row 2 three times, rows 1 and 3 never


def recurrent(function: Callable[..., Any], gates: int, biases: tuple[int, ...], states: int) -> list[Case]:
    """Lengths of 1, with and without initial states and masks, all results together and each alone."""

    def inputs(N: int, T: int, D: int, H: int) -> list[tuple[int, ...]]:
        return [(N, T, D), (D, gates * H), (H, gates * H), (*biases, gates * H)]

    def flat(results: Any) -> tuple[Tensor, ...]:
        outputs, last = results
        return (outputs, *(last if isinstance(last, tuple) else (last,)))

    def every(*tensors: Tensor) -> tuple[Tensor, ...]:
        return flat(function(*tensors))

    def only(i: int) -> Callable[..., Tensor]:
        return lambda *tensors: every(*tensors)[i]

    def masked(x: Tensor, *others: Tensor) -> tuple[Tensor, ...]:
        H = others[1].shape[0]
        masks = (mask_for(x, (x.shape[0], x.shape[2]), 1), mask_for(x, (x.shape[0], H), 2))
        return flat(function(x, *others, input_mask=masks[0], recurrent_mask=masks[1]))

    initial = [(2, 3)] * states
    return [
        case(every, *inputs(2, 3, 2, 3)),
        case(every, *inputs(2, 3, 2, 3), *initial),
        case(masked, *inputs(2, 3, 2, 3), *initial),
        case(masked, *inputs(2, 3, 2, 3)),
        *(case(only(i), *inputs(2, 2, 1, 3), *initial) for i in range(1 + states)),
        case(every, *inputs(1, 1, 1, 1), *[(1, 1)] * states),
        case(every, *inputs(1, 4, 2, 1)),
        case(every, *inputs(3, 1, 2, 2)),
        case(every, *inputs(6, 5, 4, 5)),
    ]


def mask_for(x: Tensor, shape: tuple[int, int], seed: int) -> Array:
    """A dropout mask beside x, the same at every call."""
    return dropout_mask(shape, 0.4, np.random.default_rng(seed), like=x.data)


def ids_beside(table: Tensor, ids: np.ndarray) -> Array:
    return array_module(table.data).asarray(ids)


RECURRENT: dict[str, list[Case]] = {
    "simple_rnn": recurrent(ops.simple_rnn, 1, (), 1),
    "lstm": recurrent(ops.lstm, 4, (), 2),
    "gru": recurrent(ops.gru, 3, (2,), 1),
    "embedding": [
        case(lambda table: ops.embedding(table, ids_beside(table, IDS)), (5, 3)),
        case(lambda table: ops.embedding(table, ids_beside(table, np.array(1))), (2, 3)),
        case(lambda table: ops.embedding(table, ids_beside(table, np.zeros((2, 0), int))), (2, 3)),
        case(lambda table: ops.embedding(table, ids_beside(table, np.array([600, 0, 600]))), (601, 1)),
    ],
}
