"""Wrong answers to exercise 5.3, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np

from tinygrad_edu import Tensor


def run(operation, x, G):
    leaf = Tensor(x, requires_grad=True)
    y = operation(leaf)
    y.backward(G)
    return y.data, leaf.grad


def check_dropout_zeros_alone(operation, x):
    "2 of 4 wrong operations are caught.*dropout: scaled twice"
    y, gradient = run(operation, x, np.ones(x.shape))
    return np.array_equal(y == 0, gradient == 0)


def check_dropout_four(operation, x):
    "rejects an operation of the package"
    y, gradient = run(operation, x, np.ones(x.shape))
    return np.allclose(gradient, 4.0 * (y != 0))


def check_dropout_looks_away(operation, x):
    "accepts everything.*dropout: no mask"
    _, gradient = run(operation, x, np.ones(x.shape))
    return gradient.shape == x.shape


def check_dropout_calls_twice_with_noise(operation, x):
    "rejects everything"
    y, gradient = run(operation, x, np.random.default_rng(0).normal(size=x.shape))
    return np.allclose(y / x, gradient)  # forgets G


def check_dropout_no_return(operation, x):
    "must return True or False; it returned None: is there a `return`"
    y, gradient = run(operation, x, np.ones(x.shape))
    np.allclose(y / x, gradient)
