"""Exercise 6.2: the backward of one step of an LSTM.

a (N, 4H) holds what goes into the four gates, side by side in the order i, f, g, o; c (N, H) is the old cell state.

    i, f, o = sigmoid of their parts of a,   g = tanh of its part
    c_new = f * c + i * g
    h = o * tanh(c_new)

The result is h and c_new side by side, (N, 2H), and so is G: G[:, :H] = dL/dh, and G[:, H:] is what comes to c_new from
the next step. Wanted are dL/da (N, 4H) and dL/dc (N, H). Mind that c_new also goes into h.
"""

import numpy as np


def gates(a):
    """i, f, g and o, each (N, H)."""
    i, f, g, o = np.split(a, 4, axis=1)
    return 1 / (1 + np.exp(-i)), 1 / (1 + np.exp(-f)), np.tanh(g), 1 / (1 + np.exp(-o))


def lstm_step_backward(G, a, c):
    """Return (dL/da, dL/dc)."""
    raise NotImplementedError
