"""What the gradient-check table checks: for every exported operation, the ways in which it can be used.

A case is a function of tensors and the inputs to check it at. A tuple stands for a random array of that shape, with
entries from the standard normal distribution; arrays are taken as they are.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.case import Case, beside, case, positive
from tinygrad_edu.gradcheck.cases_attention import ATTENTION
from tinygrad_edu.gradcheck.cases_convolution import CONVOLUTION
from tinygrad_edu.gradcheck.cases_losses import LOSSES
from tinygrad_edu.gradcheck.cases_recurrent import RECURRENT


def binary(function: Callable[..., Any]) -> list[Case]:
    """The ways in which two operands can broadcast, and the same tensor on both sides."""
    return [
        case(function, (2, 3), (2, 3)),
        case(function, (2, 3), (3,)),
        case(function, (3,), (4, 2, 3)),
        case(function, (2, 1), (1, 3)),
        case(function, (), (2, 2)),
        case(function, (1, 1), ()),
        case(function, (0, 3), (3,)),
        case(lambda x: function(x, x), (3, 2)),
        case(lambda x: function(x, 1.5), (2, 3)),
        case(lambda x: function(1.5, x), (2, 3)),
        case(function, TRANSPOSED, (2, 3)),
    ]


def unary(function: Callable[..., Any]) -> list[Case]:
    """One operand: several axes, none, no elements, a view that is not contiguous, far from zero."""
    return [
        case(function, (2, 3)),
        case(function, ()),
        case(function, (0, 2)),
        case(function, TRANSPOSED),
        case(function, (4,)),
        case(function, [[-20.0, 20.0, 0.5]]),
    ]


def reduction(function: Callable[..., Any]) -> list[Case]:
    """Every form of `axis`, with the reduced axes kept and dropped."""
    axes = (None, 0, 1, -1, (0, 2), (-1, 0), (0, 1, 2))
    return [
        *(
            case(lambda x, axis=axis, keep=keep: function(x, axis=axis, keepdims=keep), (2, 3, 4))
            for axis in axes
            for keep in (False, True)
        ),
        case(function, ()),
        case(lambda x: function(x, axis=()), (2, 2)),
        case(function, TRANSPOSED),
        case(lambda x: function(x, axis=0), (1, 3)),
    ]


def along_axis(function: Callable[..., Any]) -> list[Case]:
    """Functions of one axis: each axis, one element, and values that would overflow without care."""
    return [
        case(function, (2, 5)),
        case(lambda x: function(x, axis=0), (3, 2, 2)),
        case(lambda x: function(x, axis=-2), (3, 2, 2)),
        case(function, (3, 1)),
        case(function, [[1e4, 1e4 - 1, 1e4 - 3], [-1e4, -1e4 + 1, -1e4 + 0.5]]),
        case(function, TRANSPOSED),
    ]


def seeded(seed: int) -> np.random.Generator:
    """A fresh generator: a check calls its function many times and must see the same mask every time."""
    return np.random.default_rng(seed)


TRANSPOSED = np.random.default_rng(9).normal(size=(3, 2)).T  # (2, 3), not contiguous
TIES = np.array([[1.0, 2.0, 2.0], [2.0, 2.0, 0.5]])
MASK = np.array([[True, False, True], [False, False, True]])
ROWS = np.array([[0, 2], [2, 2]])

CASES: dict[str, list[Case]] = {
    # arithmetic
    "add": [
        *binary(ops.add),
        case(
            lambda x: x * 2.0 + x[::-1] + x.sum(axis=0) + x, (3, 2)
        ),  # several gradients for one leaf, some of them views
    ],
    "sub": binary(ops.sub),
    "mul": binary(ops.mul),
    "div": [
        case(ops.div, (2, 3), positive(2, 3)),
        case(ops.div, (2, 1), positive(4, 1, 3)),
        case(ops.div, (2, 3), -positive(3)),
        case(ops.div, (), positive(2, 2)),
        case(lambda x: ops.div(x, x), positive(3)),
        case(lambda x: ops.div(2.0, x), positive(3)),
        case(lambda x: ops.div(x, 2.0), (3,)),
    ],
    "neg": unary(ops.neg),
    "pow": [
        *(case(lambda x, p=p: ops.pow(x, p), (2, 3)) for p in (0, 1, 2, 3)),
        *(case(lambda x, p=p: ops.pow(x, p), positive(2, 3)) for p in (-2, 0.5, 2.5)),
        case(ops.pow, positive(2, 3), (2, 3)),
        case(ops.pow, positive(2, 1), (3,)),
        case(lambda x: ops.pow(x, x), positive(3)),
        case(lambda x: ops.pow(2.0, x), (2, 3)),
        case(lambda x: ops.pow(x, beside(x, np.array([0.0, 1.0, 2.0]))), [0.0, 0.0, 0.0]),
    ],
    "exp": unary(ops.exp)[:-1],
    "log": [case(ops.log, positive(2, 3)), case(ops.log, positive())],
    "log1p": [case(ops.log1p, positive(2, 3)), case(ops.log1p, -0.4 * positive(3)), case(ops.log1p, [1e-9, 0.0])],
    "sqrt": [case(ops.sqrt, positive(2, 3)), case(ops.sqrt, positive())],
    "sin": unary(ops.sin),
    "cos": unary(ops.cos),
    "abs": [*unary(ops.abs), case(ops.abs, [0.0, 1.0])],
    "maximum": [*binary(ops.maximum), case(ops.maximum, TIES, TIES[::-1].copy())],
    "minimum": [*binary(ops.minimum), case(ops.minimum, TIES, TIES[::-1].copy())],
    "clip": [
        case(lambda x: ops.clip(x, -0.5, 0.5), (4, 3)),
        case(lambda x: ops.clip(x, None, 0.5), (4, 3)),
        case(lambda x: ops.clip(x, -0.5, None), (4, 3)),
        case(lambda x: ops.clip(x, None, None), (4, 3)),
        case(lambda x: ops.clip(x, beside(x, np.array([-1.0, 0.0, 0.5])), 1.0), (4, 3)),
        case(lambda x: ops.clip(x, beside(x, np.array([[-1.0], [0.0]])), 1.0), (3,)),
        case(lambda x: ops.clip(x, -1.0, 1.0), [-1.0, 1.0, 0.0]),
    ],
    "where": [
        case(lambda a, b: ops.where(beside(a, MASK), a, b), (2, 3), (2, 3)),
        case(lambda a, b: ops.where(beside(a, MASK), a, b), (3,), (2, 1)),
        case(lambda a, b: ops.where(beside(a, MASK[0]), a, b), (2, 3), ()),
        case(lambda a: ops.where(beside(a, MASK), a, a), (2, 3)),
        case(lambda a: ops.where(beside(a, MASK), a, 0.0), (3,)),
    ],
    # activations
    "tanh": unary(ops.tanh),
    "sigmoid": unary(ops.sigmoid),
    "relu": [*unary(ops.relu), case(ops.relu, [0.0, 1.0, -1.0])],
    "leaky_relu": [*unary(ops.leaky_relu), case(lambda x: ops.leaky_relu(x, 0.3), [0.0, 1.0, -1.0])],
    "gelu": [*unary(ops.gelu), *unary(lambda x: ops.gelu(x, approximate="tanh"))],
    "elu": [*unary(ops.elu), *unary(lambda x: ops.elu(x, 0.3))],
    "softplus": unary(ops.softplus),
    "silu": unary(ops.silu),
    "softmax": along_axis(ops.softmax),
    "log_softmax": along_axis(ops.log_softmax),
    "logsumexp": [*along_axis(ops.logsumexp), case(lambda x: ops.logsumexp(x, axis=0, keepdims=True), (3, 2))],
    # reductions
    "sum": [*reduction(ops.sum), case(ops.sum, (0, 3))],
    "mean": reduction(ops.mean),
    "var": [*reduction(ops.var), case(lambda x: ops.var(x, axis=1, ddof=1), (2, 3))],
    "max": [*reduction(ops.max), case(ops.max, TIES), case(lambda x: ops.max(x, axis=1), TIES)],
    "min": [*reduction(ops.min), case(ops.min, TIES), case(lambda x: ops.min(x, axis=1), TIES)],
    "cumsum": [
        case(ops.cumsum, (2, 3)),
        case(ops.cumsum, ()),
        *(case(lambda x, axis=axis: ops.cumsum(x, axis=axis), (2, 3, 2)) for axis in (0, 1, -1)),
        case(lambda x: ops.cumsum(x, axis=0), TRANSPOSED),
        case(lambda x: ops.cumsum(x, axis=1), (2, 0)),
    ],
    # shapes
    "reshape": [
        case(lambda x: ops.reshape(x, (3, 2)), (2, 3)),
        case(lambda x: ops.reshape(x, -1), (2, 3)),
        case(lambda x: ops.reshape(x, 1, -1), ()),
        case(lambda x: ops.reshape(x, (6,)), TRANSPOSED),
    ],
    "flatten": [
        case(ops.flatten, (2, 3)),
        case(ops.flatten, ()),
        case(lambda x: ops.flatten(x, 1), (2, 3, 2)),
        case(lambda x: ops.flatten(x, -1), TRANSPOSED),
    ],
    "transpose": [
        case(ops.transpose, (2, 3)),
        case(lambda x: x.T, (2, 3, 4)),
        case(lambda x: ops.transpose(x, (2, 0, 1)), (2, 3, 4)),
        case(lambda x: ops.transpose(x, 1, -1, 0), (2, 3, 4)),
        case(ops.transpose, ()),
    ],
    "swapaxes": [case(lambda x: ops.swapaxes(x, 0, -1), (2, 3, 4)), case(lambda x: ops.swapaxes(x, 1, 1), (2, 3))],
    "expand_dims": [
        case(lambda x: ops.expand_dims(x, 0), (2, 3)),
        case(lambda x: ops.expand_dims(x, -1), ()),
        case(lambda x: ops.expand_dims(x, (0, 2)), (2, 3)),
    ],
    "squeeze": [case(ops.squeeze, (1, 3, 1)), case(lambda x: ops.squeeze(x, 0), (1, 3, 1))],
    "broadcast_to": [
        case(lambda x: ops.broadcast_to(x, (4, 2, 3)), (2, 1)),
        case(lambda x: ops.broadcast_to(x, (2, 3)), ()),
        case(lambda x: ops.broadcast_to(x, (0, 3)), (3,)),
    ],
    "concatenate": [
        case(lambda *xs: ops.concatenate(xs), (2, 3), (1, 3), (0, 3)),
        case(lambda *xs: ops.concatenate(xs, axis=-1), (2, 3), (2, 1)),
        case(lambda x: ops.concatenate([x, x, x], axis=1), (2, 3)),
    ],
    "stack": [
        case(lambda *xs: ops.stack(xs), (2, 3), (2, 3)),
        case(lambda *xs: ops.stack(xs, axis=-1), (2, 3), (2, 3), (2, 3)),
        case(lambda x: ops.stack([x, x], axis=1), (3,)),
        case(lambda x: ops.stack([x]), ()),
    ],
    "split": [
        case(lambda x: ops.split(x, 3), (6, 2)),
        case(lambda x: ops.split(x, [1, 4], axis=-1), (2, 5)),
        case(lambda x: ops.split(x, 2, axis=1)[1], (2, 4)),
        case(lambda x: ops.split(x, [0, 2]), (3,)),
        case(lambda x: ops.mul(*ops.split(x, 2)), (4,)),
    ],
    "pad": [
        case(lambda x: ops.pad(x, 2), (2, 3)),
        case(lambda x: ops.pad(x, ((0, 1), (2, 0)), value=3.0), (2, 3)),
        case(lambda x: ops.pad(x, ((0, 0),)), (3,)),
    ],
    "getitem": [
        case(lambda x: x[1], (3, 4)),
        case(lambda x: x[-1, ::2], (3, 4)),
        case(lambda x: x[::-1, 1:3], (3, 4)),
        case(lambda x: x[..., None, 0], (3, 4)),
        case(lambda x: x[beside(x, ROWS)], (3, 4)),
        case(lambda x: x[beside(x, ROWS), 1:], (3, 4)),
        case(lambda x: x[[0, 0, 1], [3, 3, 2]], (3, 4)),
        case(lambda x: x[x.data > 0], (3, 4)),
        case(lambda x: x[beside(x, MASK[0])], (3, 4)),
        case(lambda x: x[1:1], (3, 4)),
        case(lambda x: x[True], (2,)),
        case(lambda x: x[1, 2], (3, 4)),
    ],
    "astype": [case(lambda x: ops.astype(ops.astype(x, np.longdouble), np.float64), (2, 3))],
    "to": [case(lambda x: ops.to(x, "cpu"), (2, 3))],
    # products
    "matmul": [
        case(ops.matmul, (2, 3), (3, 4)),
        case(ops.matmul, (3,), (3,)),
        case(ops.matmul, (3,), (3, 2)),
        case(ops.matmul, (2, 3), (3,)),
        case(ops.matmul, (5, 2, 3), (5, 3, 2)),
        case(ops.matmul, (5, 2, 3), (3, 2)),
        case(ops.matmul, (2, 3), (5, 3, 2)),
        case(ops.matmul, (2, 1, 2, 3), (4, 3, 2)),
        case(ops.matmul, (3,), (4, 3, 2)),
        case(ops.matmul, (4, 2, 3), (3,)),
        case(ops.matmul, (2, 0), (0, 3)),
        case(ops.matmul, TRANSPOSED, (3, 2)),
        case(lambda x: ops.matmul(x, x), (3, 3)),
        case(ops.matmul, (20, 30), (30, 40)),
    ],
    "einsum": [
        case(lambda a, b: ops.einsum("ij,jk->ik", a, b), (2, 3), (3, 4)),
        case(lambda a, b: ops.einsum("ij,jk", a, b), TRANSPOSED, (3, 4)),
        case(lambda a, b: ops.einsum("bhqd,bhkd->bhqk", a, b), (2, 2, 3, 4), (2, 2, 2, 4)),
        case(lambda a, b: ops.einsum("...ij,...jk->...ik", a, b), (2, 2, 3), (2, 3, 2)),
        case(lambda a, b: ops.einsum("...ij,kj->k...i", a, b), (2, 2, 3), (2, 3)),
        case(lambda a, b: ops.einsum("i,j->ij", a, b), (2,), (3,)),
        case(lambda a, b: ops.einsum("i,i->", a, b), (3,), (3,)),
        case(lambda a, b: ops.einsum("ij,k->k", a, b), (2, 3), (2,)),  # letters that A has alone
        case(lambda a, b: ops.einsum(",i->i", a, b), (), (3,)),
        case(lambda a: ops.einsum("ij,jk->ki", a, a), (3, 3)),
    ],
    "linear": [
        case(ops.linear, (4, 3), (3, 2), (2,)),
        case(ops.linear, (4, 3), (3, 2)),
        case(ops.linear, (2, 5, 3), (3, 2), (2,)),
        case(ops.linear, (3,), (3, 2), (2,)),
        case(ops.linear, TRANSPOSED, (3, 1), (1,)),
        case(ops.linear, (50, 30), (30, 20), (20,)),
    ],
    # dropout
    "dropout": [
        case(lambda x: ops.dropout(x, 0.5, seeded(1)), (4, 3)),
        case(lambda x: ops.dropout(x, 0.9, seeded(2)), (4, 3)),
        case(lambda x: ops.dropout(x, 0.0, seeded(3)) * 1.0, (4, 3)),
    ],
    **ATTENTION,
    **LOSSES,
    **CONVOLUTION,
    **RECURRENT,
}
