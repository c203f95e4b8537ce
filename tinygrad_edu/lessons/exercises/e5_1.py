"""Exercise 5.1: the backward of max pooling along a line, where windows may overlap.

The windows of `size` numbers begin at 0, stride, 2 stride, ... and there are as many as fit into X:

    y[t] = the largest of X[t * stride], ..., X[t * stride + size - 1].

Given are G = dL/dy (T,) and X (L,); wanted is dL/dX (L,). Of several equal maxima in a window, the first is the winner.

An example: X = [1, 4, 2, 3] with size 2 and stride 1 has the windows [1, 4], [4, 2], [2, 3], so that y = [4, 4, 3].
G = [10, 20, 30] gives dL/dX = [0, 30, 0, 30].
"""

import numpy as np


def max_pool_backward(G, X, size, stride):
    """Return dL/dX, an array of the shape of X."""
    raise NotImplementedError
