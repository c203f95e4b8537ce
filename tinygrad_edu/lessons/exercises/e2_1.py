"""Exercise 2.1: the backward of a scale and a bias, Y = X * s + b.

X is (N, D): N examples with D numbers each. The scale s and the bias b are (D,), one number for each column, and
broadcasting uses them in every row. Batch normalisation ends with this step. Given is G = dL/dY, of shape (N, D).

An example: X = [[1, 2], [3, 4]], s = [10, 100] and G = [[1, 0], [1, 1]] give dL/dX = [[10, 0], [10, 100]],
dL/ds = [4, 4] and dL/db = [2, 1].
"""

import numpy as np


def scale_and_bias_backward(G, X, s, b):
    """Return (dL/dX, dL/ds, dL/db), of the shapes (N, D), (D,) and (D,)."""
    raise NotImplementedError
