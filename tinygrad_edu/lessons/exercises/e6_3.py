"""Exercise 6.3: the cell path of an LSTM, its gates given.

    c_t = F_t * c_(t-1) + Z_t,   t = 1 ... T

Shapes: F (T, H), the forget gates; Z (T, H), what is written; c_0 (H,). The result is all cell states c_1 ... c_T,
(T, H), and so is G: row t - 1 of F, Z and G belongs to step t. Wanted are dL/dF (T, H), dL/dZ (T, H), dL/dc_0 (H,).

Go from the last step to the first: no matrix takes part.
"""

import numpy as np


def cell_path_backward(G, F, Z, c0):
    """Return (dL/dF, dL/dZ, dL/dc0)."""
    raise NotImplementedError
