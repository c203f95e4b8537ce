"""Exercise 3.3: a check that a wrong softmax does not pass.

You are given an operation on one tensor of scores (N, K): softmax, or its logarithm, along the last axis, with a
backward that somebody wrote. Say whether that backward is right. The values are; so the truth can be measured.

As in exercise 2.3: with L = sum(G * Y), each entry of `Z.grad` is a slope of L. Lesson 3 tells which G is of no use.

    Z = Tensor(z, requires_grad=True)
    Y = operation(Z)                     values: Y.data
    Y.backward(G)                        then Z.grad
"""

import numpy as np

from tinygrad_edu import Tensor


def check_softmax(operation, z):
    """Return whether the gradient that operation(z) gives to z is right; z is a float64 array (N, K)."""
    raise NotImplementedError
