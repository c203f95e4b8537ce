"""Exercise 4.3: both gradients of a convolution.

X is an image (H, W), K a kernel (size, size), and the result at the place (oh, ow) is the window there times K:

    Y[oh, ow]  =  sum over kh, kw of  X[oh * stride + kh,  ow * stride + kw] K[kh, kw]

Given are G = dL/dY (OH, OW), X and K; wanted are dL/dX and dL/dK. With your im2col and col2im, copied in here, Y is a
matrix product, P times K in one column, and four lines will do. Plain loops over the formula are as good.

An example: X = [[1, 2], [3, 4]], K = [[1, 0], [0, 0]], stride 1 and G = [[10]] give dL/dX = [[10, 0], [0, 0]] and
dL/dK = [[10, 20], [30, 40]].
"""

import numpy as np


def conv_backward(G, X, K, stride):
    """Return (dL/dX, dL/dK), of the shapes of X and K."""
    raise NotImplementedError
