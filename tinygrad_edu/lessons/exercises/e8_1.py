"""Exercise 8.1: a check of a gradient's values.

You are given an operation on one or more Tensors that returns one Tensor, of any shape, and arrays (float64) to try it
at. Its forward is right. Say whether its backward is.

    leaves = [Tensor(x, requires_grad=True) for x in inputs]
    y = operation(*leaves)
    y.backward(G)               # G: an array of the shape of y, float64; np.asarray(...) where y is one number
    leaves[0].grad              # None, where the backward hands on nothing: that claims that all slopes are 0

For values alone: operation(Tensor(array), ...).data. A gradient that is off by a hundred-thousandth is wrong.
"""

import numpy as np

from tinygrad_edu import Tensor


def check_values(operation, *inputs):
    """True where the backward of `operation` gives the right gradient for each of the inputs; else False."""
    raise NotImplementedError
