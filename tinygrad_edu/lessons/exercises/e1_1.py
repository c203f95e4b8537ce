"""Exercise 1.1: the backward of y = a * b.

The product is taken entry by entry. Given are G = dL/dy, a and b, all of one shape; wanted are dL/da and dL/db.

An example: a = [2, 3], b = [5, 7] and G = [1, 10] give dL/da = [5, 70] and dL/db = [2, 30].
"""


def mul_backward(G, a, b):
    """Return (dL/da, dL/db), two arrays of the shape of G."""
    raise NotImplementedError
