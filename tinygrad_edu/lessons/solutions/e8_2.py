"""Solution of exercise 8.2."""

import numpy as np

from tinygrad_edu import Tensor

H, TOLERANCE = 1e-6, 1e-4


def check_at_kink(operation, x):
    """Between the slopes from the left and from the right, for each entry of the result and each direction."""

    def y(move):
        return operation(Tensor(x + move)).data.reshape(-1)

    middle = y(0.0)
    directions = [*np.eye(x.size).reshape(-1, *x.shape), np.ones_like(x)]
    for j in range(middle.size):
        leaf = Tensor(x, requires_grad=True)
        result = operation(leaf)
        result.backward(np.eye(middle.size)[j].reshape(result.shape))
        for u in directions:
            left, right = (middle - y(-H * u))[j] / H, (y(H * u) - middle)[j] / H
            low, high = min(left, right), max(left, right)
            if not low - TOLERANCE <= (leaf.grad * u).sum() <= high + TOLERANCE:  # false for NaN
                return False
    return True
