"""Wrong answers to exercise 5.1, as learners write them; the docstring is what the diagnosis must say."""

import numpy as np


def max_pool_backward_all_winners(G, X, size, stride):
    "paid every tied maximum"
    dX = np.zeros(X.shape)
    for t in range(len(G)):
        for k in range(t * stride, t * stride + size):
            if X[k] == max(X[t * stride : t * stride + size]):
                dX[k] += G[t]
    return dX


def max_pool_backward_later_of_two(G, X, size, stride):
    "you paid the last"
    dX = np.zeros(X.shape)
    for t in range(len(G)):
        best = t * stride
        for k in range(t * stride, t * stride + size):
            if X[k] >= X[best]:
                best = k
        dX[best] += G[t]
    return dX


def max_pool_backward_fancy_index(G, X, size, stride):
    "kept the last window's gradient alone"
    winners = np.array([t * stride + np.argmax(X[t * stride : t * stride + size]) for t in range(len(G))])
    dX = np.zeros(X.shape)
    dX[winners] += G  # of equal indices, the last one counts
    return dX


def max_pool_backward_place_in_window(G, X, size, stride):
    "took that for a place in X"
    dX = np.zeros(len(X))
    for t in range(len(G)):
        dX[np.argmax(X[t * stride : t * stride + size])] += G[t]
    return dX


def max_pool_backward_mask_alone(G, X, size, stride):
    "the same for every G"
    dX = np.zeros(len(X))
    for t in range(len(G)):
        dX[t * stride + np.argmax(X[t * stride : t * stride + size])] = 1
    return dX


def max_pool_backward_short(G, X, size, stride):
    r"dL/dX must have shape \(9,\), it has \(7,\)"
    return G
