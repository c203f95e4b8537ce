"""Wrong answers to exercise 8.3, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np

from tinygrad_edu import Tensor


def leaves_of(inputs):
    return [Tensor(x, requires_grad=True) for x in inputs]


def ones(y):
    return np.asarray(np.linspace(-1, 2, y.data.size).reshape(y.shape))


def check_manners_one_walk(operation, *inputs):
    "4 of 7 .* slips through: linear: adds to the gradient of the walk before"
    copies = [x.copy() for x in inputs]
    y = operation(*leaves_of(inputs))
    G, values = ones(y), y.data.copy()
    y.backward(G)
    same = all(np.array_equal(x, copy) for x, copy in zip(inputs, copies))
    return same and np.array_equal(G, ones(y)) and np.array_equal(y.data, values)


def check_manners_no_copy(operation, *inputs):
    "slips through: relu: writes into the gradient"
    leaves = leaves_of(inputs)
    y = operation(*leaves)
    G = ones(y)
    before = G  # the same array
    y.backward(G, retain_graph=True)
    first = [leaf.grad for leaf in leaves]
    for leaf in leaves:
        leaf.grad = None
    y.backward(G)
    return np.array_equal(G, before) and all(np.array_equal(a, leaf.grad) for a, leaf in zip(first, leaves))


def check_manners_adds(operation, *inputs):
    "rejects everything"
    leaves = leaves_of(inputs)
    y = operation(*leaves)
    y.backward(ones(y), retain_graph=True)
    first = [leaf.grad for leaf in leaves]
    y.backward(ones(y))
    return all(np.array_equal(a, leaf.grad) for a, leaf in zip(first, leaves))


def check_manners_two_forwards(operation, *inputs):
    "slips through: .*dropout: the backward draws a mask of its own"
    walks = []
    for _ in range(2):
        leaves = leaves_of([x.copy() for x in inputs])
        y = operation(*leaves)
        G, values = ones(y), y.data.copy()
        y.backward(G)
        if not (np.array_equal(G, ones(y)) and np.array_equal(y.data, values)):
            return False
        if not all(np.array_equal(leaf.data, x) for leaf, x in zip(leaves, inputs)):
            return False
        walks.append([leaf.grad for leaf in leaves])
    return all(np.array_equal(a, b) for a, b in zip(*walks))
