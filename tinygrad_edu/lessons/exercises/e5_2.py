"""Exercise 5.2: the backward of batch normalisation while training.

    m = mean of X over the rows,   v = mean of (X - m)^2 over the rows,   both (C,)
    x_hat = (X - m) / sqrt(v + eps)
    Y = gamma * x_hat + beta

Shapes: X, Y and G = dL/dY (N, C); gamma and beta (C,). Wanted are dL/dX, dL/dgamma and dL/dbeta. m and v depend on X!

`tinygrad_edu/textbook/batch_norm.py` derives what is asked for; try first without.
"""

import numpy as np


def batch_norm_backward(G, X, gamma, beta, eps):
    """Return (dL/dX, dL/dgamma, dL/dbeta), of shapes (N, C), (C,) and (C,)."""
    raise NotImplementedError
