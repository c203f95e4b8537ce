"""Solution of exercise 6.1."""

import numpy as np


def states(x, W, U, b):
    """The list h_0, h_1 ... h_T, each (N, H)."""
    h = [np.zeros((len(x), len(U)))]
    for t in range(x.shape[1]):
        h.append(np.tanh(x[:, t] @ W + h[t] @ U + b))
    return h


def rnn_backward(G, x, W, U, b):
    """From the last step to the first; the weights' gradients are sums over the steps."""
    h = states(x, W, U, b)
    dx, dW, dU, db = np.zeros_like(x), np.zeros_like(W), np.zeros_like(U), np.zeros_like(b)
    from_next = np.zeros_like(h[0])
    for t in range(x.shape[1], 0, -1):
        da = (G[:, t - 1] + from_next) * (1 - h[t] ** 2)
        dx[:, t - 1] = da @ W.T
        dW += x[:, t - 1].T @ da
        dU += h[t - 1].T @ da
        db += da.sum(axis=0)
        from_next = da @ U.T
    return dx, dW, dU, db
