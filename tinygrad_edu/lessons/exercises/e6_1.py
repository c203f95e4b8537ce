"""Exercise 6.1: backpropagation through time for a whole layer.

    h_t = tanh(x_t W + h_(t-1) U + b),   t = 1 ... T,   h_0 = 0

Shapes: x (N, T, D); W (D, H); U (H, H); b (H,). The result of the layer is all its states, (N, T, H), and so is
G = dL/d(states): G[:, t - 1] is what comes to h_t from outside. What comes from the next step must be added.

`states` below computes the forward for you. Lesson 6 has the case of one unit in numbers.
"""

import numpy as np


def states(x, W, U, b):
    """The list h_0, h_1 ... h_T, each (N, H)."""
    h = [np.zeros((len(x), len(U)))]
    for t in range(x.shape[1]):
        h.append(np.tanh(x[:, t] @ W + h[t] @ U + b))
    return h


def rnn_backward(G, x, W, U, b):
    """Return (dL/dx, dL/dW, dL/dU, dL/db)."""
    raise NotImplementedError
