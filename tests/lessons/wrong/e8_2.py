"""Wrong answers to exercise 8.2, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np

from tinygrad_edu import Tensor

h = 1e-6


def slopes(operation, x, j, u):
    left, middle, right = (operation(Tensor(x + s * u)).data.ravel()[j] for s in (-h, 0, h))
    return (middle - left) / h, (right - middle) / h


def gradients(operation, x):
    size = operation(Tensor(x)).data.size
    for j in range(size):
        leaf = Tensor(x, requires_grad=True)
        y = operation(leaf)
        G = np.zeros(size)
        G[j] = 1
        y.backward(G.reshape(y.shape))
        yield j, leaf.grad


def units(x):
    return [unit.reshape(x.shape) for unit in np.eye(x.size)]


def check_at_kink_central(operation, x):
    "rejects relu.. of the package"
    for j, g in gradients(operation, x):
        for u in [*units(x), np.ones(x.shape)]:
            if abs(sum(slopes(operation, x, j, u)) / 2 - np.sum(g * u)) > 1e-4:
                return False
    return True


def check_at_kink_entries_alone(operation, x):
    "3 of 5 .* slips through: max: every one of equal maxima gets the whole gradient.*also through: max_pool1d"
    for j, g in gradients(operation, x):
        for u in units(x):
            low, high = sorted(slopes(operation, x, j, u))
            if not low - 1e-4 < np.sum(g * u) < high + 1e-4:
                return False
    return True


def check_at_kink_not_a_number(operation, x):
    "4 of 5 .* slips through: abs: not a number at 0"
    for j, g in gradients(operation, x):
        for u in [*units(x), np.ones(x.shape)]:
            low, high = sorted(slopes(operation, x, j, u))
            if np.sum(g * u) < low - 1e-4 or np.sum(g * u) > high + 1e-4:
                return False
    return True


def check_at_kink_no_tolerance(operation, x):
    "rejects max.. of the package"
    for j, g in gradients(operation, x):
        for u in [*units(x), np.ones(x.shape)]:
            low, high = sorted(slopes(operation, x, j, u))
            if not low <= np.sum(g * u) <= high:
                return False
    return True
