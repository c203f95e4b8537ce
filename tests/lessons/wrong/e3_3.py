"""Wrong answers to exercise 3.3, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np

from tinygrad_edu import Tensor


def compare(operation, z, G, directions):
    """Whether the gradient fits the slope along each of the directions."""
    leaf = Tensor(z, requires_grad=True)
    operation(leaf).backward(G)
    slopes = [
        (G * (operation(Tensor(z + 1e-5 * u)).data - operation(Tensor(z - 1e-5 * u)).data)).sum() / 2e-5
        for u in directions
    ]
    return np.allclose([(leaf.grad * u).sum() for u in directions], slopes, rtol=1e-5, atol=1e-7)


def entries(z):
    return np.eye(z.size).reshape(-1, *z.shape)


def check_softmax_1(operation, z):
    "slips through: softmax: gradient zero"
    return compare(operation, z, np.ones_like(z), entries(z))


def check_softmax_2(operation, z):
    "1 of 4 wrong operations are caught; this one slips through: softmax: the diagonal .* log_softmax"
    first = entries(z)[0]  # how the first output depends on the first score, and nothing else
    return compare(operation, z, first, [first])


def check_softmax_3(operation, z):
    r"rejects log_softmax\(\) of the package"
    leaf = Tensor(z, requires_grad=True)
    Y = operation(leaf)
    G = np.random.default_rng(0).normal(size=z.shape)
    Y.backward(G)
    P = Y.data  # takes the formula of softmax for both
    return np.allclose(leaf.grad, P * (G - (G * P).sum(axis=-1, keepdims=True)))


def check_softmax_4(operation, z):
    "accepts everything"
    return np.allclose(np.exp(operation(Tensor(z)).data).sum() > 0, True)


def check_softmax_5(operation, z):
    "rejects everything"
    leaf = Tensor(z, requires_grad=True)
    operation(leaf).backward(np.random.default_rng(0).normal(size=z.shape))
    return np.allclose(leaf.grad, operation(Tensor(z)).data)
