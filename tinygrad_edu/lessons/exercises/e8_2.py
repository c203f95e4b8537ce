"""Exercise 8.2: a check at kinks.

You are given an operation on one Tensor and an array x (float64) at which it may have kinks: relu at 0, a maximum with
ties. There, a backward may choose, within limits. Take one entry of the result at a time (G is 1 there and 0 elsewhere)
and let g be the gradient that the backward gives. Move x by h u, with a small h. Then

    sum(g * u)  must lie between  (y(x) - y(x - h u)) / h  and  (y(x + h u) - y(x)) / h.

Let u move each entry of x alone, and all of them together: only the second tells that tied maxima must share what there
is. Where there is no kink, both quotients are nearly the same, so allow for their error. NaN is never right.

    leaf = Tensor(x, requires_grad=True)
    operation(leaf).backward(G)     # once for each G: the walk releases its graph
"""

import numpy as np

from tinygrad_edu import Tensor


def check_at_kink(operation, x):
    """True where the gradient that `operation` gives at x is a possible one; else False."""
    raise NotImplementedError
