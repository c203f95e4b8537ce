"""Exercise 2.3: a check for operations that broadcast.

Somebody wrote Y = x + b and Y = x * b, with a backward of their own, where b is smaller than x and is repeated. Is what
comes back to b right? Write the check. You are given the operation, a function of two tensors, and two arrays to try it
on. It must say True for what is right and False for what is wrong, whatever the operation computes: its values are
right, and what a number's slope is can be measured. Lesson 2's table says which trials are not enough.

The outline: compute Y, choose a G, walk back by `Y.backward(G)`, and look at `b.grad`. With L = sum(G * Y), an entry of
it is the slope (L with that entry of b a little larger, minus L with it a little smaller) / (twice as much).

    Y = operation(Tensor(x), Tensor(b))    values: Y.data, an array
    Tensor(b, requires_grad=True)          gets a gradient

Some wrong operations make `backward` raise RuntimeError. That counts as a no, so you need not catch it.
"""

import numpy as np

from tinygrad_edu import Tensor


def check_broadcast(operation, x, b):
    """Return whether the gradient that operation(x, b) gives to b is right; x and b are float64 arrays."""
    raise NotImplementedError
