"""Wrong answers to exercise 5.3, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np

from tinygrad_edu import Tensor


def run(operation, x, G):
    leaf = Tensor(x, requires_grad=True)
    y = operation(leaf)
    y.backward(G)
    return y.data, leaf.grad


def check_dropout_zeros_alone(operation, x):
    "2 of 5 wrong operations are caught.*dropout: scaled twice"
    y, gradient = run(operation, x, np.ones(x.shape))
    return np.array_equal(y == 0, gradient == 0)


def check_dropout_four(operation, x):
    r"rejects an operation of the package, whose backward is right; inputs \(2, 6\)"
    y, gradient = run(operation, x, np.ones(x.shape))
    return np.allclose(gradient, 4.0 * (y != 0))


def check_dropout_looks_away(operation, x):
    "accepts everything.*dropout: no mask"
    _, gradient = run(operation, x, np.ones(x.shape))
    return gradient.shape == x.shape


def check_dropout_with_noise(operation, x):
    r"rejects an operation of the package, whose backward is right; inputs \(5, 6\)"
    y, gradient = run(operation, x, np.random.default_rng(0).normal(size=x.shape))
    return np.allclose(y / x, gradient)  # forgets G


def check_dropout_no_return(operation, x):
    "must return True or False; it returned None: is there a `return`"
    y, gradient = run(operation, x, np.ones(x.shape))
    np.allclose(y / x, gradient)


def check_dropout_for_ones(operation, x):
    "4 of 5 wrong operations are caught; this one slips through: dropout: forgets G"
    y, gradient = run(operation, x, np.ones(x.shape))
    return np.allclose(gradient, y / x)
