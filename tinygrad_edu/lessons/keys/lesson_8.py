"""Lesson 8: how to check a gradient. Here the learner writes the checks."""

from __future__ import annotations

import numpy as np

from tinygrad_edu import ops
from tinygrad_edu.gradcheck.case import case, positive
from tinygrad_edu.gradcheck.zoo import ZOO, Mistake
from tinygrad_edu.lessons.exercise import Coals


def _zoo(*names: str) -> tuple[Mistake, ...]:
    found = {mistake.name: mistake for mistake in ZOO}
    return tuple(found[name] for name in names)


def _at(operation, *shapes):
    """An operation and inputs for it; a tuple is a shape, anything else is taken as it is."""
    return operation, case(operation, *shapes).inputs


# Under the names by which the learner is told of them.


def softmax_cross_entropy(logits):
    return ops.softmax_cross_entropy(logits, np.array([2, 0, 1]))


def max_of_rows(x):
    return ops.max(x, axis=1)


def dropout(x):
    return ops.dropout(x, 0.5, np.random.default_rng(1))


EXERCISES = (
    Coals(
        number="8.1",
        title="a check of a gradient's values",
        function="check_values",
        right=(
            _at(ops.exp, (2, 3)),
            _at(ops.softmax, (3, 4)),
            _at(ops.linear, (4, 3), (3, 2), (2,)),
            _at(ops.log, 50 * positive(3, 2)),
            _at(softmax_cross_entropy, (3, 4)),
            _at(ops.batch_norm, (4, 3), (3,), (3,)),
        ),
        wrong=_zoo(
            "softmax: gradient zero",
            "exp: forgets G",
            "matmul: B for its transpose",
            "linear: the weights' gradient is transposed",
            "softmax_cross_entropy: ignores G",
            "rnn_step: the initial state gets None",
            "batch_norm: the variance's term is missing",
            "log10: a constant of two digits (a factor of 1.001)",
            "log2: a constant of five digits (a factor of 1 + 1e-5)",
        ),
        hints=(
            "A backward knows G J, a difference knows J u. What is a number that both of them can compute?",
            "With L(x) = (G * y(x)).sum(), leaf.grad claims to be dL/dx. Take a random G, and central quotients of L.",
            "Step 1e-5 and np.allclose(gradient, slopes, rtol=1e-6, atol=1e-8), for each input; None counts as zeros.",
        ),
    ),
    Coals(
        number="8.2",
        title="a check at kinks",
        function="check_at_kink",
        right=(
            _at(ops.relu, [[-1.0, 0.0], [0.0, 2.0]]),
            _at(ops.abs, [0.0, -2.0, 1.0]),
            _at(ops.max, [1.0, 3.0, 3.0, 2.0]),
            _at(max_of_rows, [[1.0, 1.0, 0.0], [2.0, 5.0, 5.0]]),
            _at(ops.exp, (2, 2)),
        ),
        wrong=_zoo(
            "relu: slope 7 at 0",
            "abs: not a number at 0",
            "max: every one of equal maxima gets the whole gradient",
            "max_pool1d: equal maxima are all paid",
            "leaky_relu: the two slopes exchanged",
        ),
        hints=(
            "A central quotient is of no use here: at 0 it gives 0.5 for relu. Measure the slopes of both sides.",
            "Loop over the entries of the result, and in it over the directions u: the rows of np.eye, and np.ones.",
            "Reject unless min(left, right) - 1e-4 <= (g * u).sum() <= max(left, right) + 1e-4, with h = 1e-6.",
        ),
    ),
    Coals(
        number="8.3",
        title="a check of manners",
        function="check_manners",
        right=(
            _at(ops.relu, (3, 4)),
            _at(ops.exp, (3, 4)),
            _at(ops.add, (3, 4), (3, 4)),
            _at(ops.linear, (4, 3), (3, 2)),
            _at(dropout, (4, 3)),
            _at(ops.max, (4,)),
        ),
        wrong=_zoo(
            "relu: writes into the gradient it is given",
            "exp: multiplies its own result in place",
            "centre: changes its input in place",
            "scale: returns float32 for float64",
            "linear: adds to the gradient of the walk before",
            "linear: wrong on the first walk, right on later ones",
            "dropout: the backward draws a mask of its own",
        ),
        hints=(
            "You cannot see that an array was written into unless you have a copy from before.",
            "Copies of the inputs, of G and of y.data; then two walks, and the gradients of both beside each other.",
            "Use np.array_equal for all of it. Keep leaf.grad of the first walk, set leaf.grad = None, and walk again.",
        ),
    ),
)
