"""Exercise 4.2: col2im, the backward of im2col.

P = im2col(X, size, stride) as in exercise 4.1. Given is dP = dL/dP, of shape (OH * OW, size * size); wanted is dL/dX,
of the shape (H, W) of X. The values of X do not matter.

An example: for an image of shape (2, 3), size 2 and stride 1, dP = [[1, 2, 3, 4], [10, 20, 30, 40]] gives
[[1, 12, 20], [3, 34, 40]]: the two pixels in the middle were copied twice.
"""

import numpy as np


def col2im(dP, X, size, stride):
    """Return dL/dX (H, W)."""
    raise NotImplementedError
