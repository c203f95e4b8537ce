"""Exercise 3.1: the backward of a matrix product, Y = A B.

Shapes: A (N, D), B (D, M), Y and G = dL/dY (N, M). Wanted are dL/dA and dL/dB.

An example: A = [[1, 2]], B = [[3], [4]] and G = [[10]] give dL/dA = [[30, 40]] and dL/dB = [[10], [20]].
"""

import numpy as np


def matmul_backward(G, A, B):
    """Return (dL/dA, dL/dB), of the shapes of A and B."""
    raise NotImplementedError
