"""Exercise 8.3: a check of manners.

The gradient of an operation may be right and still do harm. Say whether its backward keeps to these rules:

- neither forward nor backward writes into an input, into G, or into the result;
- a second walk over the same graph gives the same gradient;
- the gradient of a float64 input is float64 (our engine refuses another by a RuntimeError, which counts as a no).

You are given an operation on one or more Tensors that returns one Tensor, and arrays (float64) to try it at.

    leaves = [Tensor(x, requires_grad=True) for x in inputs]    # a Tensor holds the array itself, not a copy
    y = operation(*leaves)
    y.backward(G, retain_graph=True)    # after this, y.backward(G) may be called again
    leaves[0].grad                      # set it to None before the second walk, which would add to it

The values need not be checked: that was exercise 8.1.
"""

import numpy as np

from tinygrad_edu import Tensor


def check_manners(operation, *inputs):
    """True where the rules are kept, else False."""
    raise NotImplementedError
