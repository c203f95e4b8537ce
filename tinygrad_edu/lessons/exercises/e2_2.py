"""Exercise 2.2: the sum that undoes broadcasting, for any shape.

An operand x met a larger one, and NumPy repeated it until it had the shape of the result Y. Given is G = dL/dY; wanted
is dL/dx. Only the shape of x counts, its values do not. Two things may have happened to it:

    x had fewer axes than Y:          (3,) with (4, 3)     the axes in front are missing
    x had length 1 where Y has more:  (4, 1) with (4, 3)

An example: G of ones, of shape (4, 3), and x of shape (4, 1) give threes, of shape (4, 1).
"""

import numpy as np


def unbroadcast(G, x):
    """Return dL/dx, of the shape of x: G summed over all axes along which x was repeated."""
    raise NotImplementedError
