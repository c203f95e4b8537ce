"""Exercise 4.1: im2col, every window of an image as a row.

X is an image (H, W). A window has size x size pixels; it moves by `stride` rows and columns, and there are as many
places for it as fit: OH = (H - size) // stride + 1 below each other, OW = (W - size) // stride + 1 side by side. Row
oh * OW + ow of the result holds the window number (oh, ow), read row by row:

    P[oh * OW + ow,  kh * size + kw]  =  X[oh * stride + kh,  ow * stride + kw]

An example: the image [[0, 1, 2], [3, 4, 5]] with size 2 and stride 1 gives [[0, 1, 3, 4], [1, 2, 4, 5]].
"""

import numpy as np


def im2col(X, size, stride):
    """Return P, a new array (OH * OW, size * size)."""
    raise NotImplementedError
