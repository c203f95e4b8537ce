"""Solution of exercise 8.3."""

import numpy as np

from tinygrad_edu import Tensor


def check_manners(operation, *inputs):
    """Copies from before are compared with what is there after two walks."""
    leaves = [Tensor(x.copy(), requires_grad=True) for x in inputs]
    y = operation(*leaves)
    result = y.data.copy()
    G = np.asarray(np.random.default_rng(0).normal(size=y.shape))
    given = G.copy()
    walks = []
    for _ in range(2):
        for leaf in leaves:
            leaf.grad = None
        y.backward(given, retain_graph=True)
        walks.append([leaf.grad for leaf in leaves])
    untouched = np.array_equal(given, G) and np.array_equal(y.data, result)
    untouched = untouched and all(np.array_equal(leaf.data, x) for leaf, x in zip(leaves, inputs))
    return untouched and all(np.array_equal(first, second) for first, second in zip(*walks))
