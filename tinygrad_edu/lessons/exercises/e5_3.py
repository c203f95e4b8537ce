"""Exercise 5.3: a check for dropout.

You are given an operation on a Tensor that claims to be dropout: y = m x, where m is 0 where an entry was dropped and
1 / (1 - p) elsewhere. Its p is not told. Its forward is right. Say whether its backward is: dL/dx = G m, with the m of
this very forward.

    leaf = Tensor(x, requires_grad=True)
    y = operation(leaf)     # a new mask may be drawn at every call, so call it once
    y.backward(G)           # G: an array of the shape of y
    leaf.grad               # what its backward makes of G

x holds no zeros. Right dropouts must be accepted and wrong ones rejected.
"""

import numpy as np

from tinygrad_edu import Tensor


def check_dropout(operation, x):
    """True where the backward of `operation`, a function of one Tensor, is right at the array x; else False."""
    raise NotImplementedError
